"""Claims in SQL: in one transaction, and with no more questions than they need."""

from __future__ import annotations

from typing import Any

import pytest

from jobsched.model.job import Job, Policy
from jobsched.store import claiming
from jobsched.store.placement import lacking
from jobsched.store.sql import nodes as node_rows
from jobsched.store.sql.transaction import Transaction
from tests.store.samples import asks, at, job, node
from tests.store.sql.desk import SqlDesk

A, B = node("a"), node("b")


def everywhere(**policy: Any) -> Job:
    return job(policy=Policy(placement="every", **policy))


@pytest.mark.usefixtures("told_time")
def test_a_claim_that_breaks_leaves_nothing(desk: SqlDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    one = job()
    desk.add(one)
    with monkeypatch.context() as patch:
        patch.setattr(claiming, "_dues", lambda *_: 1 / 0)  # the last thing it does
        with pytest.raises(ZeroDivisionError):
            desk.claim(60, one)
    assert desk.runs() == []
    assert desk.job(one.id) == one
    assert len(desk.claim(60, one).started) == 1


@pytest.mark.usefixtures("told_time")
def test_the_nodes_are_read_once_however_many_jobs_are_due(desk: SqlDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [everywhere(require={"gpu": "yes"} if number % 2 else {}) for number in range(20)]
    desk.add(*jobs)
    desk.know(node("a", seen=at(59), tags={"gpu": "yes"}), node("b", state="dead"))
    reads: list[object] = []
    read = node_rows.every

    def counted(transaction: Transaction, most: int = 1000) -> Any:
        reads.append(transaction)
        return read(transaction, most)

    monkeypatch.setattr(node_rows, "every", counted)
    assert len(desk.claim(60, *jobs, **asks(node("a", tags={"gpu": "yes"}), slots=20)).started) == 20
    assert len(reads) == 1
    other = job()
    desk.add(other)
    assert len(desk.claim(61, other, **asks(A, B)).started) == 1
    assert len(reads) == 1, "a due that runs on any node needs no such question"


def test_what_is_lacking_is_said_in_words() -> None:
    assert lacking("task", {}) == "no living node has task task"
    assert lacking("x", {"gpu": "yes", "room": "1"}) == "no living node has task x and gpu=yes, room=1"
