"""One attempt to tell a receiver something, by HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from OpenSSL import SSL
from service_identity import VerificationError
from treq.client import HTTPClient
from twisted.internet import error
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from twisted.web.client import Agent, HTTPConnectionPool
from twisted.web.http_headers import Headers
from twisted.web.iweb import IAgent, IBodyProducer, IResponse
from zope.interface import implementer

from .. import __version__
from ..model.delivery import Delivery
from ..model.message import Told, formatted
from ..model.receiver import Receiver, Receivers
from ..reactor_types import Connector
from ..resolver import LookUp
from . import mail
from .endpoint import GuardedEndpoint, Refused
from .signature import Signer

PATIENCE = 10.0  # seconds for all of it
STANDS_FOR_IT = "http://receiver.invalid/"  # treq would write a URL anew, and can write no IPv6 address
READ = 4096  # bytes of an answer: it is of no interest, but a receiver that is cut off while it answers logs an error
LINGER = 2.0  # seconds for these bytes

TOLD: tuple[tuple[type[BaseException], str], ...] = (
    (error.ConnectionRefusedError, "nobody listens there"),
    (error.TimeoutError, "no connection came about"),
    (VerificationError, "TLS: its certificate is for another host"),
    (SSL.Error, "TLS: it failed"),
    (error.ConnectionClosed, "the connection was closed before there was an answer"),
)


class NotTold(Exception):
    """An attempt failed; its words say why, and hold no secret. `final`: another attempt would not help."""

    def __init__(self, words: str, final: bool = False) -> None:
        super().__init__(words)
        self.final = final


class WebhookSender:
    """Makes attempts.

    - `look_up`: gives the addresses of a host name
    - `receivers`: where notifications may go
    - `node`: the name of this node, for the receiver
    - `clock`: gives the seconds since 1970 for signatures
    """

    def __init__(
        self,
        reactor: Connector,
        look_up: LookUp,
        receivers: Receivers,
        signer: Signer,
        node: str,
        clock: Callable[[], float],
    ) -> None:
        self._reactor = reactor
        self._look_up = look_up
        self._receivers = receivers
        self._signer = signer
        self._node = node
        self._clock = clock

    def send(self, delivery: Delivery) -> Deferred[int]:
        """The status that the receiver answered with. Fails with NotTold, or CancelledError."""
        try:
            receiver = self._receiver(delivery.url)
        except NotTold as why:
            return _failed(why)
        if receiver.scheme == "mailto":
            return self._mail(receiver, delivery)
        endpoint = GuardedEndpoint(self._reactor, self._look_up, receiver, self._receivers.private)
        data = json.dumps(formatted(self._told(delivery), delivery.format)).encode()
        sending = Deferred.fromCoroutine(
            _send(self._reactor, endpoint, receiver.url, data, self._headers(delivery, data))
        )
        return sending.addTimeout(PATIENCE, self._reactor, _too_late)

    def _mail(self, receiver: Receiver, delivery: Delivery) -> Deferred[int]:
        if self._receivers.mail is None:
            return _failed(NotTold("there is no server for mail any more (NOTIFY_MAIL)", final=True))
        sending = mail.send(self._reactor, self._look_up, self._receivers.mail, receiver, self._told(delivery))
        sending.addErrback(_raise_not_told)
        return sending.addTimeout(PATIENCE, self._reactor, _too_late)

    def _told(self, delivery: Delivery) -> Told:
        return cast(Told, {**delivery.body, "node": self._node})

    def _receiver(self, url: str | None) -> Receiver:
        if url is None:
            if self._receivers.everyone is None:
                raise NotTold("there is no receiver for all jobs any more", final=True)
            return self._receivers.everyone
        try:
            receiver = Receiver.of(url)
        except ValueError as why:
            raise NotTold(f"its URL {why}", final=True) from None
        if not self._receivers.allow(receiver):
            raise NotTold(f"{receiver.place} is not among the hosts that are allowed (NOTIFY_HOSTS)", final=True)
        return receiver

    def _headers(self, delivery: Delivery, data: bytes) -> Headers:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": f"jobsched/{__version__}",
            "Jobsched-Delivery": delivery.id,
            "Jobsched-Event": delivery.event,
            **self._signer.headers(delivery.id, int(self._clock()), data),
        }
        return Headers({name: [value] for name, value in headers.items()})


async def _send(reactor: Connector, endpoint: GuardedEndpoint, url: str, data: bytes, headers: Headers) -> int:
    agent = Agent.usingEndpointFactory(reactor, endpoint, HTTPConnectionPool(reactor, persistent=False))
    client = HTTPClient(_Plain(agent, url.encode()))  # a new one has no cookies
    whole = False
    try:
        answer = await client.post(STANDS_FOR_IT, data=data, headers=headers, allow_redirects=False, unbuffered=True)
        endpoint.answered()
        reading = _Reading()
        answer.deliverBody(reading)
        whole = await reading.done.addTimeout(LINGER, reactor, lambda _given_up, _seconds: False)
    except Exception as why:
        raise _not_told(why) from None
    finally:
        endpoint.close(gently=whole)
    return int(answer.code)


@implementer(IAgent)
class _Plain:
    """Requests exactly the URL that was checked, byte by byte. Does not unpack the answer: a small one could become
    gigabytes."""

    def __init__(self, agent: IAgent, url: bytes) -> None:
        self._agent = agent
        self._url = url

    def request(
        self, method: bytes, uri: bytes, headers: Headers | None = None, bodyProducer: IBodyProducer | None = None
    ) -> Deferred[IResponse]:
        asked: Deferred[IResponse] = self._agent.request(method, self._url, headers, bodyProducer)
        return asked.addCallback(_as_it_comes)


def _as_it_comes(answer: IResponse) -> IResponse:
    answer.headers.removeHeader(b"content-encoding")
    return answer


class _Reading(Protocol):
    """Takes some of an answer's body; `done` fires with True at its end, with False when enough was read."""

    def __init__(self) -> None:
        self.done: Deferred[bool] = Deferred(lambda _: None)
        self._left = READ

    def dataReceived(self, data: bytes) -> None:
        self._left -= len(data)
        if self._left <= 0:
            self._end(False)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(True)  # even if it was cut off: the status was there before it

    def _end(self, whole: bool) -> None:
        if not self.done.called:
            self.done.callback(whole)


