"""What a claim costs that decides many jobs at once of which each runs on every node."""

from __future__ import annotations

import argparse
import time
from datetime import UTC, datetime, timedelta

import attrs
from daemon import machine, spread
from fill import put
from sqlalchemy import Engine, delete, insert

from jobsched.model.claim import Claimant
from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job, Policy
from jobsched.model.node import Node
from jobsched.store.sql import claims, tables, transaction
from jobsched.store.sql.engine import connect, writing
from jobsched.store.sql.transaction import Transaction
from tests.servers import started

MINUTE = timedelta(minutes=1)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["postgresql", "mysql"], default="postgresql")
    parser.add_argument("--jobs", type=int, default=200, help="due at once (default: 200)")
    parser.add_argument("--nodes", type=int, default=3, help="that live (default: 3)")
    parser.add_argument("--gone", type=int, default=100, help="starts of daemons within the last week (default: 100)")
    parser.add_argument("--claims", type=int, default=20, help="to be timed (default: 20)")
    options = parser.parse_args()
    machine()
    server = started(options.database)
    try:
        url = server.create_database("bench")
        now = datetime.now(UTC)
        jobs = [job(number, now) for number in range(options.jobs)]
        put(url, jobs)
        took = measure(connect(url), jobs, nodes(options.nodes, options.gone, now), options.claims, now)
        print(f"a claim of {len(jobs)} jobs for {options.nodes} nodes, {options.gone} more known: {spread(took)}")
    finally:
        server.close()


def job(number: int, now: datetime) -> Job:
    """One that is due each minute, everywhere."""
    draft = Draft(task="true", name=f"job {number}", every=MINUTE, policy=Policy(placement="every", overlap="allow"))
    return draft.job(Ids().make(now + timedelta(milliseconds=number)), now)


def nodes(living: int, gone: int, now: datetime) -> list[Node]:
    """Those that live, and earlier starts of theirs."""
    alive = [
        Node(id=f"node {number}", name=f"n{number}", tasks=("true",), since=now, seen=now + timedelta(days=1))
        for number in range(living)
    ]
    earlier = now - timedelta(days=1)
    return alive + [
        Node(id=f"old {number}", name=f"n{number % living}", tasks=("true",), since=earlier, seen=earlier, state="dead")
        for number in range(gone)
    ]


def measure(engine: Engine, jobs: list[Job], known: list[Node], count: int, now: datetime) -> list[float]:
    """Seconds that each claim took, its commit included; what it added is taken away after it."""
    transaction._ASK_TIME.clear()  # it is as late as we say
    with writing(engine).begin() as connection:
        rows = [attrs.asdict(node, recurse=False) | {"tasks": list(node.tasks)} for node in known]
        connection.execute(insert(tables.nodes), rows)
    peers = tuple(node for node in known if node.state == "alive")
    took = []
    for beat in range(1, count + 1):
        who = Claimant(
            node="n0", node_id="node 0", now=now + beat * MINUTE, able_since=now, slots=len(jobs), ids=Ids(),
            peers=peers, alone=False,
        )  # fmt: skip
        begun = time.perf_counter()
        with writing(engine).begin() as connection:
            claimed = claims.claim(Transaction(connection), who, [each.id for each in jobs])
        took.append(time.perf_counter() - begun)
        assert len(claimed.started) == claimed.won == len(jobs), claimed
        with writing(engine).begin() as connection:
            connection.execute(delete(tables.runs))
    return took


if __name__ == "__main__":
    main()
