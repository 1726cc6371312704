"""Several nodes on one PostgreSQL: their pace, their commits, the death of one, one more, and what a sweep costs.

The programs print the instant at which they began; each due is looked up in the record and in what was printed.
"""

from __future__ import annotations

import argparse
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from catalogs import DATE
from daemon import NotMeasured, instant, load, machine, spread, verdict
from hosts import TOLD, Hosts, begin, finish, hosts, sleep_until, until
from punctuality import Due, compare

from jobsched.model.draft import Draft
from jobsched.model.ids import Ids
from jobsched.model.job import Job
from jobsched.scheduler.scheduler import AHEAD, MOST
from jobsched.store.sql import engine
from jobsched.store.sql import jobs as job_rows
from jobsched.store.sql import runs as run_rows
from jobsched.store.sql.transaction import Transaction

CATALOG = f"""\
{DATE}
[pause]
file = runscript.py
class = RunScript
script = /bin/sh
arguments = -c 'date +%s.%N; exec sleep 0.5'
"""
TOLD_CLAIMS = 3.0  # seconds after which each node has told the others what it claimed
KILLED = 50  # runs a second where a node is killed, or one more joins
SOON = 60  # jobs due within ten seconds, whatever the number of the others
ASKED = 300  # times that the questions of a sweep are timed
ALIKE = 1.25  # what a ratio "near 1" is taken for


def main() -> None:
    """Measure and print."""
    parts = {"rate": rate, "commits": commits, "kill": kill, "join": join, "sweep": sweep}
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=parts, action="append", help="may be repeated (default: all)")
    parser.add_argument("--nodes", type=int, default=3, help="on the one machine (default: 3)")
    parser.add_argument("--rate", type=int, default=200, help="runs a second under load (default: 200)")
    parser.add_argument("--seconds", type=int, default=60, help="that each thing is watched (default: 60)")
    parser.add_argument("--jobs", type=int, default=100_000, help="that count as many (default: 100000)")
    parser.add_argument("--fsync", choices=("on", "off"), default="on", help="of the database (default: on)")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by TERM"))  # so that what was started is ended
    machine()
    failed = False
    for name in options.part or parts:
        try:
            parts[name](options)
        except (NotMeasured, ConnectionError) as why:
            failed = True
            print(f"  not measured: {why}")
    sys.exit(failed)


def rate(options: argparse.Namespace) -> None:
    """So many runs a second, shared by the nodes."""
    print(f"{options.rate} runs/s for {options.seconds} s on {options.nodes} nodes, fsync {options.fsync}")
    with hosts(options.nodes, CATALOG, options.fsync) as found:
        grid = begin(found, options.rate)
        cpu, server, begun = [node.cpu for node in found.nodes], found.server.cpu, time.monotonic()
        end = grid.first + timedelta(seconds=options.seconds)
        sleep_until(end)
        took = time.monotonic() - begun
        shares = ", ".join(f"{(node.cpu - before) / took:.0%}" for node, before in zip(found.nodes, cpu, strict=True))
        print(f"  the nodes took {shares} of a core, the server {(found.server.cpu - server) / took:.0%}; {load()}")
        record, began = finish(found, grid)
        expected = grid.due(grid.first, end)
        compare(expected, began, record, (99, 0.250))
        runs = [run for due in expected for run in record.get(due, [])]
        print(f"  runs by node: {dict(Counter(run['node'] for run in runs))}")
        verdict(
            "dues that did not end well", len(expected) - sum(run["state"] == "succeeded" for run in runs), 0, "dues"
        )
        time.sleep(TOLD_CLAIMS)
        tried, won = found.claims()
        if not tried:
            raise NotMeasured("no node told of a claim")
        print(f"  claims tried {tried}, won {won}")
        verdict("claims won", won / tried * 100, 90, "%", at_least=True)


