"""Hints for a cron expression that is refused: an expression that is accepted, or other fields with the same meaning.

Other cron programs accept more, or less. An expression has been tried before a hint proposes it.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import suppress

from .errors import BadTrigger
from .pattern import FIELDS, Field
from .trigger import LONGEST, SHORTEST

DASHES = dict.fromkeys(map(ord, "\N{HYPHEN}\N{EN DASH}\N{EM DASH}\N{MINUS SIGN}"), "-")
UNITS = {"second": "seconds", "minute": "minutes", "hour": "hours", "day of month": "days", "day of week": "days"}
SPANS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
WORDS = {"ms": "seconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
LOOKED_AT = 1000  # characters of an expression for which is looked what was meant: that takes as long as it is
EXAMPLE = '"0 3 * * *" is 03:00 each day'
AT_START = "for a run at each start, have what starts the machine call POST /jobs/ID/run"

Accepted = Callable[[str], bool]


def hint(expression: str, timezone: str, is_followed: Callable[[str, str], bool]) -> str:
    """What to write or give instead, in words. `is_followed(expression, timezone)`: whether that is accepted."""

    def accepted(cron: str) -> bool:
        return is_followed(cron, timezone)

    text = " ".join(unicodedata.normalize("NFKC", expression.translate(DASHES)).split())
    if text.lower() == "@reboot":
        return AT_START
    for found in (_every(text), _in_zone(text, is_followed), *_rewritten(text, accepted)):
        if found is not None:
            return found
    if (days := re.search(r"(?<!\S)L-([1-9]|1[0-9]|2[0-6])(?!\S)", text, re.IGNORECASE)) is not None:
        return _from_the_end(text, int(days[1]), days.span(), accepted)
    return EXAMPLE


def _give(**fields: object) -> str:
    return f"give {json.dumps(fields)}"


def _every(text: str) -> str | None:
    """`@every 1h30m`, as some libraries have it."""
    found = re.fullmatch(r"@every ((?:[0-9]+(?:\.[0-9]+)?(?:ms|[smhdw]))+)", text, re.IGNORECASE)
    if found is None:
        return None
    parts = re.findall(r"([0-9.]+)(ms|[smhdw])", found[1].lower())
    seconds = sum(float(number) * SPANS[unit] for number, unit in parts)
    if not SHORTEST.total_seconds() <= seconds <= LONGEST.total_seconds():
        return None
    if len(parts) > 1 or parts[0][1] == "ms":
        return _give(interval={"seconds": _number(seconds)})
    number, unit = parts[0]
    return _give(interval={WORDS[unit]: _number(float(number))})


def _number(value: float) -> float:
    return int(value) if value == int(value) else round(value, 6)


def _in_zone(text: str, is_followed: Callable[[str, str], bool]) -> str | None:
    """`CRON_TZ=Asia/Tokyo 0 0 * * *`, as crontab files have it."""
    found = re.fullmatch(r"(?:CRON_)?TZ=(\S+) (.+)", text, re.IGNORECASE)
    if found is None:
        return None
    timezone, cron = found[1].strip("\"'"), found[2]
    tried = (cron, *_corrections(cron, lambda cron: is_followed(cron, timezone)))
    return next((_give(cron=each, timezone=timezone) for each in tried if is_followed(each, timezone)), None)


def _rewritten(text: str, accepted: Accepted) -> Iterator[str]:
    yield from _rhythm(text)
    yield from (f'write "{cron}"' for cron in _corrections(text, accepted))


def _rhythm(text: str) -> Iterator[str]:
    """`*/90 * * * *`: a step too wide for its field, but possible as an interval."""
    parts = text.replace("?", "*").split()
    if len(parts) not in (5, 6):
        return
    fields = FIELDS[-len(parts) :]
    for place, (field, part) in enumerate(zip(fields, parts, strict=True)):
        step = re.fullmatch(r"\*/([0-9]{1,4})", part)
        if step is None or field.name not in UNITS or int(step[1]) <= field.size:
            continue
        clocks = parts[: min(place, len(parts) - 3)]
        days = [*parts[len(clocks) : place], *parts[place + 1 :]]
        if all(each.isdecimal() for each in clocks) and set(days) <= {"*"}:
            yield _give(interval={UNITS[field.name]: int(step[1])})


def _corrections(text: str, accepted: Accepted) -> Iterator[str]:
    """Expressions that are accepted, the likeliest first."""
    for parts in _as_fields(text.upper().replace("?", "*").split()):
        terms = [_mend(field, part) for field, part in zip(FIELDS[-len(parts) :], parts, strict=True)]
        whole = _as_both([term for term in terms if term is not None], parts)
        if len(whole) < len(parts):
            tried = _in_their_field(parts)
        else:  # each field is right now: an expression that is still refused is never due
            last = [" ".join([*whole[:-3], "L", *whole[-2:]])] if whole[-1] == "*" else []
            tried = [" ".join(whole), *_in_gaps(whole), *last]
        yield from (cron for cron in tried if accepted(cron))


def _as_both(terms: list[str], parts: list[str]) -> list[str]:
    """If one of the two day fields began with `*`, both had to match, and still must: Sunday as `*/7`, others []."""
    if len(terms) < len(parts):
        return terms
    day, weekday = terms[-3], terms[-1]
    if parts[-1].startswith("*") and not weekday.startswith("*") and not day.startswith("*"):
        return [*terms[:-1], "*/7"] if weekday == "0" else []
    if parts[-3].startswith("*") and not day.startswith("*") and not weekday.startswith("*"):
        return []
    return terms


def _as_fields(parts: list[str]) -> Iterator[list[str]]:
    """Five or six fields: as given, without the year field of Quartz, or without the command of a crontab line."""
    if len(parts) in (5, 6):
        yield parts
    if len(parts) == 7 and parts[6] == "*":
        yield parts[:6]
    if any(re.search(r"/[A-Z._~]|\.[A-Z]", part) for part in parts[5:]):
        yield parts[:5]


def _in_gaps(parts: list[str]) -> Iterator[str]:
    """For a time that clocks never show: the same at a fixed time, which is due right after the gap."""
    if len(parts) == 6:
        yield " ".join(parts[1:])
    fixed = [_one(field, part) for field, part in zip(FIELDS[1:3], parts[-5:-3], strict=True)]
    yield " ".join([*fixed, *parts[-3:]])


def _one(field: Field, part: str) -> str:
    return str(field.low) if part.startswith("*") else part


def _in_their_field(parts: list[str]) -> list[str]:
    """The nth weekday of a month belongs to the last field."""
    return [" ".join([*parts[:-3], "*", parts[-2], parts[-3]])] if parts[-1] == "*" else []


def _mend(field: Field, part: str) -> str | None:
    """The field as it may have been meant; None: that cannot be told."""
    found = [_mend_term(field, term) for term in part.split(",") if term]
    terms = [term for term in found if term is not None]
    return ",".join(terms) if terms and len(terms) == len(found) else None


def _mend_term(field: Field, term: str) -> str | None:
    body, slash, digits = term.partition("/")
    body = _day(field, body)
    with suppress(BadTrigger):  # refused as nearly special: no other meaning is found below
        if field.is_special(body):
            return body
    if body == "H":  # Jenkins: some value, the same each time
        body = "*" if slash else str(field.low)
    step = int(found[0]) if (found := re.match("[0-9]{1,4}", digits)) else 0
    if slash and not step:
        return None
    if body == "*":
        return str(field.low) if step > field.widest else f"*/{step}" if step > 1 else "*"
    first, dash, last = body.partition("-")
    begin = _value(field, first, str(field.low) if dash else "")
    end = _value(field, last, str(field.high)) if dash else begin
    if not begin or not end:
        return None
    if dash:
        return field.forwards(begin, end, max(step, 1))
    left = field.high + field.sunday_again - field.number(begin)
    return f"{begin}/{step}" if 0 < step <= left else begin


def _day(field: Field, body: str) -> str:
    """Names of days that are nearly right."""
    if field.name == "day of month":
        return "LW" if body in ("WL", "LW") else body
    if field.name == "day of week" and body.endswith("L") and len(body) > 1:
        named = _value(field, body[:-1], "")
        return f"{field.number(named) % 7}L" if named else body
    return str(field.high) if body == "L" and field.name != "day of week" else body


def _value(field: Field, text: str, missing: str) -> str:
    """The value as the field writes it; `missing` for an empty text or `*`; "": the field has no such value."""
    text = text.removeprefix("+")
    if not text or text == "*":
        return missing
    if text.isdecimal():
        number = int(text)
        if number == field.high + 1 and field.low == 0:
            return "0"  # 24:00 is 0:00
        return str(number) if field.low <= number <= field.high else ""
    return text[:3] if text[:3] in field.names and text.isalpha() else ""


def _from_the_end(text: str, back: int, at: tuple[int, int], accepted: Accepted) -> str:
    """`back` days before the last day of a month: a job for each length of month."""
    months = {31: "1,3,5,7,8,10,12", 30: "4,6,9,11", 28: "2"}
    jobs = []
    for length, these in months.items():
        parts = f"{text[: at[0]]}{length - back}{text[at[1] :]}".split()
        if len(parts) in (5, 6) and parts[-2] == "*":
            jobs.append(" ".join([*parts[:-2], these, parts[-1]]))
    if len(jobs) < len(months) or not all(map(accepted, jobs)):
        return EXAMPLE
    return f'make a job for each length of month: "{jobs[0]}", "{jobs[1]}" and "{jobs[2]}"'
