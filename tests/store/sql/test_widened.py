"""Ids become wider, with rows there, while daemons of the schema before work: none of their questions fails."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

import attrs
import pytest
import pytest_twisted
from sqlalchemy import Engine, insert, inspect, text
from sqlalchemy.schema import CreateColumn
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread

from jobsched.model.caller import ANYBODY
from jobsched.model.job import JobFilter, Policy
from jobsched.model.order import ChangeJob, CreateJob, Issued, RunJob
from jobsched.reactor_types import Reactor
from jobsched.store.contract.store import Store
from jobsched.store.opening import migrate, open_store
from jobsched.store.sql import changes
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.tables import hold, metadata
from tests.store.samples import IDS, at, job, signature
from tests.store.sql.older import BEGIN, OlderNode, make_older

WIDENED = {
    "jobs": ["id"], "runs": ["job_id"], "deliveries": ["job_id"], "keys": ["target"], "audit": ["target", "job_id"],
}  # fmt: skip
ENOUGH = 12  # psycopg prepares a statement when it comes for the sixth time


@asynccontextmanager
async def running(url: str) -> AsyncIterator[Store]:
    store = open_store(cast(Reactor, reactor), url)
    store.startService()
    try:
        yield store
    finally:
        await store.stopService()


async def until(condition: Callable[[], bool]) -> None:
    for _ in range(3000):
        if condition():
            return
        await deferLater(reactor, 0.02)
    raise AssertionError("it does not come")


def _add_what_is_new(engine: Engine) -> None:
    """The tables and columns that the schema before has not; its own columns stay as narrow as they are."""
    metadata.create_all(engine)
    look = inspect(engine)
    with writing(engine).begin() as connection:
        connection.execute(insert(hold).values(id=1))  # which is locked by everybody
        for table in metadata.sorted_tables:
            there = {column["name"] for column in look.get_columns(table.name)}
            for column in (each for each in table.columns if each.name not in there):
                named = engine.dialect.identifier_preparer.format_table(table)
                connection.execute(text(f"ALTER TABLE {named} ADD {CreateColumn(column).compile(engine)}"))


async def order(store: Store, what, seconds: float) -> None:
    issued = Issued(signature=signature(seconds), caller=ANYBODY, node_id="", ids=IDS)
    await store.orders.perform(what, issued)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)
@pytest_twisted.ensureDeferred
async def test_no_question_of_a_daemon_of_the_schema_before_fails(
    empty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Today's daemon stands for one of 0004: it writes no changes, and it has all that it asks for."""
    make_older(empty_url, "0004")
    monkeypatch.setattr(changes, "write", lambda _: None)
    engine = connect(empty_url)
    _add_what_is_new(engine)
    engine.dispose()
    rounds: Counter[int] = Counter()
    goes_on = True

    async def work(number: int) -> None:
        one = job(made=number, policy=Policy(overlap="allow"))
        await order(store, CreateJob(job=one), number)
        while goes_on:
            await store.jobs.page(9, "", JobFilter(), 1 << 20, at(0))
            await order(store, RunJob(job_id=one.id), number)
            renamed = ChangeJob(
                job_id=one.id, versions=None, revise=lambda found, _: attrs.evolve(found, name=f"{rounds[number]}")
            )
            await order(store, renamed, number)
            rounds[number] += 1

    neighbour = OlderNode.at(empty_url)
    neighbour.join("it", BEGIN)  # the one whose questions these are
    neighbour.close()
    async with running(empty_url) as store:
        works = [Deferred.fromCoroutine(work(number)) for number in range(4)]
        await until(lambda: any(each.called for each in works) or all(rounds[each] > ENOUGH for each in range(4)))
        await deferToThread(migrate, empty_url)
        before = rounds.copy()
        await until(
            lambda: any(each.called for each in works) or all(rounds[each] > before[each] + ENOUGH for each in range(4))
        )
        goes_on = False
        await gatherResults(works, consumeErrors=True)

    engine = connect(empty_url)
    look = inspect(engine)
    for table, names in WIDENED.items():
        columns = {column["name"]: column for column in look.get_columns(table)}
        assert {getattr(columns[name]["type"], "length", None) for name in names} == {63}
        assert {columns[name]["nullable"] for name in names} == {table == "audit"}
    engine.dispose()
