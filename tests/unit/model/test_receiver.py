"""What a receiver's URL may be, and which hosts the patterns stand for."""

from __future__ import annotations

import string

import pytest
from hyperlink import URL
from hypothesis import example, given
from hypothesis import strategies as st
from twisted.web.client import URI

from jobsched.model.errors import Invalid
from jobsched.model.job import Notify
from jobsched.model.receiver import Receiver, Receivers, is_pattern, place_of, shown

URLS = [
    ("https://hooks.example/a?b=c", "https", "hooks.example", 443),
    ("HTTP://Hooks.Example.", "http", "hooks.example", 80),
    ("http://10.0.0.7:8080/", "http", "10.0.0.7", 8080),
    ("https://[2001:DB8::1]:8443/x", "https", "2001:db8::1", 8443),
    ("http://a_b.example/%ff/..;x=y", "http", "a_b.example", 80),
]
BAD = ["", "hooks.example", "//hooks.example/", "ftp://hooks.example/", "http://", "http:///a", "http://user@hooks.example/",
       "http://user:pw@hooks.example/", "http://hooks.example#a", "http://hooks.example/#a", "http://hooks.example\\@x/",
       "http://hooks.example:0/", "http://hooks.example:65536/", "http://hooks.example:/", "http://hooks.example:8o/",
       "http://ex ample/", "http://hooks.example/a b", "http://h\u00f6oks.example/", "http://hooks.example/\u00f6",
       "http\u017f://hooks.example/", "http://hoo\u212as.example/",
       "http://hooks.example/\n", "http://hooks.example\t/", "http://[::1/", "http://[1:2]/",
       "http://[fe80::1%25eth0]/", "http://-a.example/", "http://a-/",
       "http://hooks.example?a=b", f"http://{'a' * 254}/", "http://a%2eb/"]  # fmt: skip


@pytest.mark.parametrize(("url", "scheme", "host", "port"), URLS)
def test_a_url_is_taken_apart(url: str, scheme: str, host: str, port: int) -> None:
    found = Receiver.of(url)
    assert (found.scheme, found.host, found.port) == (scheme, host, port)
    assert found.url == url
    assert url not in repr(found)


@pytest.mark.parametrize("url", BAD)
def test_what_is_not_plain_is_no_receiver(url: str) -> None:
    with pytest.raises(ValueError, match=r"^must be|'1:2'"):
        Receiver.of(url)
    assert place_of(url) == ""


SIGNS = "abcX019.-_~:/?#[]@!$&'()*+,;=%\\ \t"


@given(rest=st.text(SIGNS, max_size=30), scheme=st.sampled_from(["http", "https"]))
@example(rest="a:80@b/", scheme="http")
@example(rest="a;b@c", scheme="http")
def test_what_is_taken_twisted_reads_alike(rest: str, scheme: str) -> None:
    url = f"{scheme}://{rest}"
    try:
        found = Receiver.of(url)
    except ValueError:
        return
    read = URI.fromBytes(url.encode())
    assert (read.scheme.decode(), read.host.decode().lower().removesuffix("."), read.port) == (
        found.scheme, found.host, found.port,
    )  # fmt: skip
    assert read.originForm.startswith(b"/")


@given(host=st.text(string.ascii_letters + string.digits + ".-_", min_size=1, max_size=30))
def test_and_so_does_another_library(host: str) -> None:
    try:
        found = Receiver.of(f"http://{host}/")
    except ValueError:
        return
    assert URL.from_text(f"http://{host}/").host.lower().removesuffix(".") == found.host


PATTERNS = [
    ("hooks.example", "https://hooks.example/", True),
    ("hooks.example", "http://hooks.example:80/", True),
    ("Hooks.Example.", "https://hooks.example/", True),
    ("hooks.example", "https://hooks.example:8443/", False),
    ("hooks.example", "http://hooks.example:443/", False),
    ("hooks.example:8443", "https://hooks.example:8443/", True),
    ("hooks.example:*", "https://hooks.example:22/", True),
    ("hooks.example", "https://xhooks.example/", False),
    ("hooks.example", "https://hooks.example.evil/", False),
    ("*.example", "https://hooks.example/", True),
    ("*.example", "https://a.b.example/", True),
    ("*.example", "https://example/", False),
    ("*.example", "https://evilexample/", False),
    ("*:*", "http://[::1]:9/", True),
    ("[::1]:9", "http://[::1]:9/", True),
    ("10.0.0.*", "http://10.0.0.7/", True),
    ("hooks?example", "https://hooks.example/", False),
]


@pytest.mark.parametrize(("pattern", "url", "allowed"), PATTERNS)
def test_hosts_are_allowed_by_pattern(pattern: str, url: str, allowed: bool) -> None:
    receivers = Receivers.of(None, [pattern], False)
    assert receivers.allow(Receiver.of(url)) == allowed


@pytest.mark.parametrize("text", ["hooks.example", "*", "*:*", "a:80", "[::1]", "[::1]:80", "*.example:*"])
def test_what_is_a_pattern(text: str) -> None:
    assert is_pattern(text)


@pytest.mark.parametrize("text", ["", "https://hooks.example", "a/b", "a b", "a:", "a:b", "a@b", "a?", "[a", "a[b]"])
def test_what_is_none(text: str) -> None:
    assert not is_pattern(text)


def test_without_patterns_there_is_the_place_of_the_one_for_all() -> None:
    receivers = Receivers.of("https://hooks.example:8443/all?key=1", None, False)
    assert receivers.place == "hooks.example:8443"
    assert receivers.allow(Receiver.of("https://hooks.example:8443/mine"))
    assert not receivers.allow(Receiver.of("https://hooks.example/mine"))
    assert not Receivers.of(None, None, False).allow(Receiver.of("https://hooks.example/"))
    beside = Receivers.of("https://hooks.example/all", ["other.example"], False)
    assert beside.allow(Receiver.of("https://hooks.example/all")), "the operator's own"
    assert not beside.allow(Receiver.of("https://hooks.example/mine"))


def test_a_job_may_not_ask_to_be_told_to_nobody() -> None:
    nobody = Receivers.of(None, ["hooks.example"], False)
    nobody.check(None)
    nobody.check(Notify(on=()))
    nobody.check(Notify(url="https://hooks.example/"))
    for wrong in (Notify(), Notify(url="https://other.example/"), Notify(url="nonsense")):
        with pytest.raises(Invalid) as caught:
            nobody.check(wrong)
        assert caught.value.pointer == "/notify/url"
    Receivers.of("https://hooks.example/", None, False).check(Notify())


def test_the_query_is_not_shown() -> None:
    assert shown("https://hooks.example/a?key=secret") == "https://hooks.example/a"
