"""`python -m jobsched.verify`: looks through a store for what the promise says can never be there.

It reads the store alone: it tells of double starts, of dues without an outcome and of runs that nobody executes, but
cannot see whether a process lives. It may be used while daemons run, for it sees one state of the store; it writes
nothing.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence

import attrs

from .model.errors import JobschedError
from .model.invariants import Facts, Fault, faults
from .model.printable import shown
from .model.run import Run
from .store.opening import snapshot

CLEAN, VIOLATED, UNREADABLE = 0, 1, 2


@attrs.define
class Verdict:
    """How much was looked at, and how much of it is wrong."""

    nodes_known: bool = False
    jobs: int = 0
    runs: int = 0
    violations: int = 0

    def __str__(self) -> str:
        text = f"{self.jobs} jobs, {self.runs} runs: {self.violations or 'no'} violations"
        return text if self.nodes_known else f"{text}; nodes were not checked: this store has none"


def verify(url: str, *, whole: bool = False, verdict: Verdict | None = None) -> Iterator[Fault]:
    """All that is wrong in the store at `url`, as it is found; `verdict` counts along. Raises BadStore.

    `whole`: no run was pruned yet, so that dues are computed from each job's creation on.
    """
    verdict = verdict or Verdict()
    with snapshot(url) as view:
        facts = Facts(now=view.now(), nodes=view.nodes(), whole=whole)
        verdict.nodes_known = facts.now is not None
        for job_id, job, runs in view.histories():
            verdict.jobs += 1
            for fault in faults(job_id, job, _counting(runs, verdict), facts):
                verdict.violations += 1
                yield fault


def _counting(runs: Iterable[Run], verdict: Verdict) -> Iterator[Run]:
    for run in runs:
        verdict.runs += 1
        yield run


def main(arguments: Sequence[str] | None = None) -> int:
    """One line for each violation, then a summary; the exit status."""
    parser = ArgumentParser(
        prog="python -m jobsched.verify",
        description="Look through a store for what can never be there: a due that was started twice or has no outcome, "
        "a run that nobody executes. Nothing is written, and daemons may be running.",
        epilog="Exit status: 0 nothing was found, 1 violations were, 2 the store cannot be read.",
    )
    parser.add_argument("--store", required=True, metavar="URL", help="the database, as in SCHED_CONFIG")
    parser.add_argument("--whole", action="store_true", help="no run was pruned yet: look from each job's first due on")
    asked = parser.parse_args(arguments)
    verdict = Verdict()
    try:
        for fault in verify(asked.store, whole=asked.whole, verdict=verdict):
            sys.stdout.write(f"{shown(str(fault))}\n")
    except JobschedError as why:
        sys.stderr.write(f"jobsched.verify: {why}\n")
        return UNREADABLE
    sys.stdout.write(f"{verdict}\n")
    return VIOLATED if verdict.violations else CLEAN


if __name__ == "__main__":
    sys.exit(main())
