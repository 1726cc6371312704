"""What the look at the hold costs a claim, and for how long a batch holds its jobs, on each database.

The same claims are made with and without it, in turns, so that what else the machine does hits both alike.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).parent.parent))

from sqlalchemy import Engine

from jobsched.model.audit import Signature
from jobsched.model.batch import MOST
from jobsched.model.caller import ANYBODY
from jobsched.model.claim import Claimant
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Policy
from jobsched.model.order import BatchJobs, Issued, PauseJob
from jobsched.model.selection import Selection
from jobsched.model.trigger import Interval, Schedule
from jobsched.store.sql import claims, holds, jobs, orders
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.schema import migrate
from jobsched.store.sql.transaction import Transaction, database_now
from tests.servers import started

IDS = Ids()
BEGIN = datetime.now(UTC) - timedelta(days=1)


def job(name: str, number: int) -> Job:
    """Due each tenth of a second since yesterday."""
    trigger = Interval(start=BEGIN, every=timedelta(seconds=0.1))
    return Job(
        id=f"{name}{number}", name=name, task="task", schedule=Schedule(trigger=trigger, salt=name), created=BEGIN,
        policy=Policy(overlap="allow"), next_due=BEGIN, updated=BEGIN,
    )  # fmt: skip


def milliseconds(url: str, work: Callable[[Transaction], object]) -> float:
    """How long a transaction takes."""
    engine = ENGINES.setdefault(url, writing(connect(url)))
    begun = time.perf_counter()
    with engine.begin() as connection:
        work(Transaction(connection))
    return (time.perf_counter() - begun) * 1000


ENGINES: dict[str, Engine] = {}


def without(held: Transaction, local: datetime) -> tuple[datetime, None]:
    """A claim that does not look at the hold."""
    return database_now(held, local), None


def measure(kind: str, url: str, rounds: int) -> None:
    """Print a line for each size of a claim, and one for a batch."""
    migrate(url)
    milliseconds(url, lambda held: jobs.add(held, [job("claimed", number) for number in range(50)]))
    for size in (1, 50):
        took: dict[bool, list[float]] = {True: [], False: []}
        for _ in range(rounds):
            for looks in took:
                who = Claimant(node="n", node_id="n", now=datetime.now(UTC), able_since=BEGIN, slots=100, ids=IDS)
                names = [f"claimed{number}" for number in range(size)]
                without = mock.patch.object(
                    holds, "standing_now", lambda held, local: (database_now(held, local), None)
                )
                with mock.patch.object(holds, "NONE", "") if looks else without:
                    took[looks].append(milliseconds(url, lambda held: claims.claim(held, who, names)))  # noqa: B023
                time.sleep(0.1)  # until they are due again
        fast = {looks: sorted(all_of)[len(all_of) // 4] for looks, all_of in took.items()}
        print(f"{kind}: a claim of {size}: {fast[False]:.2f} ms, with the hold {fast[True]:.2f} ms,"
              f" ratio {fast[True] / fast[False]:.2f}")  # fmt: skip
    milliseconds(url, lambda held: jobs.add(held, [job("many", number) for number in range(MOST)]))
    signature = Signature(id=IDS.make(datetime.now(UTC)), at=datetime.now(UTC), who="a", address="", node="n")
    issued = Issued(signature=signature, caller=ANYBODY, node_id="n", ids=IDS)
    batch = BatchJobs(select=Selection(names=("many",)), action="pause", order=lambda job_id: PauseJob(job_id=job_id))
    print(f"{kind}: a batch of {MOST}: {milliseconds(url, lambda held: orders.perform(held, batch, issued)):.0f} ms")


def main() -> None:
    """On each database in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=100, help="claims of each kind (default: 100)")
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory() as folder:
        measure("sqlite", f"sqlite:///{folder}/jobsched.sqlite", rounds)
    for kind in ("postgresql", "mysql"):
        server = started(kind)
        measure(kind, server.create_database("measured"), rounds)
        server.close()


if __name__ == "__main__":
    main()
