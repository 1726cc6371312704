"""The outcomes of runs in MongoDB: the decisions are in `store.outcomes`. Every function runs inside a transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime

from ...model.ids import Ids
from ...model.job import Job
from ...model.run import ACTIVE, RETRIED, STARTED, Run, State, Tail
from .. import news, outcomes
from . import runs
from .documents import from_document, instant_to_number, to_document, values
from .outbox import Records as Outbox
from .transaction import Transaction


def record(
    transaction: Transaction, executed: Sequence[Run], ids: Ids, chance: Callable[[], float],
    read: Callable[[str], Tail | None],
) -> bool:  # fmt: skip
    """As `Runs.record`."""
    ends = [tail for run in executed if not run.active and (tail := read(run.id)) is not None]
    again = outcomes.record(Records(transaction), executed, ids, chance)
    runs.save_tails(transaction, ends)
    return again


def give_up(transaction: Transaction, run: Run, *, notify: bool = True) -> bool:
    """As `Runs.give_up`."""
    records = Records(transaction)
    (run,) = outcomes.in_their_time(records, [run])
    asking = records.concerned([run]) if notify else {}
    if not _write(transaction, run, ACTIVE):
        return False
    transaction.have_ended([run])
    if notify and run.state in RETRIED:
        records.tell_failed([run], asking, set())
    return True


def insert(transaction: Transaction, new: Sequence[Run]) -> None:
    """Store new runs; of two that are the same, the database refuses one."""
    if new:
        transaction.insert("runs", map(to_document, new))
        transaction.have_changed(new)
        tell_missed(transaction, new)


def tell_missed(transaction: Transaction, ended: Sequence[Run]) -> None:
    """Notify those of these runs that are missed."""
    if missed := [run for run in ended if run.state == "missed"]:
        news.tell_missed(Outbox(transaction), missed)


def end_waiting(
    transaction: Transaction, active: Sequence[Run], state: State, reason: str, now: datetime
) -> tuple[list[Run], list[Run]]:
    """Give this outcome to the runs that only waited. Returns these runs, and the others."""
    ended = [run.become(state, reason=reason, ended=now) for run in active if run.state == "waiting"]
    said = {"state": state, "reason": reason, "ended": instant_to_number(now)}
    if ended:
        transaction.update("runs", {"_id": {"$in": [run.id for run in ended]}}, said)
        transaction.have_ended(ended)
    return ended, [run for run in active if run.state != "waiting"]


class Records(outcomes.Records):
    """Asks and writes in one transaction."""

    def __init__(self, transaction: Transaction) -> None:
        self._in = transaction
        self._outbox = Outbox(transaction)

    def now_where_shared(self, fallback: datetime) -> datetime | None:
        return self._in.now(fallback)

    def concerned(self, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
        return self._outbox.concerned(ended, retried=retried)

    def take_back(self, succeeded: Sequence[Run]) -> None:
        for run in sorted(succeeded, key=lambda run: run.job_id):
            its = {"_id": run.id, "node_id": run.node_id, "$or": [{"state": {"$in": list(STARTED)}}, runs.GOES_ON]}
            found = self._in.first("runs", its)
            if found is not None and found["isolated"] is not None and run.started is not None:
                marked = {"_id": run.job_id, "failing": found["isolated"]}
                self._in.update("jobs", marked, {"failing": instant_to_number(run.started)})

    def write_all(self, noted: Sequence[Run]) -> Sequence[Run]:
        return [run for run in noted if self.write_one(run) or self._says_the_same(run)]

    def write_one(self, noted: Run) -> bool:
        return _write(self._in, noted, STARTED)

    def insert(self, new: Sequence[Run]) -> None:
        insert(self._in, new)

    def have_ended(self, runs: Sequence[Run]) -> None:
        self._in.have_ended(runs)

    def tell_succeeded(self, ended: Sequence[Run]) -> None:
        news.tell_succeeded(self._outbox, ended)

    def tell_failed(self, failed: Sequence[Run], asking: Mapping[str, Job], again: set[str]) -> None:
        news.tell_failed(self._outbox, failed, asking, again)

    def _says_the_same(self, run: Run) -> bool:
        found = self._in.first("runs", {"_id": run.id})
        stored = None if found is None else from_document(Run, found)
        return stored is not None and (stored.state, stored.ended) == (run.state, run.ended)


def _write(transaction: Transaction, noted: Run, states: Sequence[State]) -> bool:
    said = values(noted)
    its = {"_id": noted.id, "node_id": noted.node_id, "state": {"$in": list(states)}}
    notes = {name: said[name] for name in outcomes.NOTES if name != "isolated" or noted.isolated is not None}
    if transaction.update("runs", its, notes) == 1:
        return True
    return transaction.update("runs", {**its, **runs.GOES_ON}, notes) == 1
