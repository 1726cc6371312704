"""What a document of JSON, TOML or YAML holds: where its jobs are, and which values others cannot say."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from ..model.errors import Invalid, place
from ..model.printable import hint
from .findings import Findings

SHAPE = 'jobs are a list, or an object such as {"jobs": [...]}'


def pick(whole: object, found: Findings) -> Iterator[tuple[str, dict[str, object]]]:
    """The jobs of a document, each with its pointer. The answer of `GET /jobs?as=request` calls them `values`."""
    where, jobs = "", whole
    if isinstance(whole, dict):
        names = [name for name in ("jobs", "values") if name in whole]
        if len(names) != 1:
            found.refuse(where, SHAPE if not names else f"{names[0]} and {names[1]} are the same: give one")
            return
        for name in sorted(whole.keys() - {names[0], "withheld"}):
            found.refuse(where + place(name), f"{name[:80]} is not known here{hint(name, ['jobs'])}")
        where, jobs = where + place(names[0]), whole[names[0]]
    if not isinstance(jobs, list):
        found.refuse(where, SHAPE)
        return
    for number, job in enumerate(jobs):
        if isinstance(job, dict):
            yield f"{where}/{number}", job
        else:
            found.refuse(f"{where}/{number}", 'a job is an object such as {"id": "a", "task": "b", "cron": "@daily"}')


def unspoken(job: Mapping[str, object], *, nulls: bool) -> list[Invalid]:
    """The values in a job that no text of the format has, with their pointers; `nulls`: whether it has null."""
    try:  # nearly always there are none, and this is found out fast
        text = json.dumps(dict(job), ensure_ascii=False, allow_nan=False).encode()
    except ValueError:
        return list(_unspoken(job, "", nulls=nulls))
    return [] if nulls or b"null" not in text else list(_unspoken(job, "", nulls=nulls))


def _unspoken(value: object, where: str, *, nulls: bool) -> Iterator[Invalid]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from _unspoken(name, where + place(name), nulls=nulls)
            yield from _unspoken(each, where + place(name), nulls=nulls)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _unspoken(each, f"{where}/{number}", nulls=nulls)
    elif value is None and not nulls and where.count("/") > 1:
        yield Invalid("there is no null", where)
    elif isinstance(value, float) and not math.isfinite(value):
        yield Invalid("there is no such number", where)
    elif isinstance(value, str) and any("\ud800" <= char <= "\udfff" for char in value):
        yield Invalid("holds half of a surrogate pair", where)
