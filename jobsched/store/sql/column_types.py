"""The types of columns: what a value of Python is in each database, and back."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, Dialect, String, Text, TypeDecorator
from sqlalchemy.dialects.mysql import MEDIUMTEXT
from sqlalchemy.types import TypeEngine

from ...model.ids import EPOCH, MICROSECOND


class Instant(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970 UTC."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else EPOCH + timedelta(microseconds=value)


class Span(TypeDecorator[timedelta]):
    """A duration, kept as microseconds."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: timedelta | None, dialect: Dialect) -> int | None:
        return None if value is None else value // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> timedelta | None:
        return None if value is None else timedelta(microseconds=value)


class Words(TypeDecorator[str]):
    """Text of any length, or up to a number of characters, compared byte by byte on every database.

    Not every database accepts NUL and halves of surrogate pairs. They are stored as U+FFFD and "?": the last words of a
    task may contain anything, and they must not keep its outcome from being recorded.
    """

    impl = String
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        limited = isinstance(self.impl_instance, String) and self.impl_instance.length
        return self.impl_instance if limited else _long(dialect)

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None or (value.isascii() and "\0" not in value):
            return value
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}").encode("utf-8", "replace").decode()


def _long(dialect: Dialect) -> TypeEngine[str]:
    return MEDIUMTEXT() if dialect.name == "mysql" else Text()  # MySQL's TEXT ends at 64 KiB


class Json(TypeDecorator[object]):
    """A small JSON value, kept as text."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _long(dialect)

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        return None if value is None else json.dumps(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        return None if value is None else json.loads(value)


class Tags(TypeDecorator[dict[str, str]]):
    """A node's tags, or the tags that a job requires: equal tags give equal text, and no tags give NULL."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return _long(dialect)

    def process_bind_param(self, value: dict[str, str] | None, dialect: Dialect) -> str | None:
        return json.dumps(dict(value), sort_keys=True) if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, str]:
        return {} if value is None else json.loads(value)
