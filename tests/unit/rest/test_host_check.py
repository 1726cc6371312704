"""What no web page can make a browser do here, and what each answer tells a browser."""

from itertools import product

import pytest
from twisted.internet.address import UNIXAddress
from twisted.internet.interfaces import IProtocolNegotiationFactory
from twisted.internet.testing import StringTransport

from jobsched.http.site import site
from tests.unit.rest.conftest import EXAMPLE, Reactor, ask, exchange

ALWAYS = {
    "server": "jobsched",
    "cache-control": "no-store",
    "x-content-type-options": "nosniff",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
}
WRITES = [
    ("POST", "/jobs/x/pause"),
    ("DELETE", "/hold"),
    ("POST", "/jobs/x/resume"),
    ("POST", "/jobs/x/run"),
    ("POST", "/jobs/x/run?follow=1"),
    ("POST", "/runs/x/cancel"),
    ("POST", "/runs/x/rerun"),
    ("POST", "/catalog/reload"),
    ("DELETE", "/jobs/x"),
    ("POST", "/jobs/x/keys"),
    ("DELETE", "/jobs/x/keys/x"),
]
MAY_HAVE_ONE = ["/jobs/x/run", "/jobs/x/pause"]
FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain", "Text/Plain; charset=x"]


def headers(said):
    lines = said.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    return {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}


# Hosts.


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "0.0.0.0:58631", "jobs.example.evil"])
def test_a_host_that_is_not_ours_is_421(unchanged, host):
    for method in ("GET", "POST", "OPTIONS", "HEAD"):
        answer = ask(unchanged.site, method, "/jobs", host=host)

        assert answer.status == 421
        assert answer.headers["connection"] == "close"
        if method != "HEAD":
            assert answer.problem[1].startswith(f"this daemon does not go by the name of '{host}'; ")


def test_the_address_it_was_reached_at_is_ours(front):
    here = StringTransport().getHost().host
    assert front.get("/jobs", host=f"{here}:1").status == 200


def test_what_node_url_says_is_ours(tmp_path):
    from jobsched.config import options
    from jobsched.rest import api

    hosts = api.hosts(options.Config(allowed_hosts=["jobs"], node_url="http://[fe80::1]:58631"))
    assert hosts.names == {"jobs", "fe80::1"}
    assert api.hosts(options.Config()).names == {"localhost", "127.0.0.1", "::1"}


@pytest.mark.parametrize("head", [b"Host: evil.example", b"Host: "])
def test_a_unix_socket_takes_any_host(front, head):
    channel = front.site.buildProtocol(None)
    transport = StringTransport(hostAddress=UNIXAddress(b"/run/s"), peerAddress=UNIXAddress(None))
    channel.makeConnection(transport)
    channel.dataReceived(b"GET /jobs HTTP/1.1\r\n" + head + b"\r\n\r\n")

    assert transport.value().startswith(b"HTTP/1.1 200 OK\r\n")


def test_http_1_1_needs_a_host_and_http_1_0_does_not(front):
    said, _ = exchange(front.site, b"GET /jobs HTTP/1.1\r\n\r\n")
    assert said.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    said, _ = exchange(front.site, b"GET /jobs HTTP/1.0\r\n\r\n")
    assert said.startswith(b"HTTP/1.0 200 OK\r\n")


# Web pages.


@pytest.mark.parametrize(
    "browser",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "https://jobs.example.evil"},
        {"origin": "http://jobs.example:81"},
        {"origin": ""},
        {"sec_fetch_site": "cross-site"},
        {"sec_fetch_site": "same-site"},
        {"sec_fetch_site": "Cross-Site"},
        {"sec_fetch_site": "anything"},
        {"origin": "http://jobs.example", "sec_fetch_site": "cross-site"},
    ],
    ids=str,
)
def test_no_page_of_another_site_makes_a_browser_write(unchanged, browser):
    for method, path in [*WRITES, ("POST", "/jobs"), ("PATCH", "/jobs/x"), ("POST", "/preview")]:
        lines = [f"{method} {path} HTTP/1.1", "Host: jobs.example", "Content-Type: application/json"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in browser.items()]
        said, transport = exchange(unchanged.site, "\r\n".join([*lines, "", ""]).encode())

        assert said.startswith(b"HTTP/1.1 403 Forbidden\r\n"), path
        assert transport.disconnecting


@pytest.mark.parametrize(
    "browser",
    [
        {},
        {"origin": "http://jobs.example"},
        {"origin": "HTTPS://Jobs.example"},
        {"sec_fetch_site": "same-origin"},
        {"sec_fetch_site": "none"},
    ],
    ids=str,
)
def test_a_page_of_ours_and_no_page_may(front, browser):
    job = front.job()
    assert ask(front.site, "POST", f"{job}/pause", **browser).status == 200


