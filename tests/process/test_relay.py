"""Another node's answer on its way through this one, whatever becomes of that node or of the client."""

# ruff: noqa: PT009  # under trial a bare assert does not show what it saw

from typing import cast

from twisted.internet import reactor
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.internet.task import Clock, deferLater
from twisted.trial.unittest import TestCase

from jobsched.http.route import Route
from jobsched.http.site import site
from jobsched.reactor_types import Reactor
from jobsched.rest import relay
from jobsched.rest.relay import Relay
from tests.present import present

MIB = 1 << 20
WHOLE = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 10\r\n\r\n0123456789"
HALF = WHOLE[:-5]
CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n01234\r\n"
LAST = b"0\r\n\r\n"
ABSENT = b"HTTP/1.1 404 Not Found\r\nContent-Type: application/problem+json\r\nContent-Length: 2\r\n\r\n{}"
CLIENT = b"GET /through HTTP/1.1\r\nHost: localhost\r\nRange: bytes=0-9\r\nAuthorization: secret\r\n\r\n"


async def until(condition):
    """Come back when it is true; the test's own timeout ends what never is."""
    while not (found := condition()):
        await deferLater(reactor, 0.01)
    return found


class Wire(Protocol):
    """One end of a connection: keeps what came, tells of its end."""

    def __init__(self):
        self.came = bytearray()
        self.end = None

    def dataReceived(self, data):
        self.came += data

    def connectionLost(self, reason=connectionDone):
        self.end = reason

    @property
    def body(self):
        return bytes(self.came.partition(b"\r\n\r\n")[2])


class RelayTests(TestCase):
    """A node that says what a test lets it say, a relay, and a client."""

    timeout = 60

    def setUp(self):
        self.fates = []
        self.over = None
        self.upstream = []
        self.clients = []
        self.relay = Relay(cast(Reactor, reactor))
        self.clock = Clock()
        other = self.listen(Factory.forProtocol(self.connected))
        self.url = f"http://127.0.0.1:{other}/runs/a/output?follow=1"
        routes = [Route("GET", "/through", self.through, ""), Route("POST", "/through", self.through, "")]
        self.port = self.listen(site(routes, reactor))

    def listen(self, factory):
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        where = port.getHost()
        assert isinstance(where, IPv4Address)
        return where.port

    def connected(self):
        self.upstream.append(Wire())
        return self.upstream[-1]

    async def through(self, request):
        fate = await self.relay.forward(request, self.url, self.over)
        self.fates.append(fate)
        return b"" if fate == "answered" else fate.encode()

    async def tearDown(self):  # type: ignore[override]  # trial waits for it
        await self.relay.stopService()
        for wire in self.clients + self.upstream:
            wire.transport.abortConnection()
        await until(lambda: all(wire.end for wire in self.clients + self.upstream))

    async def ask(self, text=CLIENT):
        """Our client, when the other node has heard the question."""
        heard = sum(wire.came.count(b"\r\n\r\n") for wire in self.upstream)
        client = await self.call(text)
        await until(lambda: sum(wire.came.count(b"\r\n\r\n") for wire in self.upstream) > heard)
        return client

    async def call(self, text=CLIENT):
        client = Wire()
        self.clients.append(client)
        await connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self.port), client)
        present(client.transport).write(text)
        return client

    def stand_still(self):
        """From now on its patience is counted by our clock: only what a test says takes time."""
        self.relay._reactor = cast(Reactor, self.clock)

    def say(self, text, number=-1):
        self.upstream[number].transport.write(text)


