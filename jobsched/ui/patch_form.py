"""What is to be changed of many jobs, as a form says it. Pure functions."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from ..http.problems import invalid
from ..http.schemas.jobs import PatchIn
from ..model.errors import Faults, Invalid
from . import amounts
from .form import one

SPANS: Final = ("timeout", "retry_delay")


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
