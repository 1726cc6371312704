"""What a caller may see, asked of the store: the jobs and runs of some tasks only."""

from __future__ import annotations

import re

from sqlalchemy import ColumnElement, false, or_

from .transaction import Transaction


def of_tasks(transaction: Transaction, column: ColumnElement[str], patterns: tuple[str, ...]) -> ColumnElement[bool]:
    """Whether the task in `column` matches one of the patterns, by the rule of `model/caller.is_among`."""
    return or_(false(), *(_like(transaction, column, pattern) for pattern in patterns))


def exact(patterns: tuple[str, ...] | None) -> list[str] | None:
    """The tasks of the patterns, if each names one task; None: some may stand for more."""
    if patterns is None or any(re.search("[*?]", pattern) for pattern in patterns):
        return None
    return list(dict.fromkeys(patterns)) or None


def _like(transaction: Transaction, column: ColumnElement[str], pattern: str) -> ColumnElement[bool]:
    if not re.search("[*?]", pattern):
        return column == pattern
    if transaction.dialect.name == "sqlite":
        return column.op("GLOB", is_comparison=True)(pattern)  # its LIKE takes a for A
    escaped = re.sub("([|%_])", r"|\1", pattern)
    return column.like(escaped.replace("*", "%").replace("?", "_"), escape="|")
