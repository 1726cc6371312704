"""By which names a daemon may be asked."""

import pytest

from jobsched.model.hosts import LOOPBACK, Hosts, plain


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("jobs.example", "jobs.example"),
        ("Jobs.Example.:8080", "jobs.example"),
        ("a_b:", "a_b"),
        ("127.0.0.1:80", "127.0.0.1"),
        ("[::1]:80", "::1"),
        ("::1", "::1"),
        ("[0:0:0:0:0:0:0:1]", "::1"),
        ("[::FFFF:10.0.0.1]", "10.0.0.1"),
        ("fe80::1%eth0", "fe80::1"),
        ("", ""),
        (":80", ""),
        ("*", ""),
        ("a:80:90", ""),
        ("[jobs.example]", ""),
        ("[::1]evil.example", ""),
        ("[::1", ""),
        ("a b", ""),
        ("a/b", ""),
        ("user@jobs.example", ""),
        ("http://jobs.example", ""),
    ],
)
def test_a_host_has_one_spelling(host, name):
    assert plain(host) == name


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:58631", "127.0.0.1:1", "[::1]", "10.0.0.7:58631", "jobs:80"])
def test_its_own_names_and_the_address_reached_are_known(host):
    assert Hosts.of([*LOOPBACK, "jobs"]).know(host, "10.0.0.7")


@pytest.mark.parametrize(
    "host",
    ["", ":80", "evil.example", "localhost.evil.example", "evil.localhost", "10.0.0.8", "0.0.0.0", "127.1",
     "2130706433", "jobs.example", "[::]", "[::1]evil.example"],
)  # fmt: skip
def test_no_other_is(host):
    assert not Hosts.of([*LOOPBACK, "jobs"]).know(host, "10.0.0.7")


def test_a_socket_without_an_address_has_no_name_of_its_own():
    assert not Hosts.of([]).know("", "")


def test_two_kinds_of_addresses_that_are_one_are_one():
    assert Hosts.of([]).know("10.0.0.7:80", "::ffff:10.0.0.7")
    assert Hosts.of([]).know("[fe80::1]", "fe80::1%eth0")
