"""What an HTML form has sent."""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl

from twisted.web.http import Request

from ..http.route import content_type, raw
from ..model.errors import Invalid

FORM: Final = b"application/x-www-form-urlencoded"
MOST: Final = 2000  # fields


def fields(request: Request) -> dict[str, list[str]]:
    """Each field with its values. Raises Invalid."""
    if content_type(request) != FORM:
        raise Invalid("a form of this page is expected")
    found: dict[str, list[str]] = {}
    try:
        pairs = parse_qsl(raw(request).decode("ascii"), keep_blank_values=True, max_num_fields=MOST, errors="strict")
    except ValueError:  # too many, or no UTF-8
        raise Invalid("the form cannot be read") from None
    for name, value in pairs:
        found.setdefault(name, []).append(value.replace("\r\n", "\n"))
    return found


def one(found: dict[str, list[str]], name: str) -> str:
    """The first value of a field, without blanks around it; "" if it was not sent."""
    return found.get(name, [""])[0].strip()


def back(path: str, otherwise: str = "/ui/") -> str:
    """A path of this page to lead back to: never another site's."""
    sound = path.startswith("/ui/") and path.isascii() and path.isprintable() and "\\" not in path and " " not in path
    return path if sound else otherwise
