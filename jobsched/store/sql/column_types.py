"""How values are stored: each kind of column reads and writes one kind of value of the model; and what they weigh.

Instants are stored as whole microseconds since 1970 UTC: exact, sortable and alike on every database.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from functools import reduce
from operator import add
from typing import Any, TypeVar

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Dialect, String, Text, TypeDecorator, func
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.types import TypeEngine

from ...model.ids import EPOCH, MICROSECOND

T = TypeVar("T")


class Kept(TypeDecorator[T]):
    """A value that the drivers take and give as `kept` and `found` make it, by one call for each value. TypeDecorator's
    own way takes two, and a job has 48 values."""

    __abstract__ = True

    @staticmethod
    def kept(value: T | None) -> object:
        """What is stored of a value, which may be None."""
        return value

    found: Callable[[Any], Any] | None = None  # the value of what is stored; None: it is what is stored

    def bind_processor(self, dialect: Dialect) -> Callable[[T | None], object]:
        return self.kept

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[object], T | None] | None:
        return self.found


class Instant(Kept[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    @staticmethod
    def kept(value: datetime | None) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    @staticmethod
    def found(value: int | None) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Span(Kept[timedelta]):
    """A duration, kept as microseconds."""

    impl = BigInteger
    cache_ok = True

    @staticmethod
    def kept(value: timedelta | None) -> int | None:
        return None if value is None else value // MICROSECOND

    @staticmethod
    def found(value: int | None) -> timedelta | None:
        return None if value is None else timedelta(microseconds=value)


class Words(Kept[str]):
    """Text of any length, or up to a number of characters, compared byte by byte on every database.

    Not every database accepts NUL and halves of surrogate pairs. They are stored as U+FFFD and "?": the last words of a
    task may contain anything, and they must not keep its outcome from being recorded.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        limited = isinstance(self.impl_instance, String) and self.impl_instance.length
        return self.impl_instance if limited else _long(dialect)

    @staticmethod
    def kept(value: str | None) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _long(dialect: Dialect) -> TypeEngine[str]:
    return MEDIUMTEXT() if dialect.name == "mysql" else Text()  # MySQL's TEXT ends at 64 KiB


class Json(Kept[object]):
    """A small JSON value, kept as text."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _long(dialect)

    @staticmethod
    def kept(value: object) -> str | None:
        return None if value is None else json.dumps(value)

    @staticmethod
    def found(value: str | None) -> object:
        return None if value is None else _loaded(value)


class Tags(Kept[dict[str, str]]):
    """A node's tags, or the tags that a job requires: equal tags give equal text, and no tags give NULL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _long(dialect)

    @staticmethod
    def kept(value: dict[str, str] | None) -> str | None:
        return json.dumps(dict(value), sort_keys=True) if value else None

    @staticmethod
    def found(value: str | None) -> dict[str, str]:
        return {} if value is None else _loaded(value)


def _loaded(text: str) -> Any:
    """What was stored; `json` takes five times as long, and reads what it writes itself, such as halves of surrogate
    pairs."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return json.loads(text)


def weight(*columns: ColumnElement[object]) -> ColumnElement[int]:
    """The length of the texts of a row together, as `model.page.cut` goes by. The database computes it without
    sending the texts."""
    return reduce(add, (func.coalesce(func.length(column), 0) for column in columns))
