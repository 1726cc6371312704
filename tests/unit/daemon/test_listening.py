"""What --listen names: by which names it can be asked for, and the certificate that it shows."""

import os
import socket

import pytest
from twisted.logger import capturedLogs, formatEvent

from jobsched.daemon.listening import Certificate, Renewing, closed, look, names, url
from jobsched.model.errors import BadConfig
from tests.certificates import pair


def refusal(endpoint):
    with pytest.raises(BadConfig) as caught:
        look(endpoint)
    line = str(caught.value)
    assert "\n" not in line
    return line.removeprefix(f"--listen: {endpoint}: ")


@pytest.fixture(scope="module")
def first():
    return pair("first.example")


@pytest.fixture(scope="module")
def second():
    return pair("second.example")


# Names.


@pytest.mark.parametrize(
    ("endpoint", "more"),
    [
        ("tcp:80:interface=127.0.0.1", ["127.0.0.1"]),
        ("tcp:80:interface=127.3.2.1", ["127.3.2.1"]),
        ("tcp:80:interface=localhost", ["localhost"]),
        (r"tcp6:80:interface=\:\:1", ["::1"]),
        ("unix:/run/s", []),
        ("tcp:80", [socket.gethostname()]),
        ("tcp:80:interface=0.0.0.0", [socket.gethostname()]),
        ("tcp6:80", [socket.gethostname()]),
        ("tcp:80:interface=10.0.0.7", [socket.gethostname(), "10.0.0.7"]),
        ("tcp:80:interface=jobs.example", [socket.gethostname(), "jobs.example"]),
    ],
)
def test_it_is_asked_for_by_what_it_listens_on(endpoint, more):
    assert names([look(endpoint)]) == ["localhost", "127.0.0.1", "::1", *more]


@pytest.mark.parametrize(
    ("endpoint", "address"),
    [
        ("tcp:58631:interface=127.0.0.1", "http://127.0.0.1:58631"),
        (r"tcp6:80:interface=\:\:1", "http://[::1]:80"),
        ("tcp:58631", f"http://{socket.gethostname()}:58631"),
        ("unix:/run/jobsched", "unix:/run/jobsched"),
    ],
)
def test_an_endpoint_has_an_address_that_a_client_can_use(endpoint, address):
    assert url(endpoint) == address


# Certificates.


@pytest.mark.parametrize("kind", ["ssl", "tls"])
def test_a_certificate_is_looked_at_before_anything_is_served(tmp_path, first, kind):
    place = look(f"{kind}:443:interface=127.0.0.1:{first.put(tmp_path)}")
    assert (place.port, place.interface, place.loopback) == (443, "127.0.0.1", True)


def test_a_key_of_another_certificate_is_refused(tmp_path, first, second):
    endpoint = f"ssl:443:interface=127.0.0.1:{first.put(tmp_path)}"
    (tmp_path / "key.pem").write_bytes(second.key)
    assert refusal(endpoint) == "not an endpoint: Certificate public and private keys do not match."


def test_a_key_behind_a_password_is_refused_and_nobody_is_asked(tmp_path):
    folder = tmp_path / "a:b"
    folder.mkdir()
    rest = pair(password=b"secret").put(folder).replace("a:b", r"a\:b")
    why = f"the key in {folder}/key.pem has a password, and nobody is here to type it"
    assert refusal(f"ssl:443:interface=127.0.0.1:{rest}") == why
    key = str(folder / "key.pem").replace(":", r"\:")
    assert refusal(f"ssl:443:{key}:interface=127.0.0.1") == why


