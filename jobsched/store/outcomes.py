"""The outcomes of runs: written, told, and followed by another attempt where a job asks for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

import attrs

from ..model.ids import EPOCH, Ids
from ..model.job import Job
from ..model.owed import Stretch, passed
from ..model.retry import delay, final, follows
from ..model.run import RETRIED, Run

NOTES: Final = ("pid", "pid_started", "state", "reason", "ended", "exit_code", "signal", "left_behind",
                "cpu_seconds", "max_rss", "term_at", "kill_at", "isolated",
                "output_bytes", "output_kept", "output_truncated")  # fmt: skip


class Records(Protocol):
    """What is asked of a transaction, and written in it."""

    def now_where_shared(self, fallback: datetime) -> datetime | None:
        """The time, by the database's clock; None: the store is not shared."""

    def concerned(self, ended: Sequence[Run], *, retried: bool = False) -> dict[str, Job]:
        """As `news.Records.concerned`."""

    def take_back(self, succeeded: Sequence[Run]) -> None:
        """Before these are written: of jobs that are marked as failing since one of these runs was taken for lost, put
        the mark to when the run began. So it clears the mark, like one that begins after a failure."""

    def write_all(self, noted: Sequence[Run]) -> Sequence[Run]:
        """Write the `NOTES` of runs that their nodes still own and that have no outcome yet, or go on where others have
        taken them for lost; `isolated` stays if it is None. Returns the runs of which
        the store says the same afterwards."""

    def write_one(self, noted: Run) -> bool:
        """The same for one; whether it was written."""

    def insert(self, new: Sequence[Run]) -> None:
        """Store new runs."""

    def have_ended(self, runs: Sequence[Run]) -> None:
        """Tell of those of these runs that have an outcome, once it is committed."""

    def tell_succeeded(self, ended: Sequence[Run]) -> None:
        """As `news.tell_succeeded`."""

    def tell_failed(self, failed: Sequence[Run], asking: Mapping[str, Job], again: set[str]) -> None:
        """As `news.tell_failed`."""


def record(records: Records, executed: Sequence[Run], ids: Ids, chance: Callable[[], float]) -> bool:
    """Write the outcome of runs. A run is written only if its node still owns it and it has no outcome yet, or goes on
    where others have taken it for lost.

    If a run failed and its job asks for it, the next attempt is added in the same transaction, so that it is added
    once; not while the run may go on. Returns True if any attempt was added.
    """
    executed = in_their_time(records, executed)
    failed = [run for run in executed if run.state in RETRIED]
    others = [run for run in executed if run.state not in RETRIED]
    known_again = [run for run in others if run.state == "succeeded" and run.isolated is not None]
    held = [*failed, *known_again]
    asking = records.concerned(held, retried=True) if held else {}
    failed = [final(asking.get(run.job_id), run) for run in failed]
    if known_again:
        records.take_back(known_again)
    if others:
        stored = records.write_all(others)
        records.have_ended(stored)
        records.tell_succeeded(stored)
    if not failed:
        return False
    lost = [run for run in failed if records.write_one(run)]
    records.have_ended(lost)
    again = try_again(records, lost, asking, ids, chance)
    records.tell_failed(lost, asking, again)
    return bool(again)


def in_their_time(records: Records, executed: Sequence[Run]) -> Sequence[Run]:
    """The runs with their ends moved: after the start and not after now, both by the database's clock."""
    ends = [run.ended for run in executed if run.ended is not None]
    latest = records.now_where_shared(max(ends)) if ends else None
    if latest is None:
        return executed
    return [run if run.ended is None else _moved(run, run.ended, latest) for run in executed]


def _moved(run: Run, ended: datetime, latest: datetime) -> Run:
    ended = max(min(ended, latest), run.started or EPOCH)
    return run.but(ended=ended, isolated=ended if run.goes_on else run.isolated)


def try_again(
    records: Records, failed: Sequence[Run], asking: Mapping[str, Job], ids: Ids, chance: Callable[[], float]
) -> set[str]:
    """Add the next attempts of runs whose jobs ask for them (`asking`). Returns the ids of these runs."""
    retries, again = [], set()
    for run in failed:
        job = asking.get(run.job_id)
        if job is None or not follows(job, run) or run.ended is None:
            continue
        pause = delay(job.policy, run.attempt, chance())
        stretch = Stretch(
            due=run.due, until=run.due, count=1, fate="queue", reason=f"attempt {run.attempt} {run.state}"
        )
        waits = passed(job, stretch, ids.make(run.ended), run.ended)
        again.add(run.id)
        retries.append(
            attrs.evolve(
                waits,
                cause="retry",
                attempt=run.attempt + 1,
                not_before=run.ended + pause,
                parameters=run.parameters,
                require=run.require,
                place=run.place,
            )
        )
    records.insert(retries)
    return again