def commits(options: argparse.Namespace) -> None:
    """What a run costs the database, by what it costs more than no run."""
    print(
        f"commits at no, little and much load, {options.seconds} s each, {options.nodes} nodes, fsync {options.fsync}"
    )
    with hosts(options.nodes, CATALOG, options.fsync) as found:
        time.sleep(TOLD)
        idle, _ = watched(found, options.seconds)
        print(f"  idle, a second: {told(idle)}; {load()}")
        each = {}
        for many in (1, options.rate):
            grid = begin(found, many)
            time.sleep(TOLD)
            busy, (since, end) = watched(found, options.seconds)
            record, _ = finish(found, grid)
            ended = [instant(run["ended"]) for runs in record.values() for run in runs if run["started"]]
            ran = sum(since <= at < end for at in ended) / (end - since).total_seconds()
            if not ran:
                raise NotMeasured("nothing ran")
            more = {name: (each_second - idle[name]) / ran for name, each_second in busy.items()}
            each[many] = more["writing"]
            print(f"  {ran:.1f} runs/s, a second: {told(busy)}; a run, more than idle: {told(more)}; {load()}")
        # Those that write, and wait for the disk; the others are looks of nodes whose turn did not come.
        verdict("writing commits a run at 1 run/s", each[1], 3, "commits")
        verdict(f"writing commits a run at {options.rate} runs/s, against that", each[options.rate], each[1], "commits")


def watched(found: Hosts, seconds: float) -> tuple[dict[str, float], tuple[datetime, datetime]]:
    """(what the server counts, each a second; from when till when)."""
    since, before = datetime.now(UTC), found.server.counted()
    time.sleep(seconds)
    end, after = datetime.now(UTC), found.server.counted()
    return {name: (after[name] - before[name]) / (end - since).total_seconds() for name in before}, (since, end)


def told(counts: dict[str, float]) -> str:
    """In one line."""
    return ", ".join(f"{name} {count:.2f}" for name, count in counts.items())


def kill(options: argparse.Namespace) -> None:
    """A node dies in the midst of its runs; its dues are to be met by the others."""
    print(f"{KILLED} runs/s of half a second on {options.nodes} nodes, one of which is killed; fsync {options.fsync}")
    with hosts(options.nodes, CATALOG, options.fsync) as found:
        grid = begin(found, KILLED, task="pause", overlap="allow")
        time.sleep(10)
        victim = found.nodes[1]
        victim.kill()
        killed = datetime.now(UTC)
        end = killed + timedelta(seconds=20)  # so that the others have seen that it is dead
        sleep_until(end)
        record, began = finish(found, grid)
        before, after = grid.due(grid.first, killed), grid.due(killed, end)
        lost = [run for due in before | after for run in record.get(due, []) if run["state"] == "lost"]
        half = sum((run["job_id"], instant(run["due"])) in began for run in lost)
        told = [(instant(run["ended"]) - killed).total_seconds() for run in lost]
        print(
            f"  {len(lost)} runs were lost, of which {half} had begun; recorded after the kill: {spread(told, 's', 1)}"
        )
        print(f"  dues before it: {states(before, record)}; after it: {states(after, record)}; {load()}")
        late = [(at - due[1]).total_seconds() for due in after for at in began.get(due, [])]
        print(f"  due to the program's first act, after the kill: {spread(late)}")
        if not late:
            raise NotMeasured("nothing began after the kill")
        verdict("latest start of a due after the kill", max(late), 2, "s")
        verdict("dues after the kill that never began", sum(due not in began for due in after), 0, "dues")
        verdict("runs lost that were another node's", sum(run["node"] != victim.name for run in lost), 0, "runs")
        exact(before | after, record, began)


def exact(owed: set[Due], record: dict[Due, list[dict[str, Any]]], began: dict[Due, list[datetime]]) -> None:
    """Each due began at most once, and has one outcome."""
    twice = sum(len(began.get(due, [])) > 1 or len(record.get(due, [])) > 1 for due in owed)
    open_ends = sum(not all(run["ended"] for run in record.get(due, [{"ended": None}])) for due in owed)
    verdict("begun or recorded twice", twice, 0, "dues")
    verdict("without an outcome", open_ends, 0, "dues")
    verdict("begun without a record", sum(due not in record for due in began), 0, "runs")


