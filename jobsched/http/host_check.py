"""Protection from foreign web pages: a request must name one of our host names, and must not come from another site's
page. Security headers limit what a browser may do with an answer.

A user of this machine can reach the daemon, and so can every web page that is open in the user's browser: by a form, or
by a host name of its own that suddenly points here (DNS rebinding). No answer ever carries a CORS header.
"""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import unquote_to_bytes

from twisted.internet.address import UNIXAddress
from twisted.web.http import Request, datetimeToString
from twisted.web.http_headers import Headers

from ..clock import wall_time
from ..model.hosts import Hosts
from . import problems

HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")  # RFC 3986: what a host and a port may hold
TARGET = re.compile(rb"/[!-~]*")  # the origin form of RFC 9112
ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?][!-~]*)?", re.IGNORECASE)  # its absolute form

READS = (b"GET", b"HEAD", b"OPTIONS")
OF_OURS = (b"same-origin", b"none")  # values of Sec-Fetch-Site that are harmless

ALWAYS = (
    (b"Server", b"jobsched"),
    (b"X-Content-Type-Options", b"nosniff"),
)
UNLESS_SET = (  # a page for people sets its own, and so does a picture for the pages of others
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Referrer-Policy", b"no-referrer"),
)


def target(given: bytes, headers: Headers) -> bytes:
    """The target of a request as a path, also if it was given as a whole address. An address with another host than the
    header Host stays as it is, to be refused: two servers might each believe a different one of the two hosts."""
    address = ABSOLUTE.fullmatch(given)
    if address is None or [host.lower() for host in headers.getRawHeaders(b"host", [])] != [address[1].lower()]:
        return given
    path = address[2] or b"/"
    return path if path.startswith(b"/") else b"/" + path


def fault(request: Request, hosts: Hosts | None) -> tuple[int, str] | None:
    """The status and the words with which a request is refused, whatever its route; None: it is let in."""
    given = request.requestHeaders.getRawHeaders(b"host", [])
    if len(given) > 1 or not all(_is_host(host) for host in given):
        return 400, "the Host header is no host"
    if not given and request.clientproto != b"HTTP/1.0":  # a browser always sends one
        return 400, "the Host header is missing"
    if TARGET.fullmatch(request.uri) is None:
        return 400, "only a path may be asked for, or a whole address of the host that Host names"
    try:
        unquote_to_bytes(request.path).decode()
        request.method.decode("ascii")
    except UnicodeDecodeError:
        return 400, "the path is not UTF-8"
    host = given[0].decode("ascii") if given else ""
    if given and hosts is not None and not _is_ours(request, hosts, host):
        return 421, f"this daemon does not go by the name of {host!r}; see ALLOWED_HOSTS in jobsched.cfg"
    if request.path.startswith(b"//"):  # werkzeug would see a single slash
        return 404, "there is nothing at this path"
    if request.method not in READS and _is_foreign(request, host):
        return 403, "a web page of another site made a browser send this"
    return None


@lru_cache(maxsize=64)  # nearly all requests name one of few
def _is_host(text: bytes) -> bool:
    try:
        text.partition(b":")[0].decode("ascii").encode("idna")  # as werkzeug does it later
    except UnicodeError:
        return False
    return HOST.fullmatch(text) is not None


def _is_ours(request: Request, hosts: Hosts, host: str) -> bool:
    here = request.getHost()
    return isinstance(here, UNIXAddress) or hosts.know(host, getattr(here, "host", ""))  # web pages cannot use a file


def _is_foreign(request: Request, host: str) -> bool:
    """Whether the headers of a browser say that it sends the request for a page of another site."""
    headers = request.requestHeaders
    sites = headers.getRawHeaders(b"sec-fetch-site", [])
    origins = headers.getRawHeaders(b"origin", [])
    ours = host.lower().encode("ascii")
    return any(site.lower() not in OF_OURS for site in sites) or any(
        not ours or origin.lower().partition(b"://")[2] != ours for origin in origins
    )


def add_security_headers(headers: Headers) -> None:
    """Add the security and caching headers that every response carries.

    A response with a tag may be cached, and revalidated by the tag, unless its route has set Cache-Control.
    """
    for name, value in ALWAYS:
        headers.setRawHeaders(name, [value])
    for name, value in UNLESS_SET:
        if not headers.hasHeader(name):
            headers.setRawHeaders(name, [value])
    headers.setRawHeaders(b"Date", [_date(int(wall_time()))])
    if not headers.hasHeader(b"cache-control"):
        headers.setRawHeaders(b"Cache-Control", [b"no-cache" if headers.hasHeader(b"etag") else b"no-store"])


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """A second since 1970, as headers have it."""
    return bytes(datetimeToString(second))


def outright(status: int, detail: str) -> bytes:
    """A whole response, with a problem, that ends the connection: for input that never reaches Klein as a request."""
    text = problems.body(status, detail)
    headers = Headers()
    add_security_headers(headers)
    headers.setRawHeaders(b"Content-Type", [b"application/problem+json"])
    headers.setRawHeaders(b"Connection", [b"close"])
    headers.setRawHeaders(b"Content-Length", [b"%d" % len(text)])
    if status == 503:
        headers.setRawHeaders(b"Retry-After", [b"%d" % problems.RETRY_AFTER])
    lines = [b"HTTP/1.1 %d %s" % (status, problems.TITLES[status].encode("ascii"))]
    lines += [name + b": " + value for name, values in headers.getAllRawHeaders() for value in values]
    return b"\r\n".join([*lines, b"", text])
