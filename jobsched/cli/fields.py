"""FIELD=VALUE on a command line as fields of a job: spans such as 1h, numbers, `labels.team=data`, `none`."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Final

from .client import Json
from .errors import Usage
from .times import Times, span, whole

SPANS: Final = ("timeout", "misfire_grace", "retry_delay", "jitter", "max_late", "must_succeed_every")
NUMBERS: Final = ("retries", "max_runs")
INSTANTS: Final = ("start", "end", "at")
TEXTS: Final = (
    "name", "task", "cron", "timezone", "overlap", "catch_up", "placement", "on_isolation", "description", "owner",
    "runbook",
)  # fmt: skip
MAPS: Final = ("parameters", "labels", "require", "notify")
OTHERS: Final = {"every": "interval", "zone": "timezone", "interval": "interval"}
KNOWN: Final = (*SPANS, *NUMBERS, *INSTANTS, *TEXTS, *MAPS, *OTHERS)
NOTHING: Final = ("none", "null", "")


def fields(given: Sequence[str], times: Times) -> Json:
    """The fields of a request, or of a patch, that are meant. Raises Usage."""
    found: Json = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals:
            raise Usage(f'give FIELD=VALUE, such as retries=2 or timeout=1h, not "{text}"')
        head, dot, inner = name.partition(".")
        if head in MAPS:
            found[head] = _inner(found.get(head), head, inner, value, bool(dot))
        else:
            found[OTHERS.get(name, name)] = one(name, value, times)
    return found


def _inner(before: object, head: str, inner: str, value: str, dotted: bool) -> object:
    if not dotted:
        if value in NOTHING:
            return None
        raise Usage(f"{head} has names within: {head}.NAME=VALUE, or {head}=none")
    fields = dict(before) if isinstance(before, dict) else {}
    fields[inner] = None if value in NOTHING else _value(head, inner, value)
    return fields


def _value(head: str, inner: str, value: str) -> object:
    if head == "parameters":
        from .commands.run import scalar

        return scalar(value)
    if head == "notify":
        return int(value) if inner == "after" else value.split(",") if inner == "on" else value
    return value


def one(name: str, value: str, times: Times) -> object:
    """The value of one field. Raises Usage."""
    if name not in KNOWN:
        near = difflib.get_close_matches(name, KNOWN, n=1)
        raise Usage(
            f'no field "{name}"' + (f"; did you mean {near[0]}?" if near else f"; there are {', '.join(KNOWN)}")
        )
    if value.lower() in NOTHING:
        return None
    if name in SPANS:
        return span(value)
    if name in ("every", "interval"):
        return {"seconds": span(value)}
    if name in NUMBERS:
        if not value.isdecimal():
            raise Usage(f'{name}: is a whole number, not "{value}"')
        return int(value)
    return times.ahead(value) if name in INSTANTS else value


def differing(before: Json, after: Json) -> list[tuple[str, object, object]]:
    """The fields of a definition in which two answers differ, each with both values."""
    passing = ("version", "updated", "next_run", "interval", "effective", "last_run", "recent", "active", "overdue")
    return [
        (name, before.get(name), after[name])
        for name in after
        if name not in passing and before.get(name) != after[name]
    ]


def told(value: object, field: str = "") -> str:
    """A value, in a line; that of a `field` that is a span, in its units."""
    if field in SPANS and isinstance(value, (int, float)):
        return whole(value)
    return "none" if value is None else value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
