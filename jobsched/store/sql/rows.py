"""Rows whose values are found by their names soon. SQLAlchemy's take five times as long, which for a row as wide as
that of a job is longer than all else that is done to read it."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Iterator
from functools import cache
from typing import Any, TypeVarTuple, cast

from sqlalchemy import Result, Row

Columns = TypeVarTuple("Columns")


def named(found: Result[*Columns]) -> Iterator[Row[*Columns]]:
    """The rows of an answer."""
    make = _kind(tuple(found.keys()))._make
    return cast("Iterator[Row[*Columns]]", map(make, found))


@cache  # one for each question that is asked
def _kind(names: tuple[str, ...]) -> Any:  # a class that no checker can know
    return namedtuple("_Row", names, rename=True)  # noqa: PYI024 - its fields are known when it is asked for
