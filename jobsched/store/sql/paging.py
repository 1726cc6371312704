"""What the rows of a page weigh: see `store.paging`."""

from __future__ import annotations

from functools import reduce
from operator import add

from sqlalchemy import ColumnElement, func


def weight(*columns: ColumnElement[object]) -> ColumnElement[int]:
    """The length of the texts of a row together. The database computes it without sending the texts."""
    return reduce(add, (func.coalesce(func.length(column), 0) for column in columns))
