"""Changes that collide in MongoDB, and commits of which nobody knows whether they were made."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import pytest_twisted
from twisted.internet.defer import gatherResults

from jobsched.model.delivery import Delivery
from jobsched.model.errors import Unavailable
from jobsched.store.mongo.documents import to_document
from jobsched.store.mongo.store import Store
from tests.store.samples import IDS, T0, node

pytestmark = pytest.mark.mongodb

Fail = Callable[[list[str], int], None]


def delivery() -> Delivery:
    return Delivery(
        id=IDS.make(T0), job_id="job", run_id=None, task="task", event="overdue", url=None, place="", body={},
        created=T0, not_before=T0,
    )  # fmt: skip


@pytest_twisted.ensureDeferred
async def test_of_nodes_that_start_at_once_one_says_the_lease(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(4)]
    joins = [each.nodes.join(node(f"n{number}"), [], ()) for number, each in enumerate(stores)]
    assert len({entry.lease for entry in await gatherResults(joins)}) == 1
    assert len(await stores[0].nodes.every()) == 4


@pytest_twisted.ensureDeferred
async def test_what_nodes_take_at_once_each_is_taken_by_one(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(4)]
    wanted = [delivery() for _ in range(12)]
    await stores[0].write(lambda change: change.insert("deliveries", map(to_document, wanted)))
    taken = await gatherResults([each.deliveries.take(T0, 4, 99, {}, None) for each in stores])
    assert sorted(each.id for some in taken for each in some) == sorted(each.id for each in wanted)
    assert {each.attempts for some in taken for each in some} == {1}


@pytest_twisted.ensureDeferred
async def test_numbers_that_nodes_give_at_once_have_no_gaps(open_store: Callable[[], Store]) -> None:
    stores = [open_store() for _ in range(3)]
    for number in range(9):
        await stores[0].nodes.join(node(f"n{number}"), [], None)
    assert sum(await gatherResults([each.changes.number(3) for each in stores])) == 9
    told, some_left = await stores[0].changes.after(0, 99)
    assert [each.number for each in told] == list(range(1, 10))
    assert [each.node_id for each in told] == [f"id of n{number}" for number in range(9)]
    assert not some_left


@pytest_twisted.ensureDeferred
async def test_a_commit_that_was_cut_is_asked_for_again(open_store: Callable[[], Store], fail: Fail) -> None:
    store = open_store()
    fail(["commitTransaction"], 5)
    await store.nodes.join(node("a"), [], ())
    assert [each.name for each in await store.nodes.every()] == ["a"]
    await store.changes.number(9)
    assert [each.what for each in (await store.changes.after(0, 9))[0]] == ["alive"], "it was made once"


@pytest_twisted.ensureDeferred
async def test_a_commit_nobody_knows_of_is_said_to_be_so(open_store: Callable[[], Store], fail: Fail) -> None:
    store = open_store()
    fail(["commitTransaction"], 1000)
    with pytest.raises(Unavailable, match=r"\(it is not known whether the change was made\)"):
        await store.nodes.join(node("a"), [], ())
    store._long = 0  # once is enough
    with pytest.raises(Unavailable) as read:
        await store.nodes.every()
    assert "change" not in str(read.value)


@pytest_twisted.ensureDeferred
async def test_what_was_cut_before_its_commit_is_made_again(open_store: Callable[[], Store], fail: Fail) -> None:
    store = open_store()
    fail(["insert"], 3)
    await store.nodes.join(node("a"), [], ())
    assert [each.name for each in await store.nodes.every()] == ["a"]
