"""Sets of jobs in MongoDB: what one transaction takes, and a set that waits for another."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
import pytest_twisted
from pymongo import MongoClient
from twisted.internet import reactor
from twisted.internet.task import deferLater

from jobsched.model.caller import ANYBODY
from jobsched.model.errors import Invalid
from jobsched.model.job_set import SetDone
from jobsched.model.order import Issued, Performed, PutJobs
from jobsched.reactor_types import Reactor
from jobsched.store.mongo import job_sets
from jobsched.store.mongo import store as stores
from jobsched.store.mongo.store import Store
from tests.store.samples import IDS, signature
from tests.store.test_job_sets import DATA, wanted

pytestmark = pytest.mark.mongodb

SET = PutJobs(wanted=[wanted("a"), wanted("b")], scope=DATA)
ISSUED = Issued(signature=signature(0), caller=ANYBODY, node_id="", ids=IDS)


@pytest_twisted.ensureDeferred
async def test_more_than_one_transaction_takes_is_refused(
    open_store: Callable[[], Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_sets.Records, "most", 1)
    store = open_store()
    with pytest.raises(Invalid, match="at most 1 jobs at once, and here these are 2"):
        await store.orders.perform(SET, ISSUED)
    assert await store.for_callers.job_sets.versions([], None) == {}


@pytest_twisted.ensureDeferred
async def test_a_set_waits_for_another_that_takes_longer(
    open_store: Callable[[], Store], url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stores, "TRIES", 2)
    store = open_store()
    await store.orders.perform(PutJobs(wanted=[wanted("first")]), ISSUED)
    with MongoClient[dict[str, object]](url) as client, client.start_session() as session:
        session.start_transaction()
        turn = client.get_default_database()["settings"]
        assert turn.update_one({"_id": "job_set"}, {"$inc": {"held": 1}}, session=session).matched_count == 1
        answers: list[Performed[SetDone]] = []
        asked = store.orders.perform(SET, ISSUED).addCallback(answers.append)
        await deferLater(cast(Reactor, reactor), 0.3)
        assert answers == []
        session.abort_transaction()
        await asked
    assert answers[0].answer.counts["create"] == 2
