"""URLs of jobs, runs and pages, as the caller can use them."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode, urlsplit

from twisted.web.http import Request


def location(request: Request, path: str) -> bytes:
    """The absolute URL of `path` on the host that was asked."""
    host = request.getHeader(b"host")
    if not host:
        here = request.getHost()
        name = getattr(here, "host", "localhost")
        host = f"{f'[{name}]' if ':' in name else name}:{getattr(here, 'port', 80)}".encode()
    return (b"https://" if request.isSecure() else b"http://") + host + path.encode("ascii")


def link_next(request: Request, limit: int, last: str) -> None:
    """Set the header Link to the page after `last`."""
    url = urlsplit(request.uri.decode("ascii", "replace"))
    asked = dict(parse_qsl(url.query)) | {"limit": str(limit), "after": last}
    target = location(request, f"{url.path}?{urlencode(asked)}")
    request.setHeader(b"link", b"<" + target + b'>; rel="next"')
