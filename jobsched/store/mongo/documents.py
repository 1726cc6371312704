"""Records as documents, and back.

- An instant is a number: the microseconds since 1970. BSON's own dates end at the millisecond
- A span of time is a number of microseconds
- A mapping is one text, as JSON: BSON has no whole number beyond 64 bits, and names with "$" and "." ask for trouble
- The `id` of a record is the `_id` of its document
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

import attrs

from ...model.ids import EPOCH, MICROSECOND

R = TypeVar("R", bound=attrs.AttrsInstance)
Document = dict[str, Any]  # its values are of whatever type BSON knows
Convert = Callable[[Any], Any]


def instant_to_number(instant: datetime) -> int:
    """Microseconds since 1970."""
    return (instant - EPOCH) // MICROSECOND


def instant_of(number: int) -> datetime:
    """The instant of that number."""
    return EPOCH + number * MICROSECOND


def up_to(instant: datetime) -> Document:
    """What fits an instant that is not after this one. It asks for less than the next number: SecantusDB 0.7.0b3 leaves
    out the bound of "$lte" where it takes an index of several fields."""
    return {"$lt": instant_to_number(instant) + 1}


def span_to_number(span: timedelta) -> int:
    """Microseconds."""
    return span // MICROSECOND


def span_of(number: int) -> timedelta:
    """The span of that number."""
    return number * MICROSECOND


def values(record: attrs.AttrsInstance) -> Document:
    """The fields of a record as they are stored, under their own names."""
    conversions = _conversions(type(record))
    return {name: _converted(conversions[name][0], getattr(record, name)) for name in conversions}


def to_document(record: attrs.AttrsInstance) -> Document:
    """The document of a record."""
    document = values(record)
    return {"_id": document.pop("id"), **document}


def from_document(kind: type[R], document: Mapping[str, object]) -> R:
    """The record of a document. Fields that a later release has added are left out, and those that an earlier one did
    not know have their default."""
    given = {**document, "id": document["_id"]}
    conversions = _conversions(kind)
    return kind(**{name: _converted(conversions[name][1], given[name]) for name in conversions if name in given})


def plain(value: object) -> object:
    """A value of a record as it is stored, by its own type."""
    if isinstance(value, datetime):
        return instant_to_number(value)
    if isinstance(value, timedelta):
        return span_to_number(value)
    return json.dumps(value) if isinstance(value, Mapping) else value


def from_fields(fields: Mapping[str, object], reading: Mapping[str, Convert]) -> Document:
    """What those fields hold; `reading` says how what is not stored as it is was stored."""
    return {name: _converted(reading.get(name, _same), fields[name]) for name in fields}


def _converted(convert: Convert, value: object) -> object:
    return None if value is None else convert(value)


@cache
def _conversions(kind: type[attrs.AttrsInstance]) -> dict[str, tuple[Convert, Convert]]:
    """For each field: how it is stored, and how it is read."""
    hints = get_type_hints(kind)
    return {field.name: _conversion(hints[field.name]) for field in attrs.fields(kind)}


def _conversion(hint: object) -> tuple[Convert, Convert]:
    kinds = [hint, *get_args(hint)]
    if datetime in kinds:
        return instant_to_number, instant_of
    if timedelta in kinds:
        return span_to_number, span_of
    origins = {get_origin(kind) for kind in kinds}
    if Mapping in origins or dict in origins:
        return json.dumps, json.loads
    if tuple in origins or _is_sequence(origins):
        return list, tuple
    return _same, _same


def _is_sequence(origins: set[object]) -> bool:
    return any(getattr(origin, "__name__", "") == "Sequence" for origin in origins)


def _same(value: object) -> object:
    return value
