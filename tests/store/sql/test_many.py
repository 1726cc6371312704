"""One statement for many rows, bound by hand: the same comes of it as of SQLAlchemy's own way."""

from __future__ import annotations

from datetime import timedelta
from operator import attrgetter

import attrs
import pytest
from sqlalchemy import bindparam, insert, select, update

from jobsched.model.run import Run
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.changes import changes
from jobsched.store.sql.column_types import Json
from jobsched.store.sql.many import AT_ONCE, IN_JSON, Many
from jobsched.store.sql.tables import runs
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import at, run
from tests.store.sql.desk import SqlDesk

NAMES = tuple(field.name for field in attrs.fields(Run))
EVERYTHING = {
    "reason": "a \0 and a half \ud83d, 100 % and 'quoted' :due",
    "until": at(120.000001),
    "parameters": {"deep": [1, None, {"é": "%s"}]},
    "require": {"b": "2", "a": "1"},
    "timeout": 0.1,
    "overlaps": True,
    "max_rss": 1 << 40,
    "term_at": at(121.000001),
    "forced": False,
    "waited_for": "a slot",
}


def stored(transaction: Transaction, ids: list[str]) -> list[dict[str, object]]:
    query = select(runs).where(runs.c.id.in_(ids)).order_by(runs.c.id)
    return [dict(row._mapping) for row in transaction.execute(query)]


def test_rows_come_back_as_those_of_sqlalchemys_insert(desk: SqlDesk) -> None:
    ours = [run(1, **EVERYTHING), run(2)]
    theirs = [attrs.evolve(each, id=run(3).id[:-2] + f"{n:02}", place="other") for n, each in enumerate(ours)]

    def both(transaction: Transaction) -> None:
        assert Many(insert(runs), NAMES).execute(transaction, map(attrgetter(*NAMES), ours)) == 2
        transaction.execute(insert(runs), [attrs.asdict(each, recurse=False) for each in theirs])

    desk.write(both)
    found = desk.read(stored, [each.id for each in ours])
    wanted = desk.read(stored, [each.id for each in theirs])
    kept = {"id": "", "place": ""}
    assert [row | kept for row in found] == [row | kept for row in wanted]
    assert found[0]["reason"] == "a \ufffd and a half ?, 100 % and 'quoted' :due"


def test_an_update_counts_rows_and_keeps_values_of_its_own(desk: SqlDesk) -> None:
    statement = (
        update(runs)
        .where(runs.c.id == bindparam("key"), runs.c.state == "running")
        .values(state="failed", ended=bindparam("when", type_=runs.c.ended.type))
    )
    some = [run(1), run(2, state="succeeded"), run(3)]
    desk.insert(*some)
    many = Many(statement, ("key", "when"))
    assert desk.write(lambda transaction: many.execute(transaction, ((each.id, at(9)) for each in some))) == 2
    assert desk.write(lambda transaction: many.execute(transaction, [(some[0].id, at(9))])) == 0
    assert desk.write(lambda transaction: many.execute(transaction, [])) == 0
    states = [(row["state"], row["ended"]) for row in desk.read(stored, [each.id for each in some])]
    assert states == [("failed", at(9)), ("succeeded", some[1].ended), ("failed", at(9))]


def test_spans_and_instants_come_back_to_the_microsecond(desk: SqlDesk) -> None:
    one = run(1, started=at(0) - timedelta(days=40000, microseconds=1), not_before=None)
    desk.write(run_rows.insert_all, [one])
    (row,) = desk.read(stored, [one.id])
    assert (row["started"], row["not_before"]) == (one.started, None)


@pytest.mark.parametrize("value", [10**300, "half \ud83d", float("inf"), 0.1, -0.0, 2**64, [None, {"deep": "\0"}]])
def test_json_comes_back_as_it_was(value: object) -> None:
    assert Json.found is not None
    assert repr(Json.found(Json.kept({"a": value}))) == repr({"a": value})


@pytest.mark.parametrize("count", [1, 2, IN_JSON + 1, AT_ONCE + IN_JSON + 1])
def test_all_rows_are_written_and_in_their_order(desk: SqlDesk, count: int) -> None:
    many = Many(insert(changes).values(at=at(0), kind="job"), ("what", "job_id"))
    rows = [("change", f"job-{number:05}") for number in range(count)]
    assert desk.write(lambda transaction: many.execute(transaction, rows)) == count
    query = select(changes.c.at, changes.c.kind, changes.c.what, changes.c.job_id).order_by(changes.c.id)
    found = desk.read(lambda transaction: [tuple(row) for row in transaction.execute(query)])
    assert found == [(at(0), "job", *row) for row in rows]
