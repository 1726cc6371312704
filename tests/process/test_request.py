"""The shipped HttpRequest as runs, against receivers on real sockets."""

# ruff: noqa: PT009, PT027  # under trial a bare assert does not show what it saw

import gzip
import json
import os
import shutil
import socket
from pathlib import Path
from time import monotonic
from unittest import mock

import attrs
from twisted.internet import reactor
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory, Protocol, connectionDone

from jobsched.model.errors import BadCatalog
from jobsched.runner.deadline import Stop
from tests.certificates import pair
from tests.present import present

from .ground import EVER, RunnerCase

FILE = Path(__file__).parents[2] / "tasks" / "httprequest.py"
SECRET = "Bearer jobsched-0123456789"


def answer(text=b"", status=b"200 OK", *headers):
    lines = [b"HTTP/1.1 " + status, b"Content-Length: %d" % len(text), *headers]
    return b"\r\n".join(lines) + b"\r\n\r\n" + text


class Receiver(Factory):
    """Keeps its connections, and what it says on each; None: nothing."""

    noisy = False

    def __init__(self):
        self.wires: list[Wire] = []
        self.says: bytes | None = answer(b"hello")

    def buildProtocol(self, addr):
        wire = Wire()
        wire.factory = self
        return wire


class Wire(Protocol):
    """What a client said on one connection; answered as soon as the whole request is there."""

    factory: Receiver

    def __init__(self):
        self.came = b""
        self.over = False

    def connectionMade(self):
        self.factory.wires.append(self)

    def dataReceived(self, data):
        self.came += data
        head, end, body = self.came.partition(b"\r\n\r\n")
        length = [line.split(b":")[1] for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
        if end and len(body) == int(length[0] if length else 0) and self.factory.says is not None:
            present(self.transport).write(self.factory.says)

    def connectionLost(self, reason=connectionDone):
        self.over = True

    @property
    def first_line(self):
        return self.came.partition(b"\r\n")[0].decode()

    @property
    def body(self):
        return self.came.partition(b"\r\n\r\n")[2]


class HttpRequestTests(RunnerCase):
    """One receiver on this machine, that says `self.receiver.says`."""

    limits = attrs.evolve(RunnerCase.limits, livetime=EVER, grace=0.2)

    async def listen_at(self, endpoint="tcp:0:interface=127.0.0.1"):
        """Begin to receive; where."""
        self.receiver = Receiver()
        port = await serverFromString(reactor, endpoint).listen(self.receiver)
        self.addCleanup(port.stopListening)
        self.addCleanup(self.hang_up, self.receiver)
        return port.getHost().port

    def hang_up(self, receiver):
        for wire in receiver.wires:
            if not wire.over:
                wire.transport.abortConnection()

    def request(self, url, **options):
        """A task of the catalog."""
        if not (self.folder / FILE.name).exists():
            shutil.copy(FILE, self.folder)
        return self.add(f"request{len(self.sections)}", FILE.name, "HttpRequest", {"url": url, **options})

    async def get(self, says=None, status="succeeded", **options):
        """One run against our receiver; its run."""
        port = await self.listen_at()
        if says is not None:
            self.receiver.says = says
        run = await self.run_of(self.request(f"http://127.0.0.1:{port}/", **options))
        self.assert_outcome(run, status)
        return run

    async def test_the_answer_is_told_in_one_line_and_its_beginning(self):
        run = await self.get(answer(b"hello\n" + b"x" * 2000))

        first, *rest = self.output(run).decode().split("\n", 1)
        self.assertRegex(first, r"^200 OK, 2006 bytes in \d+\.\d{3} s$")
        self.assertEqual(rest, ["hello\n" + "x" * 1018 + "\n"])
        self.assertEqual(run.reason, "finished")

    async def test_what_is_sent_is_what_the_catalog_says(self):
        port = await self.listen_at()
        task = self.request(
            f"http://127.0.0.1:{port}/hooks/{{name}}/x?a=b&day={{day}}",
            method="post",
            headers=f"\n    Authorization: {SECRET}\n    Content-Type: application/json",
            body='{"text": "it is {day}", "n": {n}, "on": {on}, "other": "{other} {}"}',
            parameters="name, day, n, on",
        )
        values = {"name": "../a b/ü?#", "day": 'mon" & \\', "n": 3, "on": True}
        run = await self.run_of(task, parameters=values)

        self.assert_outcome(run, "succeeded")
        [wire] = self.receiver.wires
        self.assertEqual(wire.first_line, "POST /hooks/..%2Fa%20b%2F%C3%BC%3F%23/x?a=b&day=mon%22%20%26%20%5C HTTP/1.1")
        self.assertIn(f"\r\nAuthorization: {SECRET}\r\n".encode(), wire.came)
        self.assertIn(f"\r\nHost: 127.0.0.1:{port}\r\n".encode(), wire.came)
        self.assertEqual(
            json.loads(wire.body), {"text": f"it is {values['day']}", "n": 3, "on": True, "other": "{other} {}"}
        )
        await self.until(lambda: wire.over)

    async def test_a_form_and_plain_text_are_filled_too(self):
        port = await self.listen_at()
        for kind, body in (
            ("application/x-www-form-urlencoded", b"a=x+%26+y"),
            ("text/plain; charset=utf-8", b"a=x & y"),
        ):
            task = self.request(
                f"http://127.0.0.1:{port}/", method="PUT", headers=f"content-type: {kind}", body="a={a}", parameters="a"
            )
            self.assert_outcome(await self.run_of(task, parameters={"a": "x & y"}), "succeeded")
            self.assertEqual(self.receiver.wires[-1].body, body)

    async def test_a_status_that_is_not_expected_fails_the_run(self):
        run = await self.get(answer(b"busy", b"503 Service\x07 Unavailable"), "failed")

        self.assertRegex(run.reason, r"http://127.0.0.1:\d+: status 503 Service Unavailable, expected 200-299$")
        self.assertTrue(self.output(run).endswith(b" s\nbusy\n"))  # no traceback

    async def test_expected_statuses_are_what_the_catalog_says(self):
        await self.get(answer(b"", b"304 Not Modified"), expected="200-299, 304")
        run = await self.get(answer(b"", b"200 OK"), "failed", expected="304")
        self.assertIn("status 200 OK, expected 304", run.reason)

    async def test_a_redirect_is_an_answer_like_any_other(self):
        port = await self.listen_at()
        run = await self.get(answer(b"", b"302 Found", b"Location: http://127.0.0.1:%d/" % port), "failed")
        self.assertIn("status 302 Found", run.reason)
        self.assertEqual(len(self.receiver.wires), 1)

    async def test_what_the_headers_say_is_printed_nowhere(self):
        port = await self.listen_at()
        self.receiver.says = answer(f"you said {SECRET}; {SECRET.split()[1]}".encode(), f"403 {SECRET}".encode())
        task = self.request(f"http://127.0.0.1:{port}/", headers=f"Authorization: {SECRET}\n    Accept: text/plain")
        run = await self.run_of(task)

        self.assert_outcome(run, "failed", "status 403 ***")
        self.assertIn(b"you said ***; ***\n", self.output(run))
        self.assertNotIn(SECRET.split()[1].encode(), self.output(run))

    async def test_no_more_than_a_mebibyte_is_read(self):
        head = b"HTTP/1.1 200 OK\r\nContent-Length: 999999999999\r\n\r\n"
        run = await self.get(head + b"x" * (1024 * 1024 + 1))

        self.assertIn(b"200 OK, more than 1048576 bytes, the rest was not read, in ", self.output(run))
        [wire] = self.receiver.wires
        await self.until(lambda: wire.over)

    async def test_a_packed_answer_is_neither_asked_for_nor_unpacked(self):
        packed = gzip.compress(b"x" * 10_000_000)
        run = await self.get(answer(packed, b"200 OK", b"Content-Encoding: gzip"))

        self.assertTrue(self.output(run).startswith(b"200 OK, %d bytes in " % len(packed)))
        self.assertIn(b"\r\nAccept-Encoding: identity\r\n", self.receiver.wires[0].came)

    async def test_at_the_deadline_the_connection_is_closed(self):
        for says in (None, answer(b"x" * 100)[:-1]):
            port = await self.listen_at()
            self.receiver.says = says
            task = self.request(f"http://127.0.0.1:{port}/")
            run = await self.start(task)
            await self.until(lambda: self.receiver.wires and self.receiver.wires[0].came)
            self.be_late(run)
            run = await self.end(run)

            self.assert_outcome(run, "timed_out", "ran longer than its 0 s")
            [wire] = self.receiver.wires
            await self.until(lambda wire=wire: wire.over)
            self.assertEqual(self.output(run), b"")

    async def test_one_that_is_cancelled_while_it_connects_is_gone(self):
        with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
            run = await self.start(self.request(f"http://127.0.0.1:{deaf.getsockname()[1]}/"))
            self.runner.stop(run.id, Stop("cancelled", "cancelled by a caller"))
            self.assert_outcome(await self.end(run), "cancelled")

    async def test_its_own_timeout_fails_the_run(self):
        begun = monotonic()
        port = await self.listen_at()
        for says in (None, answer(b"x" * 100)[:-1]):
            self.receiver.says = says
            run = await self.run_of(self.request(f"http://127.0.0.1:{port}/", timeout="0.3"))
            self.assert_outcome(run, "failed", f"http://127.0.0.1:{port}: no whole answer within 0.3 s")
            await self.until(lambda: all(wire.over for wire in self.receiver.wires))
        self.assertLess(monotonic() - begun, EVER)

    async def test_an_answer_that_breaks_off_fails_the_run(self):
        port = await self.listen_at()
        for says, words in (
            (answer(b"x" * 100)[:-1], "closed before the whole answer was there"),
            (b"", "closed before the whole answer was there"),
            (b"SSH-2.0-OpenSSH\r\n\r\n", "it does not speak HTTP"),
        ):
            self.receiver.says = None
            run = await self.start(self.request(f"http://127.0.0.1:{port}/"))
            await self.until(lambda: self.receiver.wires and self.receiver.wires[-1].came)
            wire = self.receiver.wires.pop()
            transport = present(wire.transport)
            transport.write(says)
            transport.loseConnection()
            self.assert_outcome(await self.end(run), "failed", f"http://127.0.0.1:{port}: ", words)

    async def test_what_cannot_be_reached_is_told_plainly(self):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            url = f"http://127.0.0.1:{free.getsockname()[1]}"
            run = await self.run_of(self.request(url))
            self.assert_outcome(run, "failed", f"{url}: nobody listens there")
        run = await self.run_of(self.request("http://no-such-host.invalid/secret"))
        self.assertEqual(run.reason, "http://no-such-host.invalid: there is no such host")

    async def test_a_certificate_must_be_the_hosts_and_trusted(self):
        for name, trusted, state, words in (
            ("localhost", True, "succeeded", "finished"),
            ("localhost", False, "failed", "TLS: certificate verify failed"),
            ("other.example", True, "failed", "TLS: its certificate is for another host"),
        ):
            folder = self.folder / f"{name}{trusted}"
            folder.mkdir()
            port = await self.listen_at(f"ssl:0:interface=127.0.0.1:{pair(name).put(folder)}")
            file = str(folder / "cert.pem") if trusted else os.devnull
            with mock.patch.dict(os.environ, {"SSL_CERT_FILE": file, "SSL_CERT_DIR": str(self.folder)}):
                run = await self.run_of(self.request(f"https://localhost:{port}/"))
            self.assert_outcome(run, state, words)
            if not trusted or name != "localhost":
                self.assertEqual([wire.came for wire in self.receiver.wires if wire.came], [])

    async def test_https_at_a_port_that_speaks_http_is_told_plainly(self):
        port = await self.listen_at()
        self.receiver.says = answer()
        run = await self.start(self.request(f"https://127.0.0.1:{port}/"))
        await self.until(lambda: self.receiver.wires and self.receiver.wires[0].came)
        present(self.receiver.wires[0].transport).write(answer())
        self.assert_outcome(await self.end(run), "failed", "TLS: wrong version number")

    async def test_a_parameter_unset_or_out_of_its_place_fails_the_run(self):
        port = await self.listen_at()
        task = self.request(f"http://127.0.0.1:{port}/a/{{name}}", parameters="name")
        for values, words in (
            ({}, "the job does not set the parameter name"),
            ({"name": ".."}, "{name} cannot be '..' in a path"),
            ({"name": ""}, "{name} cannot be '' in a path"),
        ):
            run = await self.run_of(task, parameters=values)
            self.assert_outcome(run, "failed", words)
            self.assertEqual(self.output(run), b"")
        self.assertEqual(self.receiver.wires, [])

    def test_what_cannot_be_sent_is_refused_as_the_catalog_is_read(self):
        for options, words in (
            ({"url": "ftp://a/"}, "url: must begin with http:// or https:// and a host"),
            ({"url": "http://{name}.example/"}, "url: a parameter cannot stand before the path"),
            ({"url": "http://a{name}"}, "url: a parameter cannot stand before the path"),
            ({"url": "{name}://a/"}, "url: must begin with"),
            ({"url": f"http://u:{SECRET.split()[1]}@a/"}, "url: a password belongs into the headers"),
            ({"url": "http://a:b/"}, "url: "),
            ({"url": "http://a/{other}"}, "url: {other} is not among the parameters"),
            ({"url": "http://a/b c"}, "url: has a character"),
            ({"url": "http://a/#b"}, "url: has a character"),
            ({"url": "http://a/../b"}, "url: "),
            ({"method": "GET /"}, "method: must be a word"),
            ({"headers": SECRET}, "headers: number 1 is not of the form"),
            ({"headers": f"Authorization: {SECRET}\x07"}, "headers: the value of Authorization"),
            ({"headers": "Host: other"}, "headers: Host cannot be set"),
            ({"body": "x"}, "body: needs a Content-Type"),
            ({"body": "{", "headers": "Content-Type: application/json"}, "body: is no JSON"),
            ({"body": "<a>{name}</a>", "headers": "Content-Type: text/xml"}, "body: parameters can be put into"),
            ({"expected": "2xx"}, "expected: must be statuses"),
            ({"expected": "299-200"}, "expected: must be statuses"),
            ({"timeout": "0"}, "timeout: must be a number"),
            ({"timeout": "soon"}, "timeout: must be a number"),
            ({"Authorization": SECRET}, "unexpected keyword argument 'Authorization'"),
        ):  # fmt: skip
            with self.assertRaises(BadCatalog) as caught:
                self.request(**{"url": "http://a/", "parameters": "name", **options})
            self.assertIn(words, str(caught.exception))
            self.assertNotIn(SECRET.split()[1], str(caught.exception))
            self.sections.clear()
