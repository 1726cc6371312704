"""Many rows, written by one statement and read by names. SQLAlchemy takes each row that is written through its compiler
anew, and its own rows take five times as long to be read: for rows as wide as those of runs and jobs, longer than the
database does."""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any, TypeVarTuple, cast

from sqlalchemy import Dialect, Insert, Result, Row, Update
from sqlalchemy.sql.compiler import SQLCompiler

from .transaction import Transaction

_Process = Callable[[Any], Any] | None
_COUNTED = {"preserve_rowcount": True}
Columns = TypeVarTuple("Columns")


class Many:
    """An INSERT or UPDATE that is carried out for rows: the values of `names`, in that order."""

    def __init__(self, statement: Insert | Update, names: Iterable[str]) -> None:
        self._statement = statement
        self._names = tuple(names)
        self._by_dialect: dict[str, _Text] = {}

    def execute(self, transaction: Transaction, rows: Iterable[Sequence[object]]) -> int:
        """Carry it out; how many rows were written, as far as the driver says so. Without rows nothing is done."""
        dialect = transaction.dialect
        text = self._by_dialect.get(dialect.name)
        if text is None:
            text = self._by_dialect[dialect.name] = _Text(self._statement, self._names, dialect)
        given = text.given(rows)
        if not given:
            return 0
        done = transaction.connection.exec_driver_sql(text.words, given, execution_options=_COUNTED)
        return int(done.rowcount)


class _Text:
    """The statement as a driver takes it, and how that takes each of its values."""

    def __init__(self, statement: Insert | Update, names: tuple[str, ...], dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect, column_keys=list(names), for_executemany=True)
        assert isinstance(compiled, SQLCompiler)
        self.words = str(compiled)
        places = {name: place for place, name in enumerate(names)}
        order = compiled.positiontup if compiled.positional else list(compiled.binds)
        assert order is not None
        self._named = None if compiled.positional else order
        self._values: list[tuple[int | None, Any, _Process]] = []  # the place in a row, or a value that is always so
        for name in order:
            process = compiled.binds[name].type.dialect_impl(dialect).bind_processor(dialect)
            place, fixed = places.get(name), compiled.params.get(name)
            self._values.append((place, process(fixed) if place is None and process else fixed, process))

    def given(self, rows: Iterable[Sequence[object]]) -> Sequence[object]:
        """The rows as the driver takes them."""
        values, named = self._values, self._named
        found = [
            tuple(
                [
                    fixed if place is None else row[place] if process is None else process(row[place])
                    for place, fixed, process in values
                ]
            )
            for row in rows
        ]
        return found if named is None else [dict(zip(named, row, strict=True)) for row in found]


def named(found: Result[*Columns]) -> Iterator[Row[*Columns]]:
    """The rows of an answer."""
    make = _kind(tuple(found.keys()))._make
    return cast("Iterator[Row[*Columns]]", map(make, found))


@cache  # one for each question that is asked
def _kind(names: tuple[str, ...]) -> Any:  # a class that no checker can know
    return namedtuple("_Row", names, rename=True)  # noqa: PYI024 - its fields are known when it is asked for
