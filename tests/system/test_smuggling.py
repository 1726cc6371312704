"""Requests that two servers could read differently, and what is no HTTP at all, byte for byte on a socket.

Each is refused or cut off, nothing that hides behind it is done, and the daemon goes on.
"""

import re
import socket
import time

import pytest

from tests.present import present
from tests.system.caller import Caller
from tests.system.daemon import GENEROUS, daemon_in

HOST = b"Host: localhost\r\n"
JSON = b"Content-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


@pytest.fixture(scope="module")
def daemon(tmp_path_factory):
    """One for all: each request must leave it whole for the next."""
    with daemon_in(tmp_path_factory.mktemp("smuggling") / "daemon") as daemon:
        yield daemon.start()


@pytest.fixture(scope="module")
def job(daemon):
    return Caller(daemon).make("example")


def get(*headers, target=b"/jobs", version=b"HTTP/1.1", host=HOST):
    return b"GET " + target + b" " + version + b"\r\n" + host + b"".join(headers) + b"\r\n"


def post(*headers, body=b"", version=b"HTTP/1.1"):
    return b"POST /jobs " + version + b"\r\n" + HOST + JSON + b"".join(headers) + b"\r\n" + body


def chunks(body):
    return post(CHUNKED, body=body)


def length(text):
    return b"Content-Length: " + text + b"\r\n"


