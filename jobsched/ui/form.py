"""What an HTML form has sent, and the change of many jobs that it asks for."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec
from twisted.web.http import Request

from ..http.problems import invalid
from ..http.route import content_type, raw
from ..http.schemas.jobs import PatchIn
from ..model.errors import Faults, Invalid
from . import amounts

FORM: Final = b"application/x-www-form-urlencoded"
MOST: Final = 2000  # fields
SPANS: Final = ("timeout", "retry_delay")


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


def patch(sent: dict[str, list[str]]) -> PatchIn:
    """What is given is changed, in each job; `patch` holds whatever has no field of its own. Raises Invalid."""
    faults, wanted = Faults(), dict[str, Any]()
    with faults.noting():
        wanted |= _rest(one(sent, "patch"))
    for name in SPANS:
        if text := one(sent, name):
            with faults.noting():
                wanted[name] = amounts.seconds(text, f"/{name}")
    if text := one(sent, "retries"):
        with faults.noting():
            if not (text.isascii() and text.isdigit() and len(text) < 12):
                raise Invalid("is a whole number", "/retries")
            wanted["retries"] = int(text)
    if text := one(sent, "labels"):
        with faults.noting():
            wanted["labels"] = amounts.pairs(text, "/labels")
    wanted |= {name: text for name in ("owner", "overlap") if (text := one(sent, name))}
    faults.check()
    if not wanted:
        raise Invalid("say what is to be changed")
    try:
        return msgspec.convert(wanted, PatchIn)
    except msgspec.ValidationError as why:
        raise invalid(why, wanted, PatchIn) from None


def _rest(text: str) -> dict[str, object]:
    if not text:
        return {}
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Invalid('is a JSON object such as {"misfire_grace": 600}', "/patch")
    return found
