"""Many rows, written by one statement and read by names. SQLAlchemy takes each row that is written through its compiler
anew, and its own rows take five times as long to be read: for rows as wide as those of runs and jobs, longer than the
database does."""

from __future__ import annotations

import re
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from itertools import chain
from typing import Any, TypeVarTuple, cast

import msgspec
from sqlalchemy import Boolean, Dialect, Float, Insert, Integer, Result, Row, String, TypeDecorator, Update
from sqlalchemy.sql.compiler import SQLCompiler

from .transaction import Transaction

_Process = Callable[[Any], Any] | None
AT_ONCE = 500  # rows in one statement that is put together here
IN_JSON = 100  # rows in one text of JSON
_VALUES = " VALUES "
_NAMED = re.compile(r"%\((\w+)\)s")
_JSON_HAS = (String, Integer, Boolean, Float)  # kinds of columns of which JSON has each value
_PLAIN = re.compile(r"\(%\(\w+\)s(, %\(\w+\)s)*\)|\(\)")  # a row of which the database computes nothing
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
        written = 0
        for words, given in text.calls(rows):
            done = transaction.connection.exec_driver_sql(words, given, execution_options=_COUNTED)
            written += int(done.rowcount)
        return written


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

        self._before, _, self._row = self.words.partition(_VALUES)
        self._computes = dialect.driver == "pymysql" and _PLAIN.fullmatch(self._row or "()") is None
        self._from_json = self._reading(compiled) if dialect.driver == "psycopg" and self._row else ""

    def calls(self, rows: Iterable[Sequence[object]]) -> Iterator[tuple[str, Any]]:
        """What the driver is to be called with. PyMySQL would send rows one by one of which a value is computed by the
        database. psycopg sends each row by itself, and takes three times as long for it as for its part of a text of
        JSON; of one row, PostgreSQL has more work with that text."""
        found = self._given(rows)
        if self._from_json and len(found) > 1:
            assert self._named is not None
            for begin in range(0, len(found), IN_JSON):
                share = [dict(zip(self._named, row, strict=True)) for row in found[begin : begin + IN_JSON]]
                yield self._from_json, {"rows": msgspec.json.encode(share).decode()}
            return
        if not self._computes:
            if found:
                yield (
                    self.words,
                    found if self._named is None else [dict(zip(self._named, row, strict=True)) for row in found],
                )
            return
        row = _NAMED.sub("%s", self._row)
        for some in (found[begin : begin + AT_ONCE] for begin in range(0, len(found), AT_ONCE)):
            yield self._before + _VALUES + ", ".join([row] * len(some)), tuple(chain.from_iterable(some))

    def _reading(self, compiled: SQLCompiler) -> str:
        """The INSERT that has PostgreSQL read the rows from JSON; nothing where JSON does not have each value."""
        quoted = compiled.preparer.quote
        table = compiled.statement.table  # type: ignore[union-attr]  # it has rows of values, so it is an INSERT
        for name, bind in compiled.binds.items():
            kind = bind.type.impl_instance if isinstance(bind.type, TypeDecorator) else bind.type
            if name not in table.columns or not isinstance(kind, _JSON_HAS):
                return ""
        row = _NAMED.sub(lambda found: "r." + quoted(found[1]), self._row)
        rows = f"json_populate_recordset(NULL::{compiled.preparer.format_table(table)}, %(rows)s::json) AS r"
        return f"{self._before} SELECT {row[1:-1]} FROM {rows}"  # noqa: S608  # nosec B608  # our own words

    def _given(self, rows: Iterable[Sequence[object]]) -> list[tuple[object, ...]]:
        """The rows as the driver takes them."""
        values = self._values
        return [
            tuple(
                [
                    fixed if place is None else row[place] if process is None else process(row[place])
                    for place, fixed, process in values
                ]
            )
            for row in rows
        ]


def named(found: Result[*Columns]) -> Iterator[Row[*Columns]]:
    """The rows of an answer."""
    make = _maker(tuple(found.keys()))
    return cast("Iterator[Row[*Columns]]", map(make, found))


@cache  # one for each question that is asked
def _maker(names: tuple[str, ...]) -> Callable[[Iterable[object]], tuple[object, ...]]:
    kind = cast("Any", namedtuple("_Row", names, rename=True))  # noqa: PYI024 - its fields are known when it is asked for
    make: Callable[[Iterable[object]], tuple[object, ...]] = kind._make
    return make
