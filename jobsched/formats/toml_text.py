"""Jobs as TOML: `[[jobs]]`, with `inf` where JSON has null, which is to say no limit."""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime, time
from typing import Final

import tomli_w

from ..model.errors import Invalid
from . import toml_lengths
from .findings import LONGEST_WORDS, MOST_VALUES, Findings, must_be_small
from .plain_values import pick, unspoken

HEAD: Final = "[jobs]"  # of a table; in brackets it is one of several
LONG_NUMBER: Final = re.compile(r"[=\[,\s][-+]?[0-9][\w.:+-]{1000}")  # the parser takes 100 bytes for each digit


def read(text: str, found: Findings) -> None:
    """Read a text of TOML."""
    if sum(text.count(sign) for sign in ",[{=") > MOST_VALUES:
        raise Invalid(f"it holds more than {MOST_VALUES:,} values")
    toml_lengths.check(text)
    for at in range(0, len(text), toml_lengths.PIECE):
        if found_number := LONG_NUMBER.search(text, max(at - 1100, 0), at + toml_lengths.PIECE):
            found.refuse(f"line {text.count(chr(10), 0, found_number.end()) + 1}", "the number is too long")
            return
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as why:
        line = re.search(r" \(at line (\d+), column (\d+)\)$", str(why))
        words = str(why)[: line.start()] if line else str(why)
        place = f"line {line[1]}" if line else f"line {text.count(chr(10)) + 1}"
        found.refuse(place, f"it is not TOML: {words[:1].lower()}{words[1:LONGEST_WORDS]}")
        return
    except (ValueError, RecursionError) as why:
        found.refuse("", f"it is not TOML that can be read: {why}")
        return
    for where, job in pick(whole, found):
        with found.noting(where):
            found.add(where, _job(job))


def _job(job: dict[str, object]) -> dict[str, object]:
    """The job in values of JSON. Raises Invalid."""
    must_be_small(job)
    plain: dict[str, object] = {
        name: None if value == math.inf and isinstance(value, float) else _json(value) for name, value in job.items()
    }
    wrong = unspoken(plain, nulls=True)
    if wrong:
        first, *more = wrong
        raise Invalid(first.detail, first.pointer, more)
    return plain


def _json(value: object) -> object:
    """A value as JSON has it: instants are text there."""
    if isinstance(value, dict):
        return {name: _json(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_json(each) for each in value]
    return value.isoformat() if isinstance(value, (datetime, date, time)) else value


def unsayable(job: Mapping[str, object]) -> list[Invalid]:
    """What TOML cannot say of a job: null, elsewhere than as a field."""
    return unspoken(job, nulls=False)


def written(jobs: Sequence[Mapping[str, object]], withheld: Mapping[str, Sequence[str]]) -> str:
    """The text; several behind one another are one again, unless one says that there are none."""
    return "\n".join(_table(job, withheld.get(str(job["id"]), ())) for job in jobs) or "jobs = []\n"


def _table(job: Mapping[str, object], withheld: Sequence[str]) -> str:
    ordered = {name: _ordered(value) for name, value in sorted(job.items())}
    notes = "".join(f"# withheld: {pointer}\n" for pointer in withheld)
    return f"{notes}[{HEAD}]{tomli_w.dumps({'jobs': ordered}).removeprefix(HEAD)}"


def _ordered(value: object) -> object:
    if isinstance(value, dict):
        return dict(sorted(value.items()))
    return math.inf if value is None else value
