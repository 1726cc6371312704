"""From the last release's schema to this one's: nothing is lost, and an upgrade may be cut short anywhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, MetaData, event, inspect
from sqlalchemy.exc import IntegrityError

from jobsched.store.sql import schema
from jobsched.store.sql.engine import connect
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.tables import metadata
from tests.store.samples import run
from tests.store.sql.desk import SqlDesk
from tests.store.sql.older import BEGIN, Older, job_row, key_row, make_older, run_row

CHANGES = {"CREATE", "ALTER", "DROP", "INSERT", "UPDATE"}
ONCE, ONCE_A_PLACE = ["job_id", "due", "attempt"], ["job_id", "due", "attempt", "place"]
RUNS = [
    run_row("waits", not_before=BEGIN + 1),
    run_row(
        "second", attempt=2, cause="retry", state="running", node="n", node_id="i", pid=2**31 - 1, pid_started=0.25
    ),
    run_row("stretch", due=BEGIN + 1, until=2**62, count=1000, state="missed", reason="täglich \N{SNOWMAN}\n" * 9000),
    run_row("ended", due=-BEGIN, state="failed", exit_code=-1, signal="KILL", timeout=1e-3, output_bytes=2**40),
    run_row("beside", job_id="other", overlaps=True, parameters='{"a": "\\u2603"}', output_truncated=True, ended=0),
]
JOBS = [job_row("job", at=1, every=None, max_runs=3), job_row("other", name="x" * 255, paused=True, next_due=None)]
KEYS = [key_row("KEY"), key_row("key"), key_row("key ")]


def fill(url: str) -> Older:
    """A daemon of the last release, with rows of every kind in its database."""
    make_older(url)
    older = Older.at(url)
    older.insert(older.jobs, *JOBS)
    older.insert(older.runs, *RUNS)
    older.insert(older.keys, *KEYS)
    return older


@pytest.fixture
def older(empty_url: str) -> Iterator[Older]:
    older = fill(empty_url)
    yield older
    older.close()


def rows(older: Older) -> list[list[dict[str, Any]]]:
    return [older.rows(table) for table in (older.jobs, older.runs, older.keys)]


def shape(engine: Engine) -> dict[str, set[str]]:
    """Columns, indexes and constraints of each table, in words."""
    look = inspect(engine)
    return {
        name: {
            str(look.get_pk_constraint(name)["constrained_columns"]),
            *(str((each["name"], repr(each["type"]), each["nullable"])) for each in look.get_columns(name)),
            *(str((each["name"], each["column_names"])) for each in look.get_indexes(name)),
            *(str((each["name"], each["column_names"])) for each in look.get_unique_constraints(name)),
        }
        for name in look.get_table_names()
    }


def test_an_upgrade_keeps_every_row_index_and_constraint(older: Older, empty_url: str) -> None:
    before, was = rows(older), shape(older.engine)
    assert before[0] == JOBS
    assert [len(each) for each in before] == [len(JOBS), len(RUNS), len(KEYS)]
    migrate(empty_url)
    assert rows(older) == before
    now = shape(older.engine)
    assert set(now) == {*metadata.tables, "jobsched_version"}
    for name, column in (("jobs", "id"), ("keys", "target"), ("runs", "job_id")):  # since 0005; SQLite heeds no length
        narrow = {one for one in was[name] if one.startswith(f"('{column}', ") and "length=36" in one}
        assert len(narrow) == 1
        if empty_url.startswith("sqlite"):
            assert narrow <= now[name]
        else:
            was[name] = {one.replace("length=36", "length=63") if one in narrow else one for one in was[name]}
    assert was["jobs"] < now["jobs"]
    assert was["keys"] == now["keys"]
    assert was["runs"] - now["runs"] == {str(("runs_once", ONCE)), str(("runs_active", ["state", "job_id"]))}
    assert str(("runs_of_state", ["state", "job_id", "ended"])) in now["runs"]
    assert str(("runs_once_a_place", ONCE_A_PLACE)) in now["runs"]


def test_after_an_upgrade_a_due_starts_once_in_each_place(older: Older, empty_url: str) -> None:
    migrate(empty_url)
    with pytest.raises(IntegrityError):
        older.insert(older.runs, run_row("again"))
    desk = SqlDesk.at(empty_url)
    for place in ("", "a", "A", "a "):
        desk.insert(run(0, job_id="new", place=place))
        with pytest.raises(IntegrityError):
            desk.insert(run(0, job_id="new", place=place))
    desk.close()


class Cut(Exception):
    """The daemon is killed in the middle of an upgrade."""


def cut_before(this: Callable[[str], bool], monkeypatch: pytest.MonkeyPatch) -> None:
    """Let upgrades end before a certain change of the database."""

    def connect_and_look(url: str, **how: Any) -> Engine:
        engine = connect(url, **how)

        @event.listens_for(engine, "before_cursor_execute")
        def look(_connection: Connection, _cursor: object, statement: str, *_: object) -> None:
            if statement.split(maxsplit=1)[0] in CHANGES and this(statement):
                raise Cut(statement)

        return engine

    monkeypatch.setattr(schema, "connect", connect_and_look)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"], indirect=True)
def test_an_upgrade_cut_short_was_none(older: Older, empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before, was = rows(older), shape(older.engine)
    cut_before(lambda statement: "jobsched_version" in statement, monkeypatch)  # the last change of all
    with pytest.raises(Cut):
        migrate(empty_url)
    assert (rows(older), shape(older.engine)) == (before, was)
    monkeypatch.undo()
    migrate(empty_url)
    assert rows(older) == before


@pytest.mark.parametrize("kind", ["mysql"], indirect=True)
def test_an_upgrade_cut_short_anywhere_can_be_taken_again(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    shapes: list[Any] = []
    complete = False
    while not complete:
        older, steps = fill(empty_url), count()
        before = rows(older)

        def is_next(_: str, steps: Iterator[int] = steps) -> bool:
            return next(steps) == len(shapes)

        cut_before(is_next, monkeypatch)
        try:
            migrate(empty_url)
        except Cut:
            monkeypatch.undo()
        else:
            complete = True
        assert rows(older) == before
        with pytest.raises(IntegrityError):  # there is no moment without the promise
            older.insert(older.runs, run_row("again"))
        older.insert(older.runs, run_row("new", job_id="new"))  # nor one in which the last release cannot go on
        migrate(empty_url)
        assert len(older.rows(older.runs)) == 1 + len(RUNS)
        shapes.append(shape(older.engine))
        older.close()
        drop_everything(empty_url)
    assert len(shapes) > 5, "so many changes it takes at least"
    assert all(each == shapes[-1] for each in shapes)


def drop_everything(url: str) -> None:
    engine = connect(url)
    found = MetaData()
    found.reflect(engine)
    found.drop_all(engine)
    engine.dispose()
