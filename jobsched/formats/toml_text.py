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
from .findings import MOST_VALUES, Findings
from .plain_values import pick, unspoken

HEAD: Final = "[jobs]"  # of a table; in brackets it is one of several
MOST_OF_DOTS: Final = 50_000_000  # squares of the dots in a line: a name of many parts takes as long as that to be read


def read(text: str, found: Findings) -> None:
    """Read a text of TOML."""
    if sum(map(text.count, ",[{=")) > MOST_VALUES:
        raise Invalid(f"it holds more than {MOST_VALUES:,} values")
    if sum(line.count(".") ** 2 for line in text.split("\n")) > MOST_OF_DOTS:
        raise Invalid("it has too many dots in a line: names of so many parts are not read")
    try:
        whole = tomllib.loads(text)
    except tomllib.TOMLDecodeError as why:
        line = re.search(r" \(at line (\d+), column (\d+)\)$", str(why))
        words = str(why)[: line.start()] if line else str(why)
        place = f"line {line[1]}" if line else f"line {text.count(chr(10)) + 1}"
        found.refuse(place, f"it is not TOML: {words[:1].lower()}{words[1:]}")
        return
    except (ValueError, RecursionError) as why:
        found.refuse("", f"it is not TOML that can be read: {why}")
        return
    for where, job in pick(whole, found):
        with found.noting(where):
            found.add(where, _job(job))


def _job(job: dict[str, object]) -> dict[str, object]:
    """The job in values of JSON. Raises Invalid."""
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
