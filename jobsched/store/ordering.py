"""What the orders of callers ask of a transaction, and write in it, whichever the database."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol

from ..model.audit import Entry
from ..model.errors import Reused
from ..model.hold import Hold
from ..model.job import Job, JobView
from ..model.node import Node
from ..model.order import IdempotencyKey
from ..model.run import Run, State
from . import holding, job_ids, job_keys, settling, start_counts
from .placement import LivingNodes


class Known:
    """What was made under some Idempotency-Keys, by (scope, key): (digest, target)."""

    def __init__(self, found: Mapping[tuple[str, str], tuple[str, str]]) -> None:
        self._found = dict(found)

    def made_under(self, key: IdempotencyKey) -> str | None:
        """The id of what was made under this key; None: nothing yet. Raises Reused if another request was sent with
        it."""
        digest, target = self._found.get((key.scope, key.key), (key.digest, None))
        if digest != key.digest:
            raise Reused("this Idempotency-Key was sent before with another request")
        return target

    def remember(self, key: IdempotencyKey | None, target: str) -> None:
        """This is made under that key, if there is one."""
        if key is not None:
            self._found[key.scope, key.key] = (key.digest, target)


class Records(settling.Records, start_counts.Giving, job_ids.Records, job_keys.Records, holding.Records, Protocol):
    """Jobs are held before their runs. To hold is to keep other transactions from deciding about the same until this
    one ends."""

    def get_job(self, job_id: str) -> Job | None:
        """A job."""

    def hold_job(self, job_id: str) -> Job | None:
        """A job, held from now on."""

    def hold_job_of(self, run_id: str) -> None:
        """Hold the job of a run, if both are there."""

    def add_jobs(self, new: Sequence[Job], new_ids: set[str]) -> None:
        """Store new jobs; `new_ids` are those among their ids that nobody has had before."""

    def remove_job(self, job_id: str) -> None:
        """Forget a job, and with it its keys and what it is found by."""

    def view(self, job_id: str, now: datetime) -> JobView:
        """The job as it is shown. Raises NotFound."""

    def get_run(self, run_id: str) -> Run | None:
        """A run."""

    def hold_run(self, run_id: str) -> Run | None:
        """A run, held from now on. Its job is held already."""

    def active_of(self, job_ids: Sequence[str]) -> list[Run]:
        """The runs of these jobs that have no outcome yet."""

    def ripe_of(self, job_ids: Sequence[str], now: datetime) -> list[Run]:
        """The same, without retries whose time has not come."""

    def end_waiting(self, active: list[Run], state: State, reason: str, now: datetime) -> tuple[list[Run], list[Run]]:
        """Give this outcome to the runs that only waited. Returns these runs, and the others."""

    def ask_to_end(self, wanted: Iterable[Run], reason: str, asker: str) -> list[Run]:
        """Tell the nodes that execute these runs to end them. They come back with the reason for which they end."""

    def has_run_at(self, job_id: str, due: datetime) -> bool:
        """Whether a run of the job has that due."""

    def decided(self, job_id: str, instant: datetime) -> tuple[datetime | None, datetime | None]:
        """The last due of a job that had its outcome: by clocks that are not known to be wrong, and by any clock."""

    def living_nodes(self, last_heard: Sequence[Node], own: str, local: datetime) -> LivingNodes:
        """The nodes that live, as node `own` heard last and as they are stored."""

    def standing_hold(self) -> Hold | None:
        """The hold that there is or was last; nobody makes or changes one until the transaction ends."""

    def recall(self, asked: Sequence[IdempotencyKey]) -> Known:
        """What was made under these keys."""

    def remember(self, made: Sequence[tuple[IdempotencyKey, str, datetime]]) -> None:
        """Each was made under its key, at an instant."""

    def enter(self, entries: Sequence[Entry]) -> list[Entry]:
        """Add entries of one instant to the audit log, in order, and return them as they were written: with the time of
        the database, where it has a clock."""

    def task_of_job(self, job_id: str) -> str | None:
        """The task of a job, which is held from now on."""

    def task_of_run(self, run_id: str) -> str | None:
        """The task of a run, which never changes."""