REFUSED = {
    "both a length and chunks": post(length(b"4"), CHUNKED, body=b"0\r\n\r\n"),
    "chunks and a length": post(CHUNKED, length(b"4"), body=b"0\r\n\r\n"),
    "two lengths": post(length(b"0"), length(b"44")),
    "the same length twice": post(length(b"0"), length(b"0")),
    "a list of lengths": post(length(b"0, 44")),
    "a length with a sign": post(length(b"+0")),
    "a negative length": post(length(b"-1")),
    "a length in hexadecimal": post(length(b"0x0")),
    "a length with a fraction": post(length(b"0.0")),
    "a length with a blank": post(length(b"0 0")),
    "no length": post(length(b"")),
    "a length of many digits": post(length(b"9" * 5000)),
    "a length of other digits": post(length("\u0660".encode())),
    "a blank before the colon": post(b"Content-Length : 44\r\n"),
    "a tab before the colon": post(b"Transfer-Encoding\t: chunked\r\n"),
    "another encoding": post(b"Transfer-Encoding: gzip\r\n"),
    "another encoding, then chunks": post(b"Transfer-Encoding: gzip, chunked\r\n", body=b"0\r\n\r\n"),
    "chunks, then the identity": post(b"Transfer-Encoding: chunked, identity\r\n", body=b"0\r\n\r\n"),
    "the identity": post(b"Transfer-Encoding: identity\r\n"),
    "the identity and a length": post(b"Transfer-Encoding: identity\r\n", length(b"0")),
    "chunks in quotes": post(b'Transfer-Encoding: "chunked"\r\n', body=b"0\r\n\r\n"),
    "chunks with a vertical tab": post(b"Transfer-Encoding: \x0bchunked\r\n", body=b"0\r\n\r\n"),
    "chunks misspelt": post(b"Transfer-Encoding: xchunked\r\n", body=b"0\r\n\r\n"),
    "chunks twice": post(CHUNKED, CHUNKED, body=b"0\r\n\r\n"),
    "chunks in HTTP/1.0": post(CHUNKED, body=b"0\r\n\r\n", version=b"HTTP/1.0"),
    "a chunk of no size": chunks(b"\r\n0\r\n\r\n"),
    "a chunk of no number": chunks(b"zz\r\n0\r\n\r\n"),
    "a chunk with a sign": chunks(b"+2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with 0x": chunks(b"0x2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with a blank": chunks(b" 2\r\n{}\r\n0\r\n\r\n"),
    "a chunk with a blank behind": chunks(b"2 \r\n{}\r\n0\r\n\r\n"),
    "a negative chunk": chunks(b"-2\r\n{}\r\n0\r\n\r\n"),
    "a chunk longer than it says": chunks(b"1\r\n{}\r\n0\r\n\r\n"),
    "a chunk without an end": chunks(b"2\r\n{}0\r\n\r\n"),
    "a chunk that ends with LF": chunks(b"2\r\n{}\n0\r\n\r\n"),
    "a chunk of a size that ends with LF": chunks(b"2\n{}\r\n0\r\n\r\n"),
    "a chunk with NUL behind its size": chunks(b"2;\x00\r\n{}\r\n0\r\n\r\n"),
    "a chunk of a very long size": chunks(b"0" * 5000 + b"2\r\n{}\r\n0\r\n\r\n"),
    "trailers without end": chunks(b"0\r\n" + b"X-Trailer: a\r\n" * 10_000),
    "a header over two lines": get(b"X-Long: a\r\n b\r\n"),
    "a header over two lines with a tab": get(b"X-Long: a\r\n\tb\r\n"),
    "a first header that goes on": get(host=b" Host: localhost\r\n"),
    "chunks over two lines": post(b"Transfer-Encoding:\r\n chunked\r\n", body=b"0\r\n\r\n"),
    "a line that ends with LF": get(b"X-One: a\nX-Two: b\r\n"),
    "lines that end with LF": get().replace(b"\r\n", b"\n"),
    "a request line that ends with LF": get().replace(b"\r\n", b"\n", 1),
    "a line that ends with CR": get(b"X-One: a\rX-Two: b\r\n"),
    "NUL in a header": get(b"X-One: a\x00b\r\n"),
    "NUL in the name of a header": get(b"X\x00One: a\r\n"),
    "NUL in a path": get(target=b"/jobs\x00"),
    "a blank in a path": get(target=b"/jobs x"),
    "DEL in a path": get(target=b"/jobs\x7f"),
    "bytes above ASCII in a path": get(target=b"/jobs\x80"),
    "a tab for a blank": get().replace(b" ", b"\t"),
    "two blanks": get(target=b" /jobs"),
    "no path": get(target=b""),
    "a whole address of another": get(target=b"http://evil.example/jobs"),
    "a whole address of another, which Host names too": get(
        target=b"http://evil.example/jobs", host=b"Host: evil.example\r\n"
    ),
    "a whole address without a host": get(target=b"http:///jobs"),
    "a whole address with a user": get(target=b"http://localhost@evil.example/jobs"),
    "a whole address with its user": get(target=b"http://evil@localhost/jobs"),
    "a whole address of another kind": get(target=b"ftp://localhost/jobs"),
    "two slashes": get(target=b"//jobs"),
    "a host and a port": get(target=b"localhost:80").replace(b"GET", b"CONNECT"),
    "a star": get(target=b"*").replace(b"GET", b"OPTIONS"),
    "no version": b"GET /jobs\r\n\r\n",
    "HTTP/0.9": get(version=b"HTTP/0.9"),
    "HTTP/1.2": get(version=b"HTTP/1.2"),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version in small letters": get(version=b"http/1.1"),
    "no name of a method": get().replace(b"GET", b"G(T"),
    "a header without a colon": get(b"nonsense\r\n"),
    "a header without a name": get(b": nonsense\r\n"),
    "no host": get(host=b""),
    "two hosts": get(HOST),
    "another host": get(host=b"Host: evil.example\r\n"),
    "an empty host": get(host=b"Host:\r\n"),
    "a very long path": get(target=b"/" + b"a" * 20_000),
    "a path without end": b"GET /" + b"a" * 100_000,
    "a very long header": get(b"X-Long: " + b"a" * 20_000 + b"\r\n"),
    "headers that are too much together": get(*[b"X-Long: " + b"a" * 4000 + b"\r\n"] * 5),
    "too many headers": get(*[b"X: a\r\n"] * 101),
    "a greeting of TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200) + b"\r\n\r\n",
    "a greeting of SSH": b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
    "a greeting of SMTP": b"EHLO evil.example\r\nMAIL FROM:<a@evil.example>\r\n\r\n",
    "an order to Redis": b"*1\r\n$4\r\nPING\r\n",
}


def said(daemon, request):
    """All that comes back until the other end closes, and whether that cut us off while we had more to say."""
    heard, cut = b"", False
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=GENEROUS) as client:
        try:
            client.sendall(request)
        except ConnectionError:
            cut = True
        try:
            while more := client.recv(65536):
                heard += more
        except ConnectionError:
            cut = True
    return heard, cut


def statuses(heard):
    return [int(status) for status in re.findall(rb"(?:^|\n|\})HTTP/1\.[01] (\d{3}) ", heard)]


@pytest.mark.parametrize("name", REFUSED)
def test_it_is_refused_and_what_hides_behind_it_is_not_done(daemon, job, name):
    hidden = b"DELETE " + job.encode() + b" HTTP/1.1\r\n" + HOST + b"\r\n"
    began = time.monotonic()
    heard, cut = said(daemon, REFUSED[name] + hidden)

    assert time.monotonic() - began < 15, "it was cut off by the clock, not understood"
    if heard or not cut:
        [status] = statuses(heard)
        assert status in {400, 404, 414, 421, 431}, heard
        assert b"\r\nContent-Type: application/problem+json\r\n" in heard
        assert b"\r\nConnection: close\r\n" in heard
        assert b"\r\nDate: " in heard
    assert Caller(daemon).get(job)["name"] == "a example"
    assert "Traceback" not in daemon.log


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        (b"http://localhost/catalog", HOST, 200),
        (b"HTTP://LocalHost/jobs?limit=1", HOST, 200),
        (b"https://localhost/nothing", HOST, 404),  # what is before us may speak TLS
        (b"http://localhost", HOST, 200),
        (b"http://localhost?limit=1", HOST, 200),
        (b"http://localhost:80/catalog", b"Host: localhost:80\r\n", 200),
    ],
)
def test_a_whole_address_is_asked_for_as_its_path(daemon, target, host, status):
    heard, _ = said(daemon, get(b"Connection: close\r\n", target=target, host=host))
    assert statuses(heard) == [status]


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
def test_what_goes_with_a_request_is_taken_as_rfc_9112_has_it(daemon, method):
    plain = get(b"Connection:\t foo , close \t\r\n", target=b"/catalog").replace(b"GET", method)
    for before in (b"", b"\r\n"):  # one empty line, as some clients send behind a body
        heard, _ = said(daemon, before + plain)
        head, _, body = heard.partition(b"\r\n\r\n")
        length = int(present(re.search(rb"\r\nContent-Length: (\d+)\r\n", head))[1])
        assert statuses(heard) == [200]
        assert len(body) == (length if method == b"GET" else 0)
        assert b"\r\nDate: " in head