def states(owed: set[Due], record: dict[Due, list[dict[str, Any]]]) -> dict[str, int]:
    """How often each state is recorded for them."""
    return dict(Counter(run["state"] for due in owed for run in record.get(due, [])))


def join(options: argparse.Namespace) -> None:
    """One more node, where there are many jobs."""
    print(f"a node joins {options.nodes} others that have {options.jobs} jobs, {KILLED} runs/s; fsync {options.fsync}")
    with hosts(options.nodes, CATALOG, options.fsync, jobs=far(options.jobs)) as found:
        grid = begin(found, KILLED)
        with found.nodes[0].caller() as caller:
            node = found.add()
            started = datetime.now(UTC)
            answers = node.start()
            until(lambda: node.name in found.living(caller), "the others do not see it")
            seen = (datetime.now(UTC) - started).total_seconds()
        time.sleep(10)
        record, began = finish(found, grid)
        its = {due: instant(run["started"]) for due, runs in record.items() for run in runs if run["node"] == node.name}
        if not its:
            raise NotMeasured("it never claimed a due")
        first = (min(its.values()) - started).total_seconds()
        act = (min(at for due in its for at in began[due]) - started).total_seconds()
        print(f"  it answers after {answers:.2f} s, the others see it after {seen:.2f} s; "
              f"its first run is claimed after {first:.2f} s and begins after {act:.2f} s; {load()}")  # fmt: skip
        verdict("from its start until it answers and is seen", max(answers, seen), 3, "s")
        verdict("from its start until its first run begins", act, 3, "s")
        exact(grid.due(grid.first, started), record, began)


def far(count: int) -> Iterator[Job]:
    """Jobs of which none is due today."""
    ids, now = Ids(), datetime.now(UTC)
    for number in range(count):
        draft = Draft(task="date", name=f"job {number}", every=timedelta(hours=1), start=now + timedelta(days=1))
        yield draft.job(ids.make(now), now)


def sweep(options: argparse.Namespace) -> None:
    """What nodes take while as many dues come as before, but many more jobs are there."""
    few = 1_000
    cpu, took = {}, {}
    for size in (few, options.jobs):
        print(f"{size} jobs and {SOON} that are due every 10 s, {options.nodes} nodes, fsync {options.fsync}")
        with hosts(options.nodes, CATALOG, options.fsync, jobs=far(size)) as found:
            grid = begin(found, SOON, timedelta(seconds=10))
            time.sleep(TOLD)
            cpu[size] = idle(found, options.seconds)
            questions = asked(found)
            finish(found, grid)
            took[size] = median(questions)
            print(f"  the questions of a sweep: {spread(questions)}; {load()}")
    verdict(f"CPU of a node with {options.jobs} jobs to that with {few}", cpu[options.jobs] / cpu[few], ALIKE, "times")
    verdict("a sweep's questions, likewise", took[options.jobs] / took[few], ALIKE, "times")


def idle(found: Hosts, seconds: float) -> float:
    """The share of a core that a node takes, the mean of all."""
    cpu, server = [node.cpu for node in found.nodes], found.server.cpu
    time.sleep(seconds)
    shares = [(node.cpu - before) / seconds for node, before in zip(found.nodes, cpu, strict=True)]
    print(f"  the nodes took {', '.join(f'{share:.2%}' for share in shares)} of a core, "
          f"the server {(found.server.cpu - server) / seconds:.2%}")  # fmt: skip
    return sum(shares) / len(shares)


def asked(found: Hosts) -> list[float]:
    """Seconds that a sweep's look at the store takes, each time."""
    opened = engine.connect(found.store)
    times = []
    for _ in range(ASKED):
        begun = time.perf_counter()
        with engine.reading(opened).begin() as connection:
            now = datetime.now(UTC)
            job_rows.due_before(Transaction(connection), now + AHEAD, MOST)
            run_rows.waiting(Transaction(connection), now)
        times.append(time.perf_counter() - begun)
    opened.dispose()
    return times


if __name__ == "__main__":
    main()
