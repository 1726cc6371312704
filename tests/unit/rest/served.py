"""A site with routes of its own, and clients before it who tell what became of them."""

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from zope.interface import alsoProvides

from jobsched.http.route import Route, whole
from jobsched.http.site import site
from tests.unit.rest.conftest import Reactor

HEAD = b"GET /quick HTTP/1.1\r\nHost: h\r\n"
POST = b"POST /quick HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n"


class Wire(StringTransport):
    """One that tells whether it was cut."""

    cut = False

    def abortConnection(self):
        self.cut = True
        super().abortConnection()


@attrs.frozen
class Client:
    """One connection."""

    channel: Any
    wire: Wire

    def send(self, text):
        self.channel.dataReceived(text)
        return self.heard

    @property
    def heard(self):
        return self.wire.value()

    def go(self):
        self.channel.connectionLost(Failure(ConnectionResetError()))


@attrs.define
class ServedSite:
    """A site with a route that answers at once, and one that answers when `slow` fires."""

    connections: int = 3
    reactor: Reactor = attrs.field(factory=Reactor)
    slow: Deferred[bytes] = attrs.field(factory=Deferred)
    site: Any = None

    def __attrs_post_init__(self):
        async def quick(request):
            return whole(request, b"text/plain", b"done")

        async def slow(_request):
            return await self.slow

        routes = [
            Route(verb="GET", path="/quick", answer=quick, summary=""),
            Route(verb="POST", path="/quick", answer=quick, summary="", takes=dict),
            Route(verb="GET", path="/slow", answer=slow, summary=""),
        ]
        self.site = site(routes, self.reactor, connections=self.connections)

    def client(self, *interfaces):
        wire = Wire()
        alsoProvides(wire, *interfaces)
        channel = self.site.gate.buildProtocol(None)
        channel.makeConnection(wire)
        return Client(channel, wire)

    def wait(self, seconds):
        self.reactor.pump([1] * int(seconds))

    def turn(self):
        """One turn of the reactor: what is due, and not what becomes due by it."""
        due = [call for call in self.reactor.calls if call.getTime() <= self.reactor.seconds()]
        for call in due:
            self.reactor.calls.remove(call)
            call.called = 1
            call.func(*call.args, **call.kw)

    @property
    def timers(self):
        return self.reactor.getDelayedCalls()
