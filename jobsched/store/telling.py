"""What a transaction has to tell once it is committed, whichever the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..model.audit import Entry
from ..model.change import Change
from ..model.ids import Ids
from ..model.job import Job
from ..model.run import Run


class Telling:
    """`ended` collects the runs that get their outcome, `changes` what callers may follow. `notified` becomes true when
    a notification is written. `ids` makes those of audit entries: several of one instant keep their order."""

    __slots__ = ("changes", "ended", "ids", "notified")

    def __init__(self) -> None:
        self.ended: list[Run] = []
        self.changes: list[Change] = []
        self.notified = False
        self.ids = Ids()

    def will_notify(self) -> None:
        """A notification is written in this transaction."""
        self.notified = True

    def have_ended(self, runs: Iterable[Run]) -> None:
        """These runs get their outcome in this transaction. Active runs among them are left out."""
        self.have_changed(run for run in runs if not run.active)

    def have_changed(self, runs: Iterable[Run]) -> None:
        """These runs come to their states in this transaction; the states of some are outcomes."""
        for run in runs:
            self.changes.append(Change(kind="run", what=run.state, job_id=run.job_id, run_id=run.id, task=run.task))
            if not run.active:
                self.ended.append(run)

    def have_moved(self, node_id: str, state: str) -> None:
        """A node comes to that state in this transaction."""
        self.changes.append(Change(kind="node", what=state, node_id=node_id))

    def have_entered(self, entry: Entry) -> None:
        """What this entry of the audit log says was done to a job, or to the hold; those about runs are told by the
        runs."""
        noun, _, what = entry.action.partition(".")
        if noun == "job":
            self.changes.append(Change(kind="job", what=what, job_id=entry.target, task=entry.task))
        elif noun == "hold":
            self.changes.append(Change(kind="hold", what=what))

    def have_done(self, job: Job, what: str) -> None:
        """This became of a job, without an order."""
        self.changes.append(Change(kind="job", what=what, job_id=job.id, task=job.task))

    def mark(self) -> Callable[[], None]:
        """A function that forgets what is to be told from now on."""
        ended, changes, notified = len(self.ended), len(self.changes), self.notified

        def back() -> None:
            del self.ended[ended:]
            del self.changes[changes:]
            self.notified = notified

        return back