def _failed(why: NotTold) -> Deferred[int]:
    failed: Deferred[int] = Deferred()
    failed.errback(why)
    return failed


def _too_late(_given_up: object, seconds: float) -> int:
    raise NotTold(f"no answer within {seconds:g} s")


def _raise_not_told(failure: Failure) -> int:
    why = failure.value
    assert isinstance(why, Exception)
    if isinstance(why, mail.Refused):
        raise NotTold(str(why), why.final)
    raise _not_told(why)


def _not_told(why: Exception) -> Exception:
    causes = list(_causes(why))
    for cause in causes:
        if isinstance(cause, CancelledError):
            return cause
        if isinstance(cause, Refused):
            return NotTold(str(cause), final=True)
    return NotTold(_words(causes))


def _words(causes: Sequence[BaseException]) -> str:
    """What went wrong, in our own words: those of the libraries may repeat the URL."""
    name = "an unknown fault"
    for cause in causes:
        for kind, words in TOLD:
            if isinstance(cause, kind):
                return f"TLS: {_tls(cause)}" if isinstance(cause, SSL.Error) else words
        if isinstance(cause, error.ConnectError):
            return f"it cannot be reached: {cause.osError or cause}"
        if isinstance(cause, (OSError, UnicodeError)):
            return "its name cannot be looked up: " + (getattr(cause, "strerror", None) or "it is no name")
        name = type(cause).__name__
    return f"the request failed: {name}"


def _tls(why: SSL.Error) -> str:
    known = [str(each[-1]) for each in why.args[0]] if why.args and isinstance(why.args[0], list) else []
    return ", ".join(known) or "it failed"


def _causes(why: BaseException) -> Iterator[BaseException]:
    """The errors that Twisted has wrapped, and then the wrapping error."""
    for reason in getattr(why, "reasons", ()):
        yield from _causes(reason.value)
    yield why