@pytest.mark.parametrize("spoil", [b"", b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(tmp_path, first, spoil):
    endpoint = f"ssl:443:interface=127.0.0.1:{first.put(tmp_path)}"
    (tmp_path / "cert.pem").write_bytes(spoil)
    assert refusal(endpoint).startswith("not an endpoint: ")


def test_a_file_that_is_not_there_is_named(tmp_path, first):
    endpoint = f"ssl:443:interface=127.0.0.1:{first.put(tmp_path)}"
    (tmp_path / "key.pem").unlink()
    assert f"{tmp_path}/key.pem" in refusal(endpoint)


@pytest.mark.parametrize("how", ["sslmethod=TLSv1_METHOD", "sslmethod=TLS_METHOD"])
def test_nobody_chooses_an_older_tls(tmp_path, first, how):
    endpoint = f"ssl:443:interface=127.0.0.1:{first.put(tmp_path)}:{how}"
    assert refusal(endpoint) == "sslmethod: leave it out; TLS 1.2 and later are spoken"


def test_nor_by_its_place(tmp_path, first):
    first.put(tmp_path)
    endpoint = f"ssl:443:{tmp_path}/key.pem:{tmp_path}/cert.pem:TLSv1_1_METHOD:interface=127.0.0.1"
    assert refusal(endpoint).startswith("sslmethod: ")


def test_a_certificate_is_renewed_and_a_bad_one_leaves_the_old(tmp_path, first, second):
    endpoint = f"ssl:443:interface=127.0.0.1:{first.put(tmp_path)}"
    certificate = Certificate(endpoint)
    assert shown(certificate) == "first.example"
    second.put(tmp_path)
    assert shown(certificate) == "first.example"
    with capturedLogs() as events:
        certificate.renew()
    assert [event["log_level"].name for event in events] == ["info"]
    assert shown(certificate) == "second.example"

    for name, spoilt in (("key.pem", first.key), ("cert.pem", b"")):
        (tmp_path / name).write_bytes(spoilt)
        with capturedLogs() as events:
            certificate.renew()
        [event] = events
        assert (event["log_level"].name, event["log_format"]) == ("error", "the old certificate stays in force: {why}")
        assert event["why"].startswith(f"--listen: {endpoint}: not an endpoint: ")
        assert shown(certificate) == "second.example"


def shown(certificate):
    """The name in what a client would see now."""
    [name] = certificate._options.certificate.to_cryptography().subject
    return name.value


def test_the_reactor_gets_the_certificate_that_can_be_renewed(tmp_path, first):
    heard = []

    class Reactor:
        def listenSSL(self, *args, **kwargs):
            heard.append((args, kwargs))

    certificate = Certificate(f"ssl:443:interface=127.0.0.1:{first.put(tmp_path)}")
    Renewing(Reactor(), certificate).listenSSL(443, "a factory", contextFactory="its own", backlog=50, interface="::1")  # type: ignore[arg-type]  # a fake, and what it is given
    assert heard == [((443, "a factory", certificate), {"backlog": 50, "interface": "::1"})]


@pytest.mark.parametrize(
    ("endpoint", "kept"),
    [
        ("unix:/s", "unix:/s:mode=660"),
        ("unix:/s:lockfile=0", "unix:/s:lockfile=0:mode=660"),
        (r"unix:/odd\:mode=666", r"unix:/odd\:mode=666:mode=660"),
        ("unix:/s:mode=666", "unix:/s:mode=666"),
        ("unix:/s:600", "unix:/s:600"),
        ("unix:address=/s:mode=640", "unix:address=/s:mode=640"),
        ("tcp:80", "tcp:80"),
        ("tls:443:certKey=/tls:/key.pem", "ssl:443:certKey=/tls:/key.pem"),
        ("ssl:443:certKey=/tls:/key.pem", "ssl:443:certKey=/tls:/key.pem"),
    ],
)
def test_twisted_gets_its_own_words_and_a_unix_socket_its_mode(endpoint, kept):
    assert closed(endpoint) == kept


def test_a_fifo_in_the_place_of_a_certificate_is_not_waited_for(tmp_path, first):
    rest = first.put(tmp_path)
    endpoint = f"ssl:0:interface=127.0.0.1:{rest}"
    shown = Certificate(endpoint)
    key = tmp_path / "key.pem"
    key.unlink()
    os.mkfifo(key)
    assert refusal(endpoint) == f"{key} is a FIFO: reading it again would hold up everything"
    with capturedLogs() as logs:
        shown.renew()
    assert f"{key} is a FIFO" in formatEvent(logs[-1])
