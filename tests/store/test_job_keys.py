"""The keys of jobs: made, revoked, and over with their job."""

from __future__ import annotations

import pytest

from jobsched.model.caller import Caller
from jobsched.model.errors import Conflict, NotFound
from jobsched.model.job_key import MOST, JobKey
from jobsched.model.key_orders import MakeKey, RevokeKey
from jobsched.model.order import DeleteJob, PutJob
from tests.store.samples import Desk, at, job

pytestmark = pytest.mark.usefixtures("told_time")
NARROW = Caller(name="narrow", tasks=("other",))


def make(desk: Desk, job_id: str, seconds: float = 1, digest: str = "d" * 64) -> JobKey:
    return desk.order(MakeKey(job_id=job_id, hash=digest, last="wxyz"), seconds)


def keys(desk: Desk, job_id: str) -> list[JobKey]:
    return desk.ask(desk.store.for_callers.job_keys.of_job(job_id))


def test_a_key_is_kept_as_its_hash_and_can_be_revoked(desk: Desk) -> None:
    one, other = job(id="one"), job(id="other")
    desk.add(one, other)
    made = desk.perform(MakeKey(job_id="one", hash="d" * 64, last="wxyz"), 1)
    key = made.answer
    assert key == JobKey(id=key.id, job_id="one", by="alice", at=at(1), last="wxyz", hash="d" * 64)
    assert made.entry is not None
    assert (made.entry.action, made.entry.target, made.entry.before) == ("key.create", "one", None)
    assert made.entry.after == {"key": key.id, "last": "wxyz"}
    second = make(desk, "one", 2)
    assert keys(desk, "one") == [key, second]
    assert keys(desk, "other") == keys(desk, "gone") == []
    with pytest.raises(NotFound):
        desk.order(RevokeKey(job_id="other", key_id=key.id), 3)
    ended = desk.perform(RevokeKey(job_id="one", key_id=key.id), 3).entry
    assert ended is not None
    assert (ended.action, ended.before, ended.after) == ("key.delete", {"key": key.id, "last": "wxyz"}, None)
    assert keys(desk, "one") == [second]


def test_a_job_of_another_task_has_no_keys_to_make_or_revoke(desk: Desk) -> None:
    desk.add(job(id="one"))
    key = make(desk, "one")
    for order in (MakeKey(job_id="one", hash="", last=""), RevokeKey(job_id="one", key_id=key.id)):
        with pytest.raises(NotFound, match=r"^there is no job one$"):
            desk.order(order, 2, caller=NARROW)
    with pytest.raises(NotFound):
        make(desk, "gone")


def test_a_job_has_no_more_than_some(desk: Desk) -> None:
    desk.add(job(id="one"))
    for _ in range(MOST):
        make(desk, "one")
    with pytest.raises(Conflict, match="revoke one"):
        make(desk, "one")


def test_a_key_ends_with_its_job_also_for_a_later_one(desk: Desk) -> None:
    one = job(id="one")
    desk.add(one)
    make(desk, "one")
    desk.order(DeleteJob(job_id="one"), 2)
    assert keys(desk, "one") == []
    again = job(id="one")
    desk.order(PutJob(job_id="one", versions=None, revise=lambda _job, _instant: again), 3)
    assert keys(desk, "one") == []
