"""One attempt to tell a receiver something, by mail: handed to the one server that the operator names."""

from __future__ import annotations

from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from io import BytesIO
from typing import Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IConnector
from twisted.internet.ssl import optionsForClientTLS
from twisted.mail.smtp import (
    AUTHRequiredError,
    ESMTPSenderFactory,
    SMTPClientError,
    SMTPConnectError,
    SMTPDeliveryError,
    TLSRequiredError,
)

from ..model.message import Told, details, title
from ..model.receiver import MailServer, Receiver
from ..reactor_types import Connector
from ..resolver import LookUp

CONNECT = 4.0  # seconds
TAKEN: Final = 250  # what a server answers that has taken a mail


class Refused(Exception):
    """The server did not take the mail; its words say why. `final`: it never would."""

    def __init__(self, words: str, final: bool = False) -> None:
        super().__init__(words)
        self.final = final


def letter(server: MailServer, receiver: Receiver, body: Told) -> bytes:
    """The mail as it is sent. Its id is that of the delivery, the same at each attempt."""
    mail = EmailMessage(policy=SMTP)
    mail["From"] = server.sender
    mail["To"] = address(receiver)
    mail["Subject"] = title(body)
    mail["Date"] = format_datetime(datetime.fromisoformat(body["at"]))
    mail["Message-ID"] = f"<{body['id']}@{server.sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday answers it
    mail.set_content("\n".join([title(body), "", *details(body), ""]), cte="quoted-printable")
    return mail.as_bytes()


def address(receiver: Receiver) -> str:
    """Of a mailbox: what follows `mailto:`."""
    return receiver.url.removeprefix("mailto:")


def send(reactor: Connector, look_up: LookUp, server: MailServer, receiver: Receiver, body: Told) -> Deferred[int]:
    """Hand a mail over; the status. Fails with Refused, or what kept it from being sent. A cancel ends it."""
    return Deferred.fromCoroutine(_send(reactor, look_up, server, receiver, body))


async def _send(reactor: Connector, look_up: LookUp, server: MailServer, receiver: Receiver, body: Told) -> int:
    host = (await look_up(server.host))[0]
    connectors: list[IConnector] = []

    def leave(_: Deferred[object]) -> None:
        factory.sendFinished = True  # or it would tell of the end of its connection where nobody waits for that
        connectors[0].disconnect()

    result: Deferred[object] = Deferred(leave)
    user, password = (None if text is None else text.encode() for text in (server.user, server.password))
    factory = ESMTPSenderFactory(
        user,
        password,
        server.sender,
        address(receiver),
        BytesIO(letter(server, receiver, body)),
        result,
        retries=0,
        contextFactory=optionsForClientTLS(server.host) if server.starttls else None,
        requireAuthentication=server.user is not None,
        requireTransportSecurity=server.starttls,
        heloFallback=not server.starttls,
    )
    factory.noisy = False
    connectors.append(reactor.connectTCP(host, server.port, factory, CONNECT))
    try:
        await result
    except SMTPClientError as why:
        raise _refused(why) from None
    return TAKEN


def _refused(why: SMTPClientError) -> Exception:
    """In our own words: those of a server may repeat what we said to it."""
    if isinstance(why, SMTPConnectError):
        cause = why.__cause__
        return cause if isinstance(cause, Exception) else Refused("the mail server cannot be reached")
    if isinstance(why, TLSRequiredError):
        return Refused("the mail server has no STARTTLS (NOTIFY_MAIL: starttls)")
    if isinstance(why, AUTHRequiredError):
        return Refused("the mail server takes no password in a way that we know")
    if isinstance(why, SMTPDeliveryError) and why.code > 0:
        return Refused(f"the mail server answered {why.code}", final=500 <= why.code < 600)
    return Refused("the mail server broke off")
