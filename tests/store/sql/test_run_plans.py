"""No page of runs looks through the record: what each database does for it is counted, among 100,000 runs."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from sqlalchemy import Connection, Engine, event, insert, text

from jobsched.model.ids import Ids
from jobsched.model.labels import About, Label
from jobsched.model.run import FAILING, RunFilter
from jobsched.store.opening import migrate
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import run_counts, run_pages
from jobsched.store.sql.engine import connect, reading, writing
from jobsched.store.sql.tables import runs
from jobsched.store.sql.transaction import Transaction
from tests.servers import Server
from tests.store.samples import at, job, run

pytestmark = pytest.mark.slow

COUNT, LIMIT = 100_000, 100
MOST = 12_000  # rows that may be looked at
OLD = range(500, 503)  # numbers of a few runs, made long ago, that are unlike the others
JOBS = [job(about=About(labels={"team": "rare" if n < 3 else "many"} if n < 150 else {})) for n in range(200)]

ASKED: dict[str, tuple[dict[str, Any], int]] = {  # and how many are found, at the least
    "nothing": ({}, LIMIT),
    "job": ({"job_id": JOBS[100].id}, LIMIT),
    "task": ({"task": "rare"}, 3),
    "frequent task": ({"task": "task"}, LIMIT),
    "node": ({"node": "rare"}, 3),
    "frequent node": ({"node": "node"}, LIMIT),
    "place": ({"node": "place"}, 3),
    "cause": ({"cause": "retry"}, 3),
    "frequent cause": ({"cause": "schedule"}, LIMIT),
    "state": ({"states": ("timed_out",)}, 3),
    "failing": ({"states": FAILING}, LIMIT),
    "failing of a task": ({"states": FAILING, "task": "rare"}, 0),
    "succeeded of a task": ({"states": ("succeeded",), "task": "rare"}, 3),
    "label": ({"labels": (Label("team", "rare"),)}, LIMIT),
    "frequent label": ({"labels": (Label("team", "many"),)}, LIMIT),
    "failing with a label": ({"states": FAILING, "labels": (Label("team", "rare"),)}, 0),
    "one task seen": ({"tasks": ("rare",)}, 3),
    "the last minutes": ({"begin": at(COUNT - 50)}, 50),
    "what is not there yet": ({"begin": at(COUNT + 5000)}, 0),
    "failing in the last hour": ({"begin": at(COUNT - 3600), "states": FAILING}, 10),
    "a night": ({"begin": at(50_000), "end": at(53_600)}, LIMIT),
    "a night that nothing ran in": ({"begin": at(-7200), "end": at(-3600)}, 0),
    "failing in a night": ({"begin": at(50_000), "end": at(53_600), "states": FAILING}, 20),
    "a task in a night": ({"begin": at(50_000), "end": at(53_600), "task": "rare"}, 0),
    "before an hour ago": ({"end": at(COUNT - 1800)}, LIMIT),
    "the first minute": ({"end": at(60)}, 60),
}


def made() -> Iterator[dict[str, Any]]:
    ids = Ids()
    for number in range(COUNT):
        state = "failed" if number % 100 == 7 else "skipped" if number % 1000 == 1 else "succeeded"
        fields: dict[str, Any] = {"state": state, "until": at(number + 60) if state == "skipped" else None}
        if number in OLD:
            fields |= {"task": "rare", "node": "rare", "cause": "retry"}
        if number - 10 in OLD:
            fields |= {"place": "place", "node": None, "state": "timed_out"}
        made_at = at(number)
        yield attrs.asdict(
            run(number, id=ids.make(made_at), created=made_at, job_id=JOBS[number % 200].id, **fields), recurse=False
        )


@pytest.fixture(scope="module")
def filled() -> Iterator[dict[str, Engine]]:
    engines: dict[str, Engine] = {}
    yield engines
    for engine in engines.values():
        engine.dispose()


@pytest.fixture
def record(
    filled: dict[str, Engine], kind: str, running: Callable[[str], Server], tmp_path_factory: pytest.TempPathFactory
) -> Engine:
    """The databases are filled once, for all tests."""
    if kind not in filled:
        folder = tmp_path_factory.mktemp("plans")
        url = f"sqlite:///{folder}/plans" if kind == "sqlite" else running(kind).create_database("plans")
        migrate(url)
        engine = filled[kind] = connect(url)
        rows = list(made())
        with writing(engine).begin() as connection:
            job_rows.add(Transaction(connection), JOBS)
        for begin in range(0, COUNT, 5000):
            with writing(engine).begin() as connection:
                connection.execute(insert(runs), rows[begin : begin + 5000])
        with writing(engine).connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            analyse = {"postgresql": "ANALYZE", "mysql": "ANALYZE TABLE runs, jobs, job_labels"}.get(kind)
            if analyse:
                connection.execute(text(analyse))
    return filled[kind]


def looked_at(connection: Connection, ask: Callable[[], object]) -> int:
    """About how many rows the database looked at."""
    return {"sqlite": _steps, "postgresql": _buffers, "mysql": _handled}[connection.dialect.name](connection, ask)


def _steps(connection: Connection, ask: Callable[[], object]) -> int:
    """SQLite counts the steps of its machine; one more row costs ten or more."""
    hundreds = 0

    def step() -> None:
        nonlocal hundreds
        hundreds += 1

    raw: Any = connection.connection.driver_connection
    raw.set_progress_handler(step, 100)
    ask()
    raw.set_progress_handler(None, 0)
    return hundreds * 10


def _buffers(connection: Connection, ask: Callable[[], object]) -> int:
    """PostgreSQL says of each statement which rows it read, and which of them it left out."""
    said: list[tuple[str, Any]] = []

    def keep(_c: object, _r: object, statement: str, given: Any, *_: object) -> None:
        said.append((statement, given))

    event.listen(connection, "before_cursor_execute", keep)
    ask()
    event.remove(connection, "before_cursor_execute", keep)
    plans = [
        json.loads(json.dumps(connection.exec_driver_sql(f"EXPLAIN (ANALYZE, FORMAT JSON) {each}", given).scalar()))
        for each, given in said
    ]
    return sum(_read(plan[0]["Plan"]) for plan in plans)


def _read(node: dict[str, Any]) -> int:
    assert node["Node Type"] != "Seq Scan" or node["Relation Name"] != "runs", node
    own = sum(int(node.get(name, 0)) for name in ("Actual Rows", "Rows Removed by Filter"))
    inner = sum(_read(each) for each in node.get("Plans", ()))
    return (own * int(node["Actual Loops"]) if "Scan" in node["Node Type"] else 0) + inner


def _handled(connection: Connection, ask: Callable[[], object]) -> int:
    """MariaDB counts what it asks its engine for."""

    def count() -> int:
        names = ("next", "prev", "key", "rnd_next", "first", "last")
        told = connection.execute(text("SHOW SESSION STATUS LIKE 'Handler_read%'"))
        found = {str(name): int(value) for name, value in told}
        return sum(found[f"Handler_read_{name}"] for name in names)

    before = count()
    ask()
    return count() - before


@pytest.mark.parametrize("fields", [{}, {"states": FAILING}, {"task": "rare"}, {"labels": (Label("team", "rare"),)}])
def test_what_is_counted_in_three_hours_is_what_is_looked_at(record: Engine, fields: dict[str, Any]) -> None:
    edges = [at(50_000 + number * 3600) for number in range(4)]
    with reading(record).connect() as connection:
        transaction = Transaction(connection)
        only = RunFilter(**fields)
        cost = looked_at(connection, lambda: run_counts.tally(transaction, only, edges))
    assert cost < 3 * MOST, cost


@pytest.mark.parametrize("what", ASKED)
def test_a_page_looks_at_little(record: Engine, what: str) -> None:
    fields, least = ASKED[what]
    with reading(record).connect() as connection:
        transaction = Transaction(connection)
        found: list[str] = []
        only = RunFilter(**fields)
        cost = looked_at(connection, lambda: found.extend(run_pages.ids(transaction, LIMIT, None, only)))
    assert len(found) >= least
    assert cost < MOST, re.sub(r"\s+", " ", f"{what}: {cost}")
