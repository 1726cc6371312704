"""All that is wrong with a request, field by field, in the words of a person: msgspec stops at the first fault, and
names types."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from itertools import islice
from typing import Final, get_type_hints

import msgspec
from msgspec import inspect

from ..model.errors import Invalid, place
from ..model.printable import COMPARED, hint

MOST: Final = 20  # faults that are told of one request
LOOKED_AT: Final = 1000  # items of a list or an object that are looked at for faults: a body may have 500,000
# What a field may hold, where an example says it best.
SUCH_AS: Final = {
    "interval": 'an object such as {"minutes": 5}',
    "cron": 'text such as "30 2 * * *"',
    "timezone": 'the name of a zone, such as "Europe/Berlin"',
    "notify": 'an object such as {"on": ["failed", "missed"]}',
    "on": 'a list such as ["failed", "missed"]',
    "parameters": 'an object such as {"name": "value"}',
    "require": 'an object such as {"disk": "fast"}',
} | dict.fromkeys(("at", "start", "end", "from", "to"), 'an instant such as "2030-01-31T12:00:00+01:00"')


def faults(given: object, record: type[msgspec.Struct], strict: bool = True) -> list[Invalid]:
    """What is wrong with `given` as a `record`, at most `MOST` faults; `strict` as msgspec has it."""
    return list(islice(_of_record(given, record, "", strict), MOST))


def _of_record(given: object, record: type[msgspec.Struct], pointer: str, strict: bool) -> Iterator[Invalid]:
    if not isinstance(given, dict):
        yield Invalid("the body is an object" if not pointer else _words(pointer, inspect.type_info(record)), pointer)
        return
    fields = _fields(record)
    for name in given:
        if name not in fields:
            yield Invalid(f"{name[:COMPARED]} is not known here{hint(name, fields)}", pointer + place(name))
    for name, (kind, hinted, required) in fields.items():
        if name in given:
            yield from _of_field(given[name], kind, hinted, pointer + place(name), strict)
        elif required:
            yield Invalid(f"{name} is missing", pointer + place(name))


def _of_field(value: object, kind: inspect.Type, hinted: object, pointer: str, strict: bool) -> Iterator[Invalid]:
    try:
        msgspec.convert(value, hinted, strict=strict)
    except msgspec.ValidationError:
        within = list(islice(_within(value, kind, pointer, strict), MOST))
        yield from within or [Invalid(_words(pointer, kind, value), pointer)]


def _within(value: object, kind: inspect.Type, pointer: str, strict: bool) -> Iterator[Invalid]:
    """The faults of what a field holds; none: the field itself is at fault."""
    for each in _kinds(kind):
        if isinstance(each, inspect.StructType) and isinstance(value, dict):
            yield from _of_record(value, each.cls, pointer, strict)
        elif isinstance(each, inspect.ListType) and isinstance(value, list):
            for number, item in enumerate(islice(value, LOOKED_AT)):
                if not _may_be(item, each.item_type):
                    yield Invalid(_words(f"{pointer}/{number}", each.item_type, item), f"{pointer}/{number}")
        elif isinstance(each, inspect.DictType) and isinstance(value, dict):
            for name, item in islice(value.items(), LOOKED_AT):
                if not _may_be(item, each.value_type):
                    yield Invalid(_words(place(name), each.value_type, item), pointer + place(name))


def _may_be(value: object, kind: inspect.Type) -> bool:
    """Whether a plain value is of that kind, and within its limits."""
    return any(_fits(value, each) and _is_within(value, each) for each in _kinds(kind))


def _is_within(value: object, kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.StrType) and isinstance(value, str):
        long = len(value) >= (kind.min_length or 0) and (kind.max_length is None or len(value) <= kind.max_length)
        return long and (kind.pattern is None or re.search(kind.pattern, value) is not None)
    if isinstance(kind, (inspect.IntType, inspect.FloatType)) and isinstance(value, (int, float)):
        return (kind.ge is None or value >= kind.ge) and (kind.le is None or value <= kind.le)
    return True


def _fits(value: object, kind: inspect.Type) -> bool:
    """Whether a plain value is of that kind; of the kinds that a list or an object in a request holds."""
    for each in _kinds(kind):
        match each:
            case inspect.LiteralType(values=values) if value in values:
                return True
            case inspect.StrType() if isinstance(value, str):
                return True
            case inspect.BoolType() if isinstance(value, bool):
                return True
            case inspect.NoneType() if value is None:
                return True
            case inspect.IntType() if type(value) is int:
                return True
            case inspect.FloatType() if type(value) in {int, float}:
                return True
    return False


@lru_cache(maxsize=64)
def _fields(record: type[msgspec.Struct]) -> dict[str, tuple[inspect.Type, object, bool]]:
    """Each field's kind, its type with its limits, and whether it must be given."""
    found = inspect.type_info(record)
    assert isinstance(found, inspect.StructType)
    hints = get_type_hints(record, include_extras=True)
    return {field.encode_name: (field.type, hints[field.name], field.required) for field in found.fields}


def _kinds(kind: inspect.Type) -> list[inspect.Type]:
    """The kinds of which any will do, without what is known of them besides."""
    if isinstance(kind, inspect.Metadata):
        return _kinds(kind.type)
    if isinstance(kind, inspect.UnionType):
        return [each for one in kind.types for each in _kinds(one)]
    return [kind]


def _words(pointer: str, kind: inspect.Type, value: object = None) -> str:
    name = pointer.rpartition("/")[2].replace("~1", "/").replace("~0", "~")
    kinds = [each for each in _kinds(kind) if not isinstance(each, inspect.NoneType)] or [kind]
    limits = [each for each in kinds if isinstance(each, (inspect.StrType, inspect.IntType, inspect.FloatType))]
    if name in SUCH_AS and not any(_fits(value, each) for each in limits):  # else it is beyond a limit
        return f"{name} is {SUCH_AS[name]}"
    said = " or ".join(dict.fromkeys(_kind_in_words(each) for each in kinds))
    near = ""
    for each in kinds:
        if isinstance(each, inspect.LiteralType) and isinstance(value, str):
            near = hint(value, [word for word in each.values if isinstance(word, str)])
    return f"{name[:COMPARED]} is {said}{near}"


def _kind_in_words(kind: inspect.Type) -> str:
    match kind:
        case inspect.LiteralType(values=values):
            words = [f'"{value}"' for value in values]
            return words[0] if len(words) == 1 else f"one of {', '.join(words[:-1])} and {words[-1]}"
        case inspect.StrType():
            return "text" + _length(kind.min_length, kind.max_length)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return "a whole number" + _range(kind)
        case inspect.FloatType():
            return "a number" + _range(kind)
        case inspect.ListType():
            return "a list" + ("" if kind.max_length is None else f" of at most {kind.max_length}")
        case inspect.DictType() | inspect.StructType():
            return "an object"
    return "something else"


def _length(least: int | None, most: int | None) -> str:
    if most is None:
        return ""
    return f" of {least} to {most:,} characters" if least else f" of at most {most:,} characters"


def _range(kind: inspect.IntType | inspect.FloatType) -> str:
    least = "" if kind.ge is None else f" of at least {_number(kind.ge)}"
    least = f" above {_number(kind.gt)}" if kind.gt is not None else least
    if kind.le is None:
        return least
    return f"{least} and at most {_number(kind.le)}" if least else f" of at most {_number(kind.le)}"


def _number(number: float) -> str:
    return f"{int(number) if number == int(number) else number:,}"