class PassingTests(RelayTests):
    async def test_of_the_client_only_the_range_and_a_mark_go_on(self):
        await self.ask()
        head = bytes(self.upstream[0].came).split(b"\r\n")
        self.assertEqual(head[0], b"GET /runs/a/output?follow=1 HTTP/1.1")
        self.assertEqual(
            sorted(line for line in head[1:] if line),
            [b"Host: " + self.url.encode().split(b"/")[2], b"Jobsched-Relayed: 1", b"Range: bytes=0-9"],
        )

    async def test_an_answer_of_known_length_comes_through(self):
        client = await self.ask()
        self.say(WHOLE)
        await until(lambda: client.came.endswith(b"0123456789"))
        self.assertTrue(client.came.startswith(b"HTTP/1.1 200 OK\r\n"))
        self.assertIn(b"\r\nContent-Length: 10\r\n", client.came)
        self.assertIn(b"\r\nContent-Type: text/plain\r\n", client.came)
        self.assertEqual(self.fates, ["answered"])

    async def test_a_range_or_its_refusal_comes_through_with_its_headers(self):
        for status in (b"206 Partial Content", b"416 Requested Range not satisfiable"):
            client = await self.ask()
            self.say(WHOLE.replace(b"200 OK", status).replace(b"\r\n\r\n", b"\r\nContent-Range: bytes 0-9/77\r\n\r\n"))
            await until(lambda client=client: client.came.endswith(b"0123456789"))
            self.assertTrue(client.came.startswith(b"HTTP/1.1 " + status[:3]))
            self.assertIn(b"\r\nContent-Range: bytes 0-9/77\r\n", client.came)

    async def test_head_has_the_length_and_no_body(self):
        client = await self.ask(CLIENT.replace(b"GET", b"HEAD"))
        self.assertTrue(self.upstream[0].came.startswith(b"HEAD "))
        self.say(WHOLE[:-10])
        await until(lambda: self.fates)
        await until(lambda: client.came.endswith(b"\r\n\r\n"))
        self.assertIn(b"\r\nContent-Length: 10\r\n", client.came)

    async def test_pieces_go_on_piece_by_piece_the_headers_first(self):
        self.over = Deferred()
        client = await self.ask(CLIENT.replace(b"GET", b"POST"))
        self.assertTrue(self.upstream[0].came.startswith(b"GET "))
        self.say(CHUNKED[:-10])
        await until(lambda: client.came.endswith(b"\r\n\r\n"))
        self.assertIn(b"\r\nTransfer-Encoding: chunked\r\n", client.came)
        self.say(CHUNKED[-10:])
        await until(lambda: client.body == b"5\r\n01234\r\n")
        self.assertEqual(self.fates, [])
        self.say(LAST)
        await until(lambda: client.body == b"5\r\n01234\r\n" + LAST)
        self.assertEqual(self.fates, ["answered"])

    async def test_connections_are_used_again(self):
        for _ in range(3):
            client = await self.ask()
            self.say(WHOLE)
            await until(lambda client=client: client.came.endswith(b"0123456789"))
        self.assertEqual(len(self.upstream), 1)

    async def test_a_connection_that_was_kept_and_is_gone_is_made_anew(self):
        client = await self.ask()
        self.say(WHOLE)
        await until(lambda: client.came.endswith(b"0123456789"))
        self.upstream[0].transport.loseConnection()
        client = await self.ask()
        self.say(WHOLE)
        await until(lambda: client.came.endswith(b"0123456789"))
        self.assertEqual(self.fates, ["answered", "answered"])


class RefusalTests(RelayTests):
    """Nothing has been said to the client then: the caller may still answer."""

    async def fate(self, client):
        await until(lambda: self.fates)
        await until(lambda: self.fates[0].encode() in client.came)
        return self.fates[0]

    async def test_a_node_that_does_not_have_it(self):
        client = await self.ask()
        self.say(ABSENT)
        self.assertEqual(await self.fate(client), "absent")

    async def test_another_server_without_the_path_need_not_know_it(self):
        client = await self.ask()
        self.say(ABSENT.replace(b"application/problem+json", b"text/html"))
        self.assertEqual(await self.fate(client), "refused")

    async def test_a_node_that_fails_or_refuses_us(self):
        client = await self.ask()
        self.say(WHOLE.replace(b"200 OK", b"503 Service Unavailable"))
        self.assertEqual(await self.fate(client), "refused")

    async def test_a_node_that_hangs_up(self):
        client = await self.ask()
        self.upstream[0].transport.loseConnection()
        self.assertEqual(await self.fate(client), "unreachable")

    async def test_something_that_is_no_http(self):
        client = await self.ask()
        self.say(b"220 mail.example ESMTP\r\n")
        self.assertEqual(await self.fate(client), "unreachable")

    async def test_nobody_at_the_address(self):
        self.url = "http://127.0.0.1:1/"
        self.assertEqual(await self.fate(await self.call()), "unreachable")

    async def test_an_address_that_is_none(self):
        self.url = "http://näher.example/"
        self.assertEqual(await self.fate(await self.call()), "unreachable")

    async def test_a_node_that_takes_the_question_and_says_nothing(self):
        self.stand_still()
        client = await self.ask()
        self.clock.advance(relay.ANSWER)
        self.assertEqual(await self.fate(client), "unreachable")
        await until(lambda: self.upstream[0].end)


