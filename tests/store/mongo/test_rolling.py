"""A rolling upgrade on MongoDB: the schema of this version comes into force while a node of the one before claims.

No release knew MongoDB before this one, so an older node is a store as it is now, on the schema before the last step,
and the step is one that a later release could make.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
import pytest_twisted
from pymongo import MongoClient
from twisted.internet.defer import Deferred
from twisted.internet.threads import deferToThread

from jobsched.model.caller import ANYBODY
from jobsched.model.job import Job, Policy
from jobsched.model.order import ChangeJob, Issued
from jobsched.model.run import Run, RunFilter
from jobsched.store.mongo import jobs, schema
from jobsched.store.mongo.client import Place, connect, database
from jobsched.store.mongo.store import Store
from tests.store.samples import IDS, asks, claimant, job, node, signature
from tests.system.daemon import until

pytestmark = pytest.mark.mongodb

OLDER = node("older")
MOST = 600  # more than are claimed while the schema changes, on a busy machine too


def later(place: Place) -> None:
    """What a later release may do: a collection, and an index of what nodes write meanwhile."""
    before = place.runs.count_documents({})
    until(lambda: not before or place.runs.count_documents({}) > before)  # who claims goes on meanwhile
    if "ledger" not in place.list_collection_names():
        place.create_collection("ledger")
    place.runs.create_index([("task", 1), ("due", 1)], name="by_task")


@pytest.fixture
def place(url: str) -> Iterator[Place]:
    with connect(url) as client:
        yield database(client)


async def begin(store: Store) -> list[Job]:
    """The older node is there, and so are jobs that are due."""
    await store.nodes.join(OLDER, [], None)
    made = [job(policy=Policy(misfire_grace=None)) for _ in range(MOST)]
    await store.write(jobs.add, made)
    return made


async def claim_some(store: Store, made: list[Job], done: Callable[[], bool]) -> list[str]:
    """One after the other, and a few more once that is done; which were claimed."""
    claimed: list[str] = []
    more = 5
    for each in made:
        await store.claims.claim(claimant(0, slots=MOST, **asks(OLDER)), [each.id])
        claimed.append(each.id)
        more -= done()
        if not more:
            break
    return claimed


async def started(store: Store) -> list[Run]:
    return await store.runs.page(1000, None, RunFilter(states=("running",)))


@pytest_twisted.ensureDeferred
async def test_an_older_node_goes_on_while_the_schema_changes(
    open_store: Callable[[], Store], url: str, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = open_store()
    made, changed = await begin(store), list[bool]()
    claims = Deferred.fromCoroutine(claim_some(store, made, lambda: bool(changed)))
    while len(await started(store)) < 3:  # it is under way
        assert not claims.called, claims.result
    monkeypatch.setattr(schema, "STEPS", (*schema.STEPS, later))
    await deferToThread(schema.migrate, url)
    assert not claims.called, claims.result
    changed.append(True)
    claimed = await claims
    assert sorted(run.job_id for run in await started(store)) == sorted(claimed)
    assert place.settings.find_one({"_id": schema.VERSION}) == {"_id": schema.VERSION, "value": len(schema.STEPS)}
    assert "by_task" in place.runs.index_information()


@pytest_twisted.ensureDeferred
async def test_fields_of_a_later_release_outlive_an_older_node(open_store: Callable[[], Store], place: Place) -> None:
    store = open_store()
    first, *_ = await begin(store)
    for name in ("jobs", "nodes"):
        place[name].update_many({}, {"$set": {"colour": "red"}})
    renamed = ChangeJob(job_id=first.id, versions=None, revise=lambda found, _: attrs.evolve(found, name="renamed"))
    await store.orders.perform(renamed, Issued(signature=signature(0), caller=ANYBODY, node_id="", ids=IDS))
    assert [view.job.name for view in await store.jobs.some([first.id], first.created)] == ["renamed"]
    assert [each.name for each in await store.nodes.every()] == ["older"]
    for name in ("jobs", "nodes"):
        assert {each["colour"] for each in place[name].find()} == {"red"}


def test_what_was_cut_short_is_taken_up_by_the_next_start(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(place: Place) -> None:
        place.runs.create_index([("task", 1), ("due", 1)], name="by_task")
        raise KeyboardInterrupt

    schema.migrate(url)
    known = schema.STEPS
    monkeypatch.setattr(schema, "STEPS", (*known, breaks))
    with pytest.raises(KeyboardInterrupt):
        schema.migrate(url)
    monkeypatch.setattr(schema, "STEPS", (*known, later))
    schema.migrate(url)
    with MongoClient[dict[str, Any]](url) as client:
        place = client.get_default_database()
        assert place.settings.find_one({"_id": schema.VERSION}) == {"_id": schema.VERSION, "value": len(known) + 1}
        assert "ledger" in place.list_collection_names()
