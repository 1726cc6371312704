"""Where a daemon listens: by TLS whose certificate is renewed, on unix sockets with a mode, and under which names."""

import contextlib
import signal
import socket
import ssl
import stat
from functools import partial

import pytest
from cryptography import x509

from tests.certificates import pair
from tests.ports import free_port
from tests.system.caller import Caller
from tests.system.daemon import GENEROUS, until

GET = b"GET /catalog HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Tls:
    """A daemon that listens by TLS, and without beside it."""

    def __init__(self, daemon, folder):
        self.daemon = daemon
        self.folder = folder
        self.port = free_port()
        self.pair("first.example")

    def start(self):
        rest = f"privateKey={self.folder}/key.pem:certKey={self.folder}/cert.pem"
        self.daemon.start(
            "--listen", f"tcp:{self.daemon.port}:interface=127.0.0.1",
            "--listen", f"tls:{self.port}:interface=127.0.0.1:{rest}",
        )  # fmt: skip
        return self

    def pair(self, name):
        pair(name).put(self.folder)

    @contextlib.contextmanager
    def client(self, lowest=None, highest=None):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")
        context.minimum_version = lowest or context.minimum_version
        context.maximum_version = highest or context.maximum_version
        context.set_alpn_protocols(["h2", "http/1.1"])
        with (
            socket.create_connection(("127.0.0.1", self.port), timeout=GENEROUS) as wire,
            context.wrap_socket(wire, server_hostname="localhost") as client,
        ):
            yield client

    def name(self):
        """What the certificate says that is shown now."""
        with self.client() as client:
            [name] = x509.load_der_x509_certificate(client.getpeercert(binary_form=True)).subject
        return name.value

    def hang_up(self, words):
        """Send the signal, and wait until the log has something new to say of it."""
        before = self.daemon.log.count(words)
        self.daemon.signal(signal.SIGHUP)
        until(lambda: self.daemon.log.count(words) > before)


@pytest.fixture
def tls(daemon, tmp_path):
    return Tls(daemon, tmp_path).start()


def asked(client):
    client.sendall(GET)
    return client.recv(65536)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_speaks_tls_1_2_and_1_3_and_http_1_1(tls, version):
    with tls.client(version, version) as client:
        assert client.selected_alpn_protocol() == "http/1.1"
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")


def test_all_ports_share_one_limit_and_tls_is_cut_there(daemon, tmp_path):
    daemon.options("MAX_CONNECTIONS = 2")
    tls = Tls(daemon, tmp_path).start()
    with contextlib.ExitStack() as inside:
        for _ in range(2):
            client = until(lambda: _let_in(inside, tls))
        with pytest.raises((ConnectionError, ssl.SSLError)), tls.client():
            pass
        with socket.create_connection(("127.0.0.1", daemon.port), timeout=GENEROUS) as late:
            assert late.recv(65536).startswith(b"HTTP/1.1 503 ")
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")
    until(daemon.answers)


def _let_in(inside, tls):
    """A client that has a place; none, while the last one of those before it goes."""
    with contextlib.suppress(OSError):
        client = inside.enter_context(tls.client())
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")
        return client


def test_it_speaks_nothing_older(tls):
    with (
        pytest.warns(DeprecationWarning, match="TLSv1"),
        pytest.raises((ssl.SSLError, ConnectionError)),
        tls.client(ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1),
    ):
        raise AssertionError
    with tls.client() as client:
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_location_there_is_https(tls):
    body = b'{"task": "example", "name": "a job", "interval": {"hours": 1}}'
    head = b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
    with tls.client() as client:
        client.sendall(head % len(body) + body)
        assert b"\r\nLocation: https://localhost/jobs/" in client.recv(65536)


def test_a_new_certificate_is_shown_after_a_hang_up(tls):
    with tls.client() as client:
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")
        assert tls.name() == "first.example"
        tls.pair("second.example")
        assert tls.name() == "first.example"
        tls.hang_up("was read again")
        until(lambda: tls.name() == "second.example")
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")

        (tls.folder / "key.pem").write_bytes(pair().key)
        tls.hang_up("the old certificate stays in force: --listen: tls:")
        assert tls.name() == "second.example"
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")
        tls.pair("third.example")
        tls.hang_up("the certificate of tls:")
        assert tls.name() == "third.example"
    assert "Traceback" not in tls.daemon.log


def test_what_is_no_tls_is_cut_and_harms_nobody(tls):
    for text in (GET, b"", b"\x16\x03\x01\x02\x00", bytes(1000)):
        with socket.create_connection(("127.0.0.1", tls.port), timeout=GENEROUS) as client:
            client.sendall(text)
            client.shutdown(socket.SHUT_WR)
            with contextlib.suppress(ConnectionError):
                assert b"HTTP" not in b"".join(iter(partial(client.recv, 65536), b""))
    with tls.client() as client:
        assert asked(client).startswith(b"HTTP/1.1 200 OK\r\n")
    assert "Traceback" not in tls.daemon.log


def test_a_key_of_another_certificate_is_one_line(daemon, tmp_path):
    rest = pair().put(tmp_path)
    (tmp_path / "key.pem").write_bytes(pair().key)
    endpoint = f"ssl:{daemon.port}:interface=127.0.0.1:{rest}"
    status, said = daemon.run("--listen", endpoint)

    words = "Certificate public and private keys do not match."
    assert (status, said) == (1, f"jobsched: --listen: {endpoint}: not an endpoint: {words}\n")


@pytest.mark.parametrize(("given", "mode"), [("", 0o660), (":mode=666", 0o666), (":mode=600", 0o600), (":600", 0o600)])
def test_a_unix_socket_has_its_mode_and_takes_any_host(daemon, given, mode):
    path = daemon.folder / "s"
    daemon.start("--listen", f"tcp:{daemon.port}:interface=127.0.0.1", "--listen", f"unix:{path}{given}")
    assert stat.S_IMODE(path.stat().st_mode) == mode
    for host in ("localhost", "whatever.example", "x"):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(f"GET /catalog HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
    assert daemon.stop() == 0
    assert not path.exists()


def test_it_goes_by_the_names_of_what_it_listens_on(daemon):
    daemon.options("NODE_URL = 'http://alpha.example:58631'")
    daemon.start("--listen", f"tcp:{daemon.port}:interface=127.0.0.1")
    ask = Caller(daemon).ask
    for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:80", "alpha.example"):
        assert ask("GET", "/catalog", Host=host).status == 200, host
    for host in ("evil.example", "localhost.evil.example", "0.0.0.0", "127.0.0.2"):
        assert ask("GET", "/catalog", Host=host).status == 421, host


def test_allowed_hosts_take_their_place(daemon):
    daemon.options("ALLOWED_HOSTS = ['Jobs.example', '[fe80::1]:80']\nNODE_URL = 'http://alpha.example:58631'")
    daemon.start()
    ask = Caller(daemon).ask
    for host in ("jobs.example", "jobs.example.:443", "[fe80::1]", "alpha.example", "127.0.0.1"):
        assert ask("GET", "/catalog", Host=host).status == 200, host
    for host in ("localhost", "evil.example", "[::1]"):
        assert ask("GET", "/catalog", Host=host).status == 421, host
