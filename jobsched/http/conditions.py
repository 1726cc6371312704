"""The conditions of a request (RFC 9110, section 13), and the range of bytes that it asks for (14.2)."""

from __future__ import annotations

import hashlib
import re
import sys

from twisted.web.http import Request
from werkzeug.datastructures import ContentRange, Range
from werkzeug.http import parse_etags, parse_range_header

from ..model.errors import Invalid, Stale

READS = (b"GET", b"HEAD")
LAST_0 = re.compile("bytes=-0+", re.IGNORECASE)  # a range, which werkzeug does not take for one
NO_BYTES = Range("bytes", [(sys.maxsize, None)])  # a range that is just as empty
VERSION = re.compile(r"([1-9][0-9]{0,8})(\..*)?", re.DOTALL)  # what follows the dot does not matter


class Unsatisfiable(Exception):
    """No byte of the range exists; the text of the error is the header Content-Range."""


def tag_of(version: int, shown: bytes) -> bytes:
    """The ETag of a job: its version, and a hash of the answer, `shown`."""
    return b'"%d.%s"' % (version, hashlib.blake2b(shown, digest_size=8).hexdigest().encode())


def versions(request: Request) -> frozenset[int] | None:
    """The versions of a job that If-Match names, as `"VERSION.SHOWN"` or `"VERSION"`; None: any version.

    A weak tag, or a tag in another form, matches nothing.
    """
    text = _given(request, b"if-match")
    if text is None:
        return None
    tags = parse_etags(text)
    if tags.star_tag:
        return None
    found = (VERSION.fullmatch(tag or "") for tag in tags)  # the empty tag is None here
    return frozenset(int(one.group(1)) for one in found if one is not None)


def tags(request: Request) -> frozenset[str] | None:
    """The tags that If-Match names; None: any. A weak tag matches nothing."""
    text = _given(request, b"if-match")
    found = None if text is None else parse_etags(text)
    return None if found is None or found.star_tag else frozenset(tag for tag in found if tag)


def must_exist(request: Request) -> bool:
    """Whether If-Match asks that there is something to change: `*` does too."""
    return _given(request, b"if-match") is not None


def must_be_new(request: Request) -> bool:
    """Whether If-None-Match asks that there is nothing yet: `*`. Raises Invalid for tags."""
    text = _given(request, b"if-none-match")
    if text is None:
        return False
    if not parse_etags(text).star_tag:
        raise Invalid("If-None-Match has no meaning for this call but as *: only where there is nothing yet")
    return True


def wants_representation(request: Request) -> bool:
    """Whether Prefer (RFC 7240) asks for what was made: `return=representation`, if it is the first `return`."""
    for each in (_given(request, b"prefer") or "").split(","):
        name, _, value = each.partition(";")[0].partition("=")
        if name.strip().lower() == "return":
            return value.strip().strip('"').lower() == "representation"
    return False


def accepts(request: Request, media_type: bytes) -> bool:
    """Whether Accept names this media type itself."""
    named = (_given(request, b"accept") or "").split(",")
    return media_type.decode() in {each.partition(";")[0].strip().lower() for each in named}


def must_be_none(request: Request, matched: bool, made: bool = False) -> None:
    """Refuse conditions that would be ignored: the client does not mean an unconditional write. Raises Invalid.

    `matched`: If-Match has a meaning for the call; `made`: so has If-None-Match.
    """
    known = {"If-Match": matched, "If-None-Match": made}
    refused = [name for name, here in known.items() if not here]
    for name in refused:
        if request.requestHeaders.hasHeader(name.lower()):
            raise Invalid(f"{name} has no meaning for this call")


def unchanged(request: Request, tag: bytes | None) -> bool:
    """Whether the client already has the answer with this tag; a HEAD or GET is then answered with 304.

    `tag` None: the answer has no tag. Raises Stale if If-Match asks for another tag.
    """
    if request.method not in READS:
        return False
    ours = None if tag is None else tag.decode("ascii").strip('"')
    if (text := _given(request, b"if-match")) is not None:
        wanted = parse_etags(text)
        if not (wanted.star_tag or (ours is not None and wanted.is_strong(ours))):
            raise Stale("this is not what If-Match asks for")
    if (text := _given(request, b"if-none-match")) is None:
        return False
    known = parse_etags(text)
    return known.star_tag or (ours is not None and known.contains_weak(ours))


def not_modified(request: Request) -> bytes:
    """304: no body, and no header that describes one."""
    request.setResponseCode(304)
    for name in (b"content-type", b"content-length"):
        request.responseHeaders.removeHeader(name)
    return b""


def asked_range(request: Request, tag: bytes | None, size: int) -> ContentRange | None:
    """The one range of bytes that a GET asks for, out of `size` bytes; None: all bytes are to be sent.

    None also if several ranges are asked for, or the header is no range, or If-Range names another tag: in these cases
    a server may send all. Raises Unsatisfiable.
    """
    asked = single_range(request)
    given = request.requestHeaders.getRawHeaders(b"if-range")
    if asked is None or (given is not None and given != [tag]):  # a date in If-Range never matches
        return None
    [(begin, end)] = asked.ranges
    # The last 9 bytes of 5: werkzeug says that there is no such range, RFC 9110 that it is all 5 bytes.
    found = Range(asked.units, [(max(begin, -size), end)]).make_content_range(size)
    if found is None:
        raise Unsatisfiable(ContentRange(asked.units, None, None, size).to_header())
    return found


def single_range(request: Request) -> Range | None:
    """The header Range; None where it is ignored: it counts for a GET, with one range of bytes."""
    given = request.requestHeaders.getRawHeaders(b"range", [])
    if request.method != b"GET" or len(given) != 1:
        return None
    text = given[0].decode("latin-1")
    asked = NO_BYTES if LAST_0.fullmatch(text) else parse_range_header(text)
    return asked if asked is not None and asked.units == "bytes" and len(asked.ranges) == 1 else None


def _given(request: Request, name: bytes) -> str | None:
    """A header that is a list, which may come in several lines."""
    lines = request.requestHeaders.getRawHeaders(name)
    return None if lines is None else b", ".join(lines).decode("latin-1")
