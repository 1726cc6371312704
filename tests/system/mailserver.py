"""A real SMTP server beside the test: `mailserver.py PORT FOLDER CODE [CERTIFICATE]` keeps each mail as a file.

CODE is what it answers to a receiver: 250 takes the mail. With a certificate (PEM, key and all) it has STARTTLS, and
then wants the user `jobsched` with the password `hunter22`.
"""

from __future__ import annotations

import sys
from io import BytesIO
from itertools import count
from pathlib import Path

from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor, ssl
from twisted.internet.defer import Deferred, succeed
from twisted.mail import smtp
from twisted.mail._cred import LOGINCredentials, PLAINCredentials
from zope.interface import implementer

_numbers = count(1)


@implementer(smtp.IMessage)
class Mail:
    def __init__(self, folder: Path, to: str) -> None:
        self.folder, self.text = folder, BytesIO()
        self.text.write(f"X-To: {to}\n".encode())

    def lineReceived(self, line: bytes) -> None:
        self.text.write(line + b"\n")

    def eomReceived(self) -> Deferred[None]:
        part = self.folder / "part"
        part.write_bytes(self.text.getvalue())
        part.rename(self.folder / f"{next(_numbers)}.eml")
        return succeed(None)

    def connectionLost(self) -> None:
        """It was not whole."""


@implementer(smtp.IMessageDelivery)
class Delivery:
    def __init__(self, folder: Path, code: int) -> None:
        self.folder, self.code = folder, code

    def receivedHeader(self, helo: object, origin: object, recipients: object) -> bytes:
        return b"Received: here"

    def validateFrom(self, helo: object, origin: smtp.Address) -> smtp.Address:
        return origin

    def validateTo(self, user: smtp.User):
        with (self.folder / "asked").open("a") as file:
            file.write(f"{user.dest}\n")
        if self.code != 250:
            raise smtp.SMTPServerError(self.code, f"no {user.dest} here")
        return lambda: Mail(self.folder, str(user.dest))


@implementer(IRealm)
class Realm:
    def __init__(self, delivery: Delivery) -> None:
        self.delivery = delivery

    def requestAvatar(self, _who: object, _mind: object, *interfaces: object):
        return smtp.IMessageDelivery, self.delivery, lambda: None


def main(port: str, folder: str, code: str, certificate: str = "") -> None:
    delivery = Delivery(Path(folder), int(code))

    class Factory(smtp.SMTPFactory):
        def buildProtocol(self, address: object):
            context = None
            if certificate:
                context = ssl.PrivateCertificate.loadPEM(Path(certificate).read_bytes()).options()
            ways = {b"PLAIN": PLAINCredentials, b"LOGIN": LOGINCredentials}
            protocol = smtp.ESMTP(ways if certificate else {}, context)
            protocol.factory = self
            if certificate:
                users = InMemoryUsernamePasswordDatabaseDontUse(jobsched=b"hunter22")
                protocol.portal = Portal(Realm(delivery), [users])  # type: ignore[assignment]  # Twisted says None
            else:
                protocol.delivery = delivery
            return protocol

    reactor.listenTCP(int(port), Factory(), interface="127.0.0.1")
    reactor.run()


if __name__ == "__main__":
    main(*sys.argv[1:])
