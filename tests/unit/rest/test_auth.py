"""Authentication: what counts as a token, what is answered to a wrong one, and how often."""

import base64
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import attrs
import pytest
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import fail
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from jobsched.config.tokens import Token, Tokens, hashed
from jobsched.http.auth import ADDRESSES, WRONG, Authenticator, Failures
from jobsched.http.route import Route, caller, whole
from jobsched.http.site import site
from jobsched.model.caller import NEEDS, NOBODY, SCOPES
from jobsched.model.errors import Slower, Unauthorized
from jobsched.rest.relay import Relay
from tests.unit.rest.conftest import EPOCH, Reactor, ask

T0 = datetime.fromtimestamp(EPOCH, UTC)
SECRET, OLD, CLUSTER = "jobsched_right", "jobsched_old", "c" * 40
KNOWN = Tokens((
    Token(name="old", scopes=frozenset(SCOPES), hash=hashed(OLD.encode()), expires=T0),
    Token(name="reader", scopes=frozenset({"read"}), tasks=("backup*",), hash=hashed(SECRET.encode()),
          expires=T0 + timedelta(seconds=1)),
))  # fmt: skip
BEARER = f"Bearer {SECRET}"


class SecuredSite:
    """A site with a route for each need, that says who asked."""

    def __init__(self, tokens=KNOWN, cluster=CLUSTER, used=lambda _: None):
        self.tokens = tokens
        self.reactor = Reactor()
        self.authenticator = authenticator = Authenticator(
            lambda: self.tokens,
            lambda: datetime.fromtimestamp(self.reactor.seconds(), UTC),
            self.reactor.seconds,
            cluster,
            used=used,
        )
        routes = [Route("GET", f"/{need}", self.answer, "", scope=need) for need in NEEDS]
        self.site = site(routes, self.reactor, admit=authenticator.admit)
        self.callers = []

    async def answer(self, request):
        self.callers.append(caller(request))
        return whole(request, b"text/plain", b"in")

    def get(self, authorization="", path="/read", **headers):
        return ask(self.site, "GET", path, authorization=authorization, **headers)

    def raw(self, *lines, peer=None):
        """The status of a request with these header lines, from some address."""
        channel, transport = self.site.buildProtocol(None), StringTransport(peerAddress=peer)
        channel.makeConnection(transport)
        channel.dataReceived("\r\n".join(["GET /read HTTP/1.1", "Host: h", *lines, "", ""]).encode())
        channel.connectionLost(Failure(ConnectionResetError()))
        return int(transport.value().split()[1])


@pytest.fixture
def secured():
    return SecuredSite()


def basic(text):
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    "given", [BEARER, f"bearer  {SECRET}", f"BEARER {SECRET} ", basic(f"x:{SECRET}"), basic(f":{SECRET}"),
              basic(f"someone else:{SECRET}"), basic(f"ä:{SECRET}").replace("Basic", "bAsIc")],
)  # fmt: skip
def test_a_token_is_taken_as_bearer_and_as_password(secured, given):
    assert secured.get(given).status == 200
    [found] = secured.callers
    assert (found.name, found.scopes, found.tasks) == ("reader", {"read"}, ("backup*",))


@pytest.mark.parametrize(
    ("given", "detail"),
    [
        ("", "a token is needed"),
        ("Bearer", "a token is needed"),
        ("Bearer ", "a token is needed"),
        (SECRET, "a token is needed"),
        (f"Digest {SECRET}", "a token is needed"),
        (f"Basic {SECRET}", "a token is needed"),
        (basic(SECRET), "a token is needed"),
        (basic(f"{SECRET}:"), "a token is needed"),
        (basic(f"{SECRET}:x"), "this token is not known here"),
        (f"Bearer {SECRET}x", "this token is not known here"),
        (f"Bearer {SECRET[:-1]}", "this token is not known here"),
        (f"Bearer {hashed(SECRET.encode())}", "this token is not known here"),
        (f"Bearer {SECRET} {SECRET}", "this token is not known here"),
        ("Bearer \xff", "this token is not known here"),
        (f"Bearer {OLD}", "this token has expired, at 2012-08-13 02:00:00 UTC"),
    ],
)
def test_what_is_no_good_token_is_401_and_says_how(secured, given, detail):
    answer = secured.get(given)

    assert answer.status == 401
    assert answer.problem[1].startswith(detail)
    assert answer.headers["www-authenticate"] == 'Bearer realm="jobsched", Basic realm="jobsched"'
    assert secured.callers == []


