"""Jobs as JSON: `{"jobs": [...]}`, a list, or what `GET /jobs?as=request` answers."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn

from ..model.errors import Invalid, place
from .findings import MOST_VALUES, Findings
from .plain_values import pick, unspoken


class _Doubled(dict[str, Any]):
    """An object that holds a name twice."""

    def __init__(self, found: dict[str, object], name: str) -> None:
        super().__init__(found)
        self.name = name


def read(text: str, found: Findings) -> None:
    """Read a text of JSON."""
    if sum(map(text.count, ",[{")) > MOST_VALUES:
        raise Invalid(f"it holds more than {MOST_VALUES:,} values")
    try:
        whole = json.loads(text, object_pairs_hook=_object, parse_constant=_no_number, parse_float=_number)
    except json.JSONDecodeError as why:
        found.refuse(f"line {why.lineno}", f"it is not JSON: {why.msg[:1].lower()}{why.msg[1:]} (column {why.colno})")
        return
    except (ValueError, RecursionError) as why:
        found.refuse("", f"it is not JSON that can be read: {why}")
        return
    for where, job in pick(whole, found):
        doubled = list(_doubled(job, where))
        for pointer in doubled:
            found.refuse(pointer, "is given twice")
        if not doubled:
            found.add(where, job)


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    return _Doubled(found, Counter(name for name, _ in pairs).most_common(1)[0][0])


def _doubled(value: object, where: str) -> list[str]:
    """The pointers to names that are there twice."""
    found = [where + place(value.name)] if isinstance(value, _Doubled) else []
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [*found, *(pointer for name, each in inner for pointer in _doubled(each, where + place(str(name))))]


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        _no_number(text)
    return number


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"{text[:20]} is no number of JSON")


def unsayable(job: Mapping[str, object]) -> list[Invalid]:
    """Nothing of a job: JSON can say all of it."""
    return unspoken(job, nulls=True)


def written(jobs: Sequence[Mapping[str, object]], withheld: Mapping[str, Sequence[str]]) -> str:
    """The text, in lines."""
    whole: dict[str, object] = {"jobs": jobs}
    if withheld:
        whole["withheld"] = [{"id": job_id, "pointers": list(found)} for job_id, found in sorted(withheld.items())]
    return json.dumps(whole, ensure_ascii=False, indent=2, sort_keys=True) + "\n"
