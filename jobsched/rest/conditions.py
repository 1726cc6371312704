"""Conditions under which a request is meant (RFC 9110, section 13), and the range of bytes that it asks for (14.2)."""

from __future__ import annotations

import hashlib
import re
import sys

from twisted.web.http import Request
from werkzeug.datastructures import ContentRange, Range
from werkzeug.http import parse_etags, parse_range_header

from ..model.errors import Invalid, Stale

READS = (b"GET", b"HEAD")
LAST_0 = re.compile("bytes=-0+", re.IGNORECASE)  # is a range, and werkzeug takes it for none
NO_BYTES = Range("bytes", [(sys.maxsize, None)])  # one that is as empty
VERSION = re.compile(r"([1-9][0-9]{0,8})(\..*)?", re.DOTALL)  # and what was shown then, which is no matter


class Unsatisfiable(Exception):
    """No byte of the range is there; says so as Content-Range has it."""


def tag_of(version: int, shown: bytes) -> bytes:
    """The ETag of a job: its version, and what stands for all that is shown of it."""
    return b'"%d.%s"' % (version, hashlib.blake2b(shown, digest_size=8).hexdigest().encode())


def versions(request: Request) -> frozenset[int] | None:
    """The versions of a job that If-Match names, be it as `"VERSION.SHOWN"` or as `"VERSION"`; None for any.

    A weak tag, and one that is none of ours, matches nothing.
    """
    text = _given(request, b"if-match")
    if text is None:
        return None
    tags = parse_etags(text)
    if tags.star_tag:
        return None
    found = (VERSION.fullmatch(tag or "") for tag in tags)  # the empty tag comes as None
    return frozenset(int(one.group(1)) for one in found if one is not None)


def must_be_none(request: Request, matched: bool) -> None:
    """Refuse conditions that nobody would look at: a write must not be made that was not meant. Raises Invalid."""
    refused = ["If-None-Match"] if matched else ["If-Match", "If-None-Match"]
    for name in refused:
        if request.requestHeaders.hasHeader(name.lower()):
            raise Invalid(f"{name} has no meaning for this call")


def unchanged(request: Request, tag: bytes | None) -> bool:
    """Whether who reads has got already what is tagged so; a HEAD or GET is then answered with 304.

    `tag` None: there is something, without a tag. Raises Stale where If-Match asks for something else.
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
    """304: no body, and no word of one."""
    request.setResponseCode(304)
    for name in (b"content-type", b"content-length"):
        request.responseHeaders.removeHeader(name)
    return b""


def asked_range(request: Request, tag: bytes | None, size: int) -> ContentRange | None:
    """The one range of bytes that a GET asks for, of `size` that are there; None for all of them.

    None as well where several are asked for, or something that is no range, or where If-Range names another tag: all of
    that may be answered with the whole. Raises Unsatisfiable.
    """
    asked = single_range(request)
    given = request.requestHeaders.getRawHeaders(b"if-range")
    if asked is None or (given is not None and given != [tag]):  # by a date too: there is none to compare with
        return None
    [(begin, end)] = asked.ranges
    # Of the last 9 bytes of 5 werkzeug says that they are not there; RFC 9110 has it that they are all 5.
    found = Range(asked.units, [(max(begin, -size), end)]).make_content_range(size)
    if found is None:
        raise Unsatisfiable(ContentRange(asked.units, None, None, size).to_header())
    return found


def single_range(request: Request) -> Range | None:
    """The header Range, where it means anything here: one range of bytes, and a GET."""
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