def test_a_token_is_good_until_its_last_moment(secured):
    assert secured.get(BEARER).status == 200
    secured.reactor.advance(1)
    assert secured.get(BEARER).status == 401


def test_two_tokens_at_once_are_none(secured):
    assert secured.raw(f"Authorization: {BEARER}", f"Authorization: {BEARER}") == 401
    assert secured.raw(f"Authorization: {BEARER}") == 200


def test_a_caller_knows_until_when_its_token_is_good(secured):
    secured.get(BEARER, "/token")
    assert secured.callers[-1].expires == T0 + timedelta(seconds=1)


@pytest.mark.parametrize("need", NEEDS)
def test_a_scope_opens_its_own_calls_and_admin_all(need):
    for scope in SCOPES:
        secured = SecuredSite(Tokens((Token(name="one", scopes=frozenset({scope}), hash=hashed(b"t")),)))
        answer = secured.get("Bearer t", f"/{need}")
        wanted = "read" if need == "key" else need
        if wanted in {"open", "token", "any", scope} or scope == "admin":
            assert answer.status == 200
        else:
            assert answer.problem[:2] == (403, f"this needs the scope {wanted!r}, which the token 'one' does not have")


def test_a_key_counts_for_its_calls_where_no_token_is_sent(secured):
    assert secured.get(path="/key?key=x").status == 200
    assert secured.callers[-1] == attrs.evolve(NOBODY, address="192.168.1.1")
    for path in ("/key", "/key?yek=x", *(f"/{need}?key=x" for need in NEEDS if need not in {"open", "key"})):
        assert secured.get(path=path).status == 401, path
    assert secured.get("Bearer jobsched_wrong", "/key?key=x").status == 401


def test_a_wrong_key_counts_as_a_wrong_token_does(secured):
    request = SimpleNamespace(getClientAddress=lambda: IPv4Address("TCP", "192.168.1.1", 1), args={}, known=False)
    for _ in range(WRONG):
        with pytest.raises(Unauthorized):
            secured.authenticator.by_key(request, False)
    with pytest.raises(Slower):
        secured.authenticator.by_key(request, False)
    assert secured.get("Bearer jobsched_wrong").status == 429
    seen = secured.authenticator.by_key(request, True)
    assert (seen.name, seen.scopes, seen.tasks) == (None, {"read"}, None)
    assert not request.known, "a key that was published must not fill the log"


def test_tokens_close_all_that_is_not_open():
    secured = SecuredSite(Tokens())
    assert [secured.get(path=f"/{need}").status for need in NEEDS] == [200] * len(NEEDS)
    assert all(one.name is None and one.may("admin") and one.sees("any") for one in secured.callers)

    secured.tokens = KNOWN
    assert [secured.get(path=f"/{need}").status for need in NEEDS] == [200, *[401] * (len(NEEDS) - 1)]
    assert secured.callers[-1].scopes == frozenset()
    assert not secured.callers[-1].sees("any")
    secured.tokens = Tokens(closed=True)
    assert secured.get(BEARER).status == 401


def test_what_is_open_to_all_knows_who_may_know_more(secured):
    for sent in (BEARER, "Bearer jobsched_wrong", f"Bearer {OLD}", "nonsense"):
        assert secured.get(sent, "/open").status == 200
    assert [(one.name, one.may("read")) for one in secured.callers] == [("reader", True)] + 3 * [(None, False)]
    for _ in range(2 * WRONG):
        secured.get("Bearer jobsched_wrong", "/open")
    assert secured.get("Bearer jobsched_wrong").status == 401  # and no 429: nothing was counted


