"""Who may ask: a request must be sent to us by a name of ours, and not by somebody else's web page; and what every
answer forbids a browser to do with it.

Whoever sits at this machine can reach the daemon, and so can every web page that is open in his browser: by a form, or
by a name of its own that suddenly points here (DNS rebinding). No answer ever carries a CORS header.
"""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

from twisted.internet.address import UNIXAddress
from twisted.web.http import Request, datetimeToString
from twisted.web.http_headers import Headers

from ..model.hosts import Hosts
from . import problems

HOST = re.compile(rb"[A-Za-z0-9._~!$&'()*+,;=%:\[\]-]*")  # RFC 3986: what a host and a port may hold
TARGET = re.compile(rb"/[!-~]*")  # RFC 9112 calls it the origin form
ABSOLUTE = re.compile(rb"https?://([^/?#@]+)([/?][!-~]*)?", re.IGNORECASE)  # and this the absolute one

READS = (b"GET", b"HEAD", b"OPTIONS")
OF_OURS = (b"same-origin", b"none")  # what a browser says of where a request comes from, and need not worry us

ALWAYS = (
    (b"Server", b"jobsched"),
    (b"X-Content-Type-Options", b"nosniff"),
    (b"Content-Security-Policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"Referrer-Policy", b"no-referrer"),
    (b"Cross-Origin-Resource-Policy", b"same-origin"),
)


def target(given: bytes, headers: Headers) -> bytes:
    """What is asked for as a path, also where a whole address was given; one of another host than Host says stays what
    it is, to be refused: of two servers each might believe another of the two."""
    address = ABSOLUTE.fullmatch(given)
    if address is None or [host.lower() for host in headers.getRawHeaders(b"host", [])] != [address[1].lower()]:
        return given
    path = address[2] or b"/"
    return path if path.startswith(b"/") else b"/" + path


def fault(request: Request, hosts: Hosts | None) -> tuple[int, str] | None:
    """The status and the words with which a request is refused, whatever it asks for; None: let it come in."""
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
    if request.path.startswith(b"//"):  # werkzeug would see one
        return 404, "there is nothing at this path"
    if request.method not in READS and _is_foreign(request, host):
        return 403, "a web page of another site made a browser send this"
    return None


def _is_host(text: bytes) -> bool:
    try:
        text.partition(b":")[0].decode("ascii").encode("idna")  # as werkzeug will
    except UnicodeError:
        return False
    return HOST.fullmatch(text) is not None


def _is_ours(request: Request, hosts: Hosts, host: str) -> bool:
    here = request.getHost()
    return isinstance(here, UNIXAddress) or hosts.know(host, getattr(here, "host", ""))  # no web page reaches a file


def _is_foreign(request: Request, host: str) -> bool:
    """Whether a browser says that it sends this for a page that is not of this daemon."""
    headers = request.requestHeaders
    sites = headers.getRawHeaders(b"sec-fetch-site", [])
    origins = headers.getRawHeaders(b"origin", [])
    ours = host.lower().encode("ascii")
    return any(site.lower() not in OF_OURS for site in sites) or any(
        not ours or origin.lower().partition(b"://")[2] != ours for origin in origins
    )


def add_security_headers(headers: Headers) -> None:
    """Put on an answer what every one of ours says. What has a tag may be kept, and asked about, unless it says no."""
    for name, value in ALWAYS:
        headers.setRawHeaders(name, [value])
    headers.setRawHeaders(b"Date", [datetimeToString()])
    if not headers.hasHeader(b"cache-control"):
        headers.setRawHeaders(b"Cache-Control", [b"no-cache" if headers.hasHeader(b"etag") else b"no-store"])


def outright(status: int, detail: str) -> bytes:
    """A whole answer, a problem after which the connection ends: for what never becomes a request that Klein sees."""
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
