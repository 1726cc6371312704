"""/events: changes of jobs, runs and nodes, as they come, as server-sent events."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IPushProducer, IReactorTime
from twisted.logger import Logger
from twisted.web.http import Request
from zope.interface import implementer

from ..feed import Feed, Told
from ..http.download import no_more
from ..http.from_json import given
from ..http.log_limit import shown
from ..http.route import Admit, Route, caller, query
from ..http.schemas.holds import HoldOut
from ..http.schemas.jobs import JobOut
from ..http.schemas.nodes import NodeOut
from ..http.schemas.notifications import Gone, HoldGone, ReadyOut
from ..http.schemas.queries import EventsAsked
from ..http.schemas.runs import RunOut
from ..loops import Loop
from ..model.caller import Caller
from ..model.change import KINDS, READY, ChangeFilter
from ..model.errors import Forbidden, Invalid, Slower, Unauthorized
from ..model.run import STATES
from .event_text import Texts, event, position
from .output import Outputs
from .readiness import Readiness, Seen

TEXT: Final = b"text/event-stream"
ALIVE: Final = 15.0  # seconds between comments
CHECK: Final = 1.0  # seconds between looks at each client's token
SLOW: Final = 30.0  # seconds in which a client takes nothing, until it is cut off
TOLD: Final[Mapping[str, tuple[type, ...]]] = {
    "run": (RunOut, Gone), "job": (JobOut, Gone), "node": (NodeOut, Gone), "hold": (HoldOut, HoldGone),
    "ready": (ReadyOut,),
}  # fmt: skip
MOST_QUEUED: Final = 1024 * 1024  # bytes that wait for one client


@attrs.frozen(kw_only=True)
class Following:
    """What it takes to follow changes; `admit` looks at the token of a request again."""

    reactor: IReactorTime
    feed: Feed
    admit: Admit
    readiness: Readiness


class EventCalls:
    """The call that follows changes."""

    log = Logger()

    def __init__(self, following: Following, outputs: Outputs, texts: Texts) -> None:
        self._following = following
        self._outputs = outputs
        self._texts = texts

    def routes(self) -> list[Route]:
        """What is served here."""
        return [
            Route("GET", "/events", self.follow, "Follow what changes", asks=EventsAsked,
                  gives={200: "text/event-stream"}, refuses=(400,), tells=TOLD),
        ]  # fmt: skip

    async def follow(self, request: Request) -> bytes:
        """200: an event for each change from now on, or behind the header Last-Event-ID."""
        only, feed, reactor = _only(request), self._following.feed, self._following.reactor
        last = request.getHeader(b"last-event-id")
        with self._outputs.place():
            numbers = await feed.numbers()
            request.setHeader(b"content-type", TEXT)
            request.setHeader(b"cache-control", b"no-store")
            if request.method == b"HEAD":
                return b""
            known = last is not None and last.isascii() and last.isdigit() and numbers.follows(int(last))
            begin = int(last or 0) if known else numbers.last
            stream = Stream(request, only, begin, reactor, self._texts.text, self.log)
            lost = last is not None and not known
            stream.send(event("reset", b"{}", begin) if lost else position(begin, "follows"))
            loops = [
                Loop(reactor, ALIVE, stream.say_alive, "the sign of life of an event stream"),
                Loop(reactor, CHECK, lambda: self._check(stream), "the look at the token of an event stream"),
            ]
            for loop in loops:
                loop.start(now=False)
            if only.wants_ready:
                self._following.readiness.follow(stream.see)
            try:
                while not stream.over.called and not feed.follow(stream.position, stream.hear, stream.end):
                    stream.hear(await feed.page(stream.position))
                await stream.over
            finally:
                feed.leave(stream.hear)
                self._following.readiness.leave(stream.see)
                for loop in loops:
                    loop.stop()
                stream.leave()
        return b""

    def _check(self, stream: Stream) -> None:
        """End the stream of a token that is no longer good; one that may see other tasks now sees those."""
        try:
            who = self._following.admit(stream.request, "read")
        except (Unauthorized, Forbidden, Slower):
            self.log.info("the stream of events to {address} ends: its token is no longer good",
                          address=shown(stream.request.getClientAddress()))  # fmt: skip
            stream.end()
        else:
            stream.see_as(who)


def _only(request: Request) -> ChangeFilter:
    asked = query(request, EventsAsked)
    who = caller(request)
    kinds = frozenset(filter(None, (given(asked.kind, None) or "").split(",")))
    states = frozenset(filter(None, (given(asked.state, None) or "").split(",")))
    if strange := kinds - {*KINDS, READY}:
        raise Invalid(f"{min(strange)!r} is none of {', '.join((*KINDS, READY))}", "?kind")
    if strange := states - set(STATES.states):
        raise Invalid(f"{min(strange)!r} is none of {', '.join(STATES.states)}", "?state")
    if "node" in kinds:
        who.must("admin")
    return ChangeFilter(
        caller=who, kinds=kinds, job_id=given(asked.job, None), task=given(asked.task, None), states=states
    )  # fmt: skip


@implementer(IPushProducer)
class Stream:
    """The events to one client. One that does not take them is cut off, and nobody waits for it: it comes back with the
    number of the last that it has got."""

    def __init__(
        self, request: Request, only: ChangeFilter, begin: int, reactor: IReactorTime,
        text: Callable[[Sequence[Told], ChangeFilter], bytes], log: Logger,
    ) -> None:  # fmt: skip
        self.request = request
        self.position = begin
        self.over: Deferred[None] = Deferred()
        self._only = only
        self._reactor = reactor
        self._text = text
        self._log = log
        self._queue: list[bytes] = []
        self._paused: float | None = None  # since when
        self._seen: str | None = None  # what the client was told of the daemon
        request.notifyFinish().addErrback(lambda _: self.end())
        request.registerProducer(self, True)

    def hear(self, batch: Sequence[Told]) -> None:
        """Send what the client wants of these changes."""
        if batch:
            self.position = batch[-1].change.number or self.position
            self.send(self._text(batch, self._only))

    def see(self, seen: Seen) -> None:
        """Send whether the daemon can do its work, if that is not what the client knows."""
        if seen.key != self._seen:
            self._seen = seen.key
            self.send(seen.text)

    def see_as(self, who: Caller) -> None:
        """Send what this caller may see, from now on."""
        self._only = attrs.evolve(self._only, caller=who)

    def say_alive(self) -> None:
        """A comment, and where the client is: changes that it does not want may have passed."""
        self.send(position(self.position))

    def send(self, data: bytes) -> None:
        """Send it, as soon as the client takes it."""
        if self.over.called or not data:
            return
        if self._paused is None:
            self.request.write(data)
            return
        self._queue.append(data)
        slow = self._reactor.seconds() - self._paused > SLOW
        if slow or sum(map(len, self._queue)) > MOST_QUEUED:
            address = shown(self.request.getClientAddress())
            self._log.warn("{address} does not take the events that it follows, and is cut off", address=address)
            channel: Any = self.request.channel
            if channel is not None:
                channel.transport.abortConnection()
            self.end()

    def end(self) -> None:
        """No more events."""
        if not self.over.called:
            self.over.callback(None)

    def leave(self) -> None:
        """Nothing is sent any more."""
        no_more(self.request)

    def pauseProducing(self) -> None:
        self._paused = self._reactor.seconds()

    def resumeProducing(self) -> None:
        self._paused = None
        queued, self._queue = self._queue, []
        for data in queued:
            self.send(data)

    def stopProducing(self) -> None:
        self.end()