def test_other_nodes_may_read_and_nothing_else(secured):
    assert [secured.get(f"Bearer {CLUSTER}", f"/{need}").status for need in NEEDS] == [200] * 5 + [403] * 3
    assert SecuredSite(cluster=None).get(f"Bearer {CLUSTER}").status == 401


def test_a_relay_sends_its_own_token_and_not_its_clients(secured):
    asked = []

    class Agent:
        def request(self, method, url, headers):
            asked.append(headers)
            return fail(ConnectionError("nobody there"))

    for token in (CLUSTER, None):
        relay = Relay(Reactor(), token)  # type: ignore[arg-type]  # a fake
        relay._agent = Agent()

        async def through(request, relay=relay):
            await relay.forward(request, "http://b/runs/x/output")
            return b""

        ask(site([Route("GET", "/x", through, "")], Reactor()), "GET", "/x", authorization=BEARER, cookie="a=b")

    assert [headers.getRawHeaders("authorization") for headers in asked] == [[f"Bearer {CLUSTER}"], None]
    assert all(not headers.hasHeader("cookie") for headers in asked)


def test_ten_wrong_tokens_make_an_address_wait_right_ones_pass(secured):
    given = [secured.get("Bearer x").status for _ in range(WRONG + 3)]

    assert given == [401] * WRONG + [429] * 3
    secured.reactor.advance(0.9)
    answer = secured.get("Bearer x")
    assert answer.headers["retry-after"] == "60"
    assert answer.problem[0] == 429
    assert secured.get(BEARER).status == 200
    assert secured.get().status == 401  # no token is no wrong one
    secured.reactor.advance(60 - 0.9)
    assert secured.get("Bearer x").status == 401


def test_no_token_at_all_is_never_too_often(secured):
    assert {secured.get().status for _ in range(3 * WRONG)} == {401}
    assert secured.get("Bearer x").status == 401


def test_each_address_has_its_failures_an_ipv6_network_is_one(secured):
    def wrong(peer):
        return secured.raw("Authorization: Bearer x", peer=peer)

    one = IPv4Address("TCP", "192.0.2.1", 1)
    assert [wrong(one) for _ in range(WRONG + 1)][-1] == 429
    assert wrong(IPv4Address("TCP", "192.0.2.2", 1)) == 401
    assert wrong(UNIXAddress(None)) == 401
    many = [wrong(IPv6Address("TCP", f"2001:db8::{n:x}", 1)) for n in range(WRONG + 1)]
    assert many == [401] * WRONG + [429]
    assert wrong(IPv6Address("TCP", "2001:db8:0:1::1", 1)) == 401


def test_a_clock_that_is_set_back_keeps_nobody_out():
    now = [1000.0]
    failures = Failures(lambda: now[0])
    for _ in range(WRONG):
        failures.add("192.0.2.1")
    assert failures.wait("192.0.2.1") == 60
    now[0] = 10.0
    assert failures.wait("192.0.2.1") == 0


def test_what_is_remembered_is_bounded():
    failures = Failures(lambda: 0.0)
    for n in range(3 * ADDRESSES):
        failures.add(f"10.0.{n // 256}.{n % 256}")
    assert len(failures) == ADDRESSES
    for _ in range(WRONG):
        failures.add("192.0.2.1")
    assert failures.wait("192.0.2.1") == 60


def test_a_failure_is_told_by_the_address_without_the_token(secured):
    from twisted.logger import capturedLogs, formatEvent

    with capturedLogs() as events:
        for given in ("Bearer jobsched_wrong", f"Bearer {OLD}", "Digest jobsched_wrong", BEARER):
            secured.get(given)
    told = [formatEvent(event) for event in events if event["log_level"].name == "warn"]

    assert told == [
        "192.168.1.1 sent an unknown token",
        "192.168.1.1 sent the token 'old', which has expired",
        "192.168.1.1 sent no token in the Authorization header",
    ]
    assert not any("jobsched_" in formatEvent(event) for event in events)