def test_to_read_is_free_for_a_link_on_any_page(front):
    browser = {"sec_fetch_site": "cross-site", "sec_fetch_mode": "navigate", "origin": "http://evil.example"}
    assert front.get("/jobs", **browser).status == 200


@pytest.mark.parametrize("content_type", FORMS)
def test_a_form_writes_nothing_where_no_body_is_due(front, content_type):
    for (method, path), body in product(WRITES, (b"", b"a=b")):
        answer = ask(front.site, method, path, body, content_type=content_type)

        assert answer.problem[:2] == (403, "a form may not do this; send no content type, or application/json"), path


@pytest.mark.parametrize("content_type", ["", "application/octet-stream", "application/json"])
def test_a_body_is_refused_where_none_is_due_whatever_it_is(unchanged, content_type):
    for method, path in [*WRITES, ("GET", "/jobs"), ("GET", "/health"), ("HEAD", "/catalog")]:
        if path.partition("?")[0] in MAY_HAVE_ONE:
            continue
        answer = ask(unchanged.site, method, path, b"{}", content_type=content_type)

        assert answer.status == 400, path
        assert method == "HEAD" or answer.problem[:2] == (400, "this call takes no body"), path


def test_those_are_all_the_writes_that_need_no_body(front):
    verbs = {
        (method, rule.rule)
        for rule in front.site.resource._app.url_map.iter_rules()
        for method in rule.methods - {"GET", "HEAD"}
    }
    needing = {("POST", "/jobs"), ("PUT", "/jobs"), ("POST", "/preview")}
    needing |= {("PUT", "/jobs/<job_id>"), ("PATCH", "/jobs/<job_id>")}
    bodiless = verbs - needing - {("PUT", "/hold"), ("POST", "/jobs:batch")}
    assert len(bodiless) == len({path.partition("?")[0] for _, path in WRITES})


@pytest.mark.parametrize("content_type", ["", "application/json", "application/json; charset=utf-8"])
def test_without_a_body_no_content_type_is_needed(front, content_type):
    assert ask(front.site, "POST", f"{front.job()}/pause", content_type=content_type).status == 200


@pytest.mark.parametrize("method", ["OPTIONS", "GET", "POST"])
def test_no_answer_lets_a_page_of_another_site_read_it(front, method):
    answer = ask(front.site, method, "/jobs", origin="http://evil.example", access_control_request_method="POST")

    assert not [name for name in answer.headers if name.startswith("access-control-")]


# What each answer says.


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/jobs", 200),
        ("HEAD", "/jobs", 200),
        ("GET", "/catalog/none", 404),
        ("GET", "/nowhere", 404),
        ("PATCH", "/jobs", 405),
        ("OPTIONS", "/jobs", 405),
        ("POST", "/jobs", 400),
        ("GET", "/jobs?limit=x", 400),
        ("GET", "/%ff", 400),
    ],
)
def test_every_answer_says_how_it_may_be_used(front, method, path, status):
    answer = ask(front.site, method, path)

    assert answer.status == status
    assert answer.headers | ALWAYS == answer.headers


def test_what_has_a_version_may_be_kept_and_asked_about(front):
    answer = front.get(front.job())
    assert answer.headers["etag"]
    assert answer.headers | ALWAYS | {"cache-control": "no-cache"} == answer.headers


def test_an_output_says_it_too(front):
    answer = front.get(f"/runs/{front.run(front.job())}/output")
    assert answer.headers | ALWAYS == answer.headers


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", b"421"),
        (b"GET /" + b"a" * 20_000, b"414"),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 20_000, b"431"),
        (b"POST /jobs HTTP/1.1\r\nHost: h\r\nContent-Length: 9999999\r\n\r\n", b"413"),
    ],
    ids=["400", "421", "414", "431", "413"],
)
def test_what_never_reaches_a_route_is_answered_so_too(front, request_, status):
    said, _ = exchange(front.site, request_)

    assert said.startswith(b"HTTP/1.1 " + status)
    assert headers(said) | ALWAYS | {"content-type": "application/problem+json"} == headers(said)
    assert int(headers(said)["content-length"]) == len(said.partition(b"\r\n\r\n")[2])


def test_a_fault_of_ours_says_it_too(front, monkeypatch):
    def broken(*_):
        raise RuntimeError

    monkeypatch.setattr(front.site.resource, "render", broken)
    answer = front.get("/jobs")
    assert answer.status == 500
    assert answer.headers | ALWAYS == answer.headers


def test_only_http_1_is_offered():
    gate = site([], Reactor()).gate
    assert IProtocolNegotiationFactory.providedBy(gate), "or TLS would not ask"
    assert gate.acceptableProtocols() == [b"http/1.1"]


def test_a_job_is_made_as_ever(front):
    assert front.post(EXAMPLE, user_agent="curl/8").status == 202
