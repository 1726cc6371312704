"""How values are stored: each kind of column reads and writes one kind of value of the model.

Instants are stored as whole microseconds since 1970 UTC: exact, sortable and alike on every database.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar

from sqlalchemy import BigInteger, Dialect, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.types import TypeEngine

from ...model.ids import EPOCH, MICROSECOND

T = TypeVar("T")


class Kept(TypeDecorator[T]):
    """A value that the drivers take and give as `kept` and `found` make it, by one call for each value. TypeDecorator's
    own way takes two, and a job has 48 values."""

    __abstract__ = True

    @staticmethod
    def kept(value: Any) -> object:
        """What is stored of a value, which may be None."""
        return value

    found: Callable[[Any], Any] | None = None  # the value of what is stored; None: it is what is stored

    def bind_processor(self, dialect: Dialect) -> Callable[[object], object]:
        return self.kept

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[object], Any] | None:
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
        return None if value is None else json.loads(value)


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
        return {} if value is None else json.loads(value)
