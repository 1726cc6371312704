"""What there is, for a set of jobs that somebody wants: decided on what a transaction reads, whichever the database."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Final, Protocol

from ..model.caller import Caller
from ..model.errors import Taken
from ..model.ids import is_word
from ..model.job import Job
from ..model.job_set import Standing
from ..model.labels import Label
from . import job_ids

NAMED: Final = 5  # ids that a refusal names


class Records(job_ids.Records, Protocol):
    """What is asked of a transaction."""

    def now(self, local: datetime) -> datetime:
        """The time to go by."""

    def versions(self, scope: Sequence[Label], tasks: tuple[str, ...] | None) -> dict[str, int]:
        """As `contract.JobSets.versions`."""

    def by_ids(self, ids: Sequence[str]) -> dict[str, Job]:
        """The jobs of these ids that are there."""

    def former(self, ids: Sequence[str]) -> Mapping[str, tuple[str, int]]:
        """Of the jobs of these ids that were deleted, as far as they are known: the task and the version."""

    def ran(self, ids: Sequence[str]) -> Collection[str]:
        """Those of these ids of which a run is kept."""

    def ahead(self, ids: Sequence[str], instant: datetime) -> frozenset[str]:
        """Those of these ids of which a run stands for a due after the instant."""


def standing(
    records: Records, ids: Sequence[str], scope: Label | None, caller: Caller, local: datetime, *, whole: bool
) -> Standing:  # fmt: skip
    """As `contract.JobSets.standing` has it. Raises Taken, Conflict."""
    instant = records.now(local)
    inside = records.versions(() if scope is None else (scope,), caller.tasks)
    found = records.by_ids(ids)
    hidden = [job_id for job_id, job in found.items() if not caller.sees(job.task)]
    new = [job_id for job_id in ids if job_id not in found]
    first = _first(records, new, caller, hidden)
    if hidden:
        more = "" if len(hidden) <= NAMED else f" and {len(hidden) - NAMED} more"
        names = ", ".join(sorted(hidden)[:NAMED])
        raise Taken(f"ids of this set are taken by other jobs: {names}{more}", f"/jobs/{min(hidden)}")
    if words := [job_id for job_id in new if is_word(job_id)]:
        job_ids.must_be_known_to_all(records, words[0])
    named = set(ids)
    others = [job_id for job_id in inside if job_id not in named] if whole and scope is not None else []
    return Standing(
        now=instant,
        jobs={**found, **records.by_ids(others)},
        inside=inside,
        outside={job_id: job.version for job_id, job in found.items() if job_id not in inside},
        first=first,
        late=records.ahead(ids, instant),
    )


def _first(records: Records, ids: Sequence[str], caller: Caller, hidden: list[str]) -> dict[str, int]:
    """The versions with which new jobs of these ids begin, where these are not 1. Ids of jobs that the caller did not
    see are added to `hidden`."""
    former = records.former(ids)
    hidden += (job_id for job_id, (task, _) in former.items() if not caller.sees(task))
    found = {job_id: version + 1 for job_id, (_, version) in former.items()}
    for job_id in records.ran([job_id for job_id in ids if job_id not in former]):
        found[job_id] = 2
        try:
            job_ids.must_have_been_seen(records, job_id, caller)
        except Taken:
            hidden.append(job_id)
    return found