@pytest.mark.parametrize("method", [b"OPTIONS", b"DELETE", b"BREW", b"get", b"Post"])
def test_a_wrong_method_is_told_which_are_right(daemon, method):
    heard, _ = said(daemon, get(b"Connection: close\r\n", target=b"/jobs").replace(b"GET", method))
    assert statuses(heard) == [405]
    allowed = present(re.search(rb"\r\nAllow: (.*)\r\n", heard))[1]
    assert sorted(allowed.split(b", ")) == [b"GET", b"HEAD", b"POST", b"PUT"]


def test_a_client_that_waits_to_be_told_to_go_on_is_told_so(daemon):
    body = b'{"cron": "@daily", "count": 1}'
    head = b"POST /preview HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\nExpect: 100-continue\r\n"
    head += b"Connection: close\r\n" + length(b"%d" % len(body)) + b"\r\n"
    with socket.create_connection(("127.0.0.1", daemon.port), timeout=GENEROUS) as client:
        client.sendall(head)
        assert client.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.sendall(body)
        assert b"".join(iter(lambda: client.recv(65536), b"")).startswith(b"HTTP/1.1 200 OK\r\n")


def test_extensions_and_trailers_of_chunks_are_passed_over(daemon):
    body = b'1e;a=b;c="d"\r\n{"cron": "@daily", "count": 1}\r\n0;last\r\nX-Trailer: y\r\n\r\n'
    head = b"POST /preview HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n" + CHUNKED
    heard, _ = said(daemon, head + b"Connection: close\r\n\r\n" + body)
    assert statuses(heard) == [200]


def test_http_1_0_gets_what_it_understands(daemon):
    for path in (b"/catalog", b"/health"):
        heard, _ = said(daemon, b"GET " + path + b" HTTP/1.0\r\n\r\n")
        assert heard.startswith(b"HTTP/1.0 200 OK\r\n")
        assert b"Transfer-Encoding" not in heard
