"""`python -m jobsched.verify`: looks through a store for states that break Jobsched's promise.

The command reads only the store: it finds double starts, dues without an outcome and runs that no node executes, but
cannot see whether a process lives. It may be used while daemons run, for it reads one consistent state of the store; it
writes nothing.
"""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator, Sequence

import attrs

from .model.errors import JobschedError
from .model.invariants import Facts, Fault, faults
from .model.printable import many, shown
from .model.run import Run
from .store.opening import snapshot

CLEAN, VIOLATED, UNREADABLE = 0, 1, 2


@attrs.define
class Verdict:
    """How many jobs and runs were checked, and how many violations were found."""

    nodes_known: bool = False
    jobs: int = 0
    runs: int = 0
    violations: int = 0

    def __str__(self) -> str:
        found = many(self.violations, "violation") if self.violations else "no violations"
        text = f"{many(self.jobs, 'job')}, {many(self.runs, 'run')}: {found}"
        return text if self.nodes_known else f"{text}; nodes were not checked: this store has none"


def verify(url: str, *, whole: bool = False, verdict: Verdict | None = None) -> Iterator[Fault]:
    """Yields the faults in the store at `url` as they are found, and counts them in `verdict`. Raises BadStore.

    `whole`: no run was pruned yet, so dues are computed from each job's creation on.
    """
    verdict = verdict or Verdict()
    with snapshot(url) as view:
        facts = Facts(now=view.now(), nodes=view.nodes(), hold=view.hold(), whole=whole)
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
    """Print one line for each violation, then a summary. Returns the exit status."""
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