class BreakingTests(RelayTests):
    """What breaks off there must not look whole here; what had come is not lost."""

    async def test_an_answer_of_known_length_that_breaks_off(self):
        client = await self.ask()
        self.say(HALF)
        await until(lambda: client.body == b"01234")
        self.upstream[0].transport.abortConnection()
        await until(lambda: client.end)
        self.assertEqual(client.body, b"01234")

    async def test_one_that_comes_in_pieces_and_breaks_off(self):
        self.over = Deferred()
        client = await self.ask()
        self.say(CHUNKED)
        self.upstream[0].transport.loseConnection()
        await until(lambda: client.end)
        self.assertEqual(client.body, b"5\r\n01234\r\n")

    async def test_a_client_that_knows_no_pieces_sees_a_reset(self):
        self.over = Deferred()
        client = await self.ask(CLIENT.replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.say(CHUNKED)
        await until(lambda: client.body == b"01234")
        self.upstream[0].transport.loseConnection()
        await until(lambda: client.end)
        self.assertTrue(client.end.check(ConnectionLost), client.end)

    async def test_that_client_sees_a_plain_end_when_all_is_there(self):
        self.over = Deferred()
        client = await self.ask(CLIENT.replace(b"HTTP/1.1", b"HTTP/1.0"))
        self.say(CHUNKED + LAST)
        await until(lambda: client.end)
        self.assertTrue(client.end.check(ConnectionDone), client.end)
        self.assertEqual(client.body, b"01234")

    async def test_a_node_that_falls_silent_in_mid_answer_is_given_up(self):
        self.stand_still()
        client = await self.ask()
        self.say(HALF)
        await until(lambda: client.body == b"01234")
        self.clock.advance(relay.SILENCE)
        await until(lambda: client.end)
        self.assertEqual(client.body, b"01234")
        await until(lambda: self.upstream[0].end)

    async def test_one_that_is_slow_and_not_silent_is_waited_for(self):
        self.stand_still()
        client = await self.ask()
        self.say(WHOLE[:-10])
        for digit in WHOLE[-10::2]:
            self.say(bytes([digit, digit + 1]))
            await until(lambda digit=digit: client.body.endswith(bytes([digit, digit + 1])))
            self.clock.advance(0.8 * relay.SILENCE)
        self.assertEqual((client.body, client.end), (b"0123456789", None))

    async def test_a_run_that_prints_nothing_may_be_silent_until_its_end(self):
        self.stand_still()
        self.over = Deferred()
        client = await self.ask()
        self.say(CHUNKED)
        await until(lambda: client.body == CHUNKED[-10:])
        self.clock.advance(3 * relay.SILENCE)
        self.say(CHUNKED[-10:])  # which an answer that was given up would not bring
        await until(lambda: client.body == 2 * CHUNKED[-10:])
        self.assertIsNone(client.end)
        self.over.callback(None)
        self.clock.advance(relay.SILENCE)
        await until(lambda: client.end)
        self.assertEqual(client.body, 2 * CHUNKED[-10:])


class ClientTests(RelayTests):
    async def gone(self, text, said):
        client = await self.ask(text)
        self.say(said)
        if said:
            await until(lambda: client.body)
        client.transport.abortConnection()
        await until(lambda: self.upstream[0].end)

    async def test_a_client_that_goes_early_takes_the_question_back(self):
        await self.gone(CLIENT, b"")

    async def test_one_that_goes_in_mid_answer_ends_it(self):
        await self.gone(CLIENT, HALF)

    async def test_the_same_after_a_post_which_outlives_its_client(self):
        self.over = Deferred()
        await self.gone(CLIENT.replace(b"GET", b"POST"), CHUNKED)
        await until(lambda: self.fates)

    async def test_a_post_whose_client_goes_before_the_answer(self):
        self.over = Deferred()
        await self.gone(CLIENT.replace(b"GET", b"POST"), b"")

    async def test_a_slow_one_holds_up_the_other_node_and_gets_it_all(self):
        self.stand_still()
        size = 32 * MIB
        client = await self.ask()
        client.transport.pauseProducing()
        node = self.upstream[0].transport
        sent = Source(node, size)
        node.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        node.registerProducer(sent, False)
        await until(lambda: sent.given)
        given = -1
        while given != sent.given:  # until nothing moves any more
            given = sent.given
            await deferLater(reactor, 0.3)
        self.assertLess(given, size // 2)
        self.clock.advance(2 * relay.SILENCE)  # a client may be slow for as long as it likes
        client.transport.resumeProducing()
        await until(lambda: len(client.came) > size and len(client.body) == size)
        self.assertEqual(self.fates, ["answered"])
        self.assertEqual(client.body, bytes(size))

    async def test_many_clients_at_once_each_have_their_own_answer(self):
        clients = [await self.ask() for _ in range(20)]
        for number in range(20):
            self.say(WHOLE.replace(b"0123456789", b"%010d" % number), number)
        await gatherResults([Deferred.fromCoroutine(until(lambda one=one: one.body)) for one in clients])
        self.assertEqual(sorted(one.body for one in clients), [b"%010d" % number for number in range(20)])


class Source:
    """Gives a transport as much as it takes, and counts it."""

    def __init__(self, transport, size):
        self.transport = transport
        self.left = size
        self.given = 0

    def resumeProducing(self):
        piece = min(64 * 1024, self.left)
        self.left -= piece
        self.given += piece
        if not self.left:
            self.transport.unregisterProducer()
        self.transport.write(bytes(piece))

    def stopProducing(self):
        self.left = 0
