"""Several daemons as nodes of one scheduler, on a PostgreSQL of their own that is gone afterwards."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import psycopg
from daemon import PATIENCE, Caller, Daemon, NotMeasured, dues, free_port, post_jobs
from fill import put
from punctuality import Due, recorded

from jobsched.model.job import Job
from tests.servers import USER, PostgreSQL

DATABASE = "bench"
SECOND = timedelta(seconds=1)
LEAD = timedelta(seconds=6)  # from the posting to the first due
LATEST = 2.0  # seconds after its due within which the last run is to begin, before anybody looks
TOLD = 12.0  # seconds after which every session has told the server's statistics of its commits


class Server(PostgreSQL):
    """The tests' server, set up as a user's would be: it waits for the disk unless told otherwise."""

    def __init__(self, fsync: str) -> None:
        self._settings = {"fsync": fsync, "shared_buffers": "128MB", "max_connections": "200"}
        super().__init__()

    def _command(self) -> list[str]:
        return [
            *super()._command(),
            *(part for key, value in self._settings.items() for part in ("-c", f"{key}={value}")),
        ]

    def counted(self) -> Counter[str]:
        """So far: transactions of our database, those of any that wrote, and how often it waited for the disk."""
        questions = {
            "commits": f"SELECT xact_commit FROM pg_stat_database WHERE datname = '{DATABASE}'",
            "writing": "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint",
            "waits for the disk": "SELECT wal_sync FROM pg_stat_wal",
        }
        with self._connection("postgres") as connection:  # so that this one is not counted
            answers = {name: connection.execute(asked.encode()).fetchone() for name, asked in questions.items()}
        return Counter({name: int(answer[0]) for name, answer in answers.items() if answer is not None})

    def analyze(self) -> None:
        """Count what is in the tables, as autovacuum does within a minute of much being put there."""
        with self._connection(DATABASE) as connection:
            connection.execute("VACUUM ANALYZE")

    @property
    def cpu(self) -> float:
        """Seconds of CPU of its processes that live."""
        family = [psutil.Process(self.pid), *psutil.Process(self.pid).children(recursive=True)]
        times = [process.cpu_times() for process in family]
        return float(sum(each.user + each.system for each in times))

    def _connection(self, database: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, password=self.password, dbname=database, autocommit=True
        )


class Node(Daemon):
    """A daemon that shares a store with others."""

    def __init__(self, folder: Path, name: str, store: str, catalog: str, options: str) -> None:
        folder.mkdir()
        super().__init__(folder, catalog, {})
        self.name = name
        self.port = free_port()
        own = f'NODE_NAME = "{name}"\nNODE_URL = "http://127.0.0.1:{self.port}"\nSCHED_CONFIG["store"] = "{store}"\n'
        own += "LEASE = 10\n"  # so that a dead node is soon known as one
        with open(folder / "conf" / "jobsched.cfg", "a") as conf:
            conf.write(f"\n{own}{options}\n")

    def kill(self) -> None:
        """As a power cut would: this one process, with no time to say anything."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()

    @property
    def lives(self) -> bool:
        """Whether it was started and has not ended."""
        return self._process is not None and self._process.poll() is None


class Hosts:
    """A server, and the nodes on one database of it."""

    def __init__(self, folder: Path, server: Server, catalog: str, options: str) -> None:
        self.server = server
        self.nodes: list[Node] = []
        self._folder = folder
        self._catalog = catalog
        self._options = options
        self.store = server.create_database(DATABASE)

    def add(self) -> Node:
        """One more node, not started yet."""
        name = f"node{len(self.nodes) + 1}"
        self.nodes.append(Node(self._folder / name, name, self.store, self._catalog, self._options))
        return self.nodes[-1]

    def living(self, caller: Caller) -> dict[str, dict[str, Any]]:
        """What GET /nodes says of those that are alive, by their names."""
        return {node["name"]: node for node in caller.get("/nodes")["values"] if node["state"] == "alive"}

    def acquainted(self) -> None:
        """Wait until every node has heard of every other, and of none that is gone."""
        names = {node.name for node in self.nodes if node.lives}
        for node in self.nodes:
            if node.lives:
                with node.caller() as caller:
                    until(lambda: self.living(caller).keys() == names, "the nodes do not find each other")
        time.sleep(2.5)  # a heartbeat more: what a node tells others it may have read from the store just now

    def claims(self) -> tuple[int, int]:
        """(claims tried, claims won) by all nodes since they began; each told it with its last heartbeat."""
        with self.nodes[0].caller() as caller:
            told = [node["claims"] for node in self.living(caller).values()]
        return sum(each["tried"] for each in told), sum(each["won"] for each in told)

    def printed(self) -> dict[str, list[str]]:
        """The words that the programs printed, by run, wherever they ran."""
        found: dict[str, list[str]] = {}
        for node in self.nodes:
            for path in node.state.rglob("*.log"):
                found.setdefault(path.stem, []).extend(path.read_text().split())
        return found

    def stop(self) -> None:
        """End every node, then the server."""
        for node in self.nodes:
            node.stop()
        self.server.close()


@contextmanager
def hosts(count: int, catalog: str, fsync: str, options: str = "", jobs: Iterable[Job] = ()) -> Iterator[Hosts]:
    """So many nodes that know each other; `jobs` are put into the store before they start."""
    try:
        server = Server(fsync)
    except FileNotFoundError as why:
        raise NotMeasured(str(why)) from why
    with tempfile.TemporaryDirectory(prefix="jobsched-bench-") as folder:
        try:
            server.start()
            found = Hosts(Path(folder), server, catalog, options)
        except BaseException:
            server.close()
            raise
        try:
            if filled := list(jobs):
                put(found.store, filled)
                server.analyze()
            for _ in range(count):
                found.add().start()
            found.acquainted()
            yield found
        finally:
            found.stop()


@dataclass
class Grid:
    """Jobs that are due every so often, their dues evenly spread."""

    ids: list[str]
    first: datetime
    every: timedelta = SECOND

    def due(self, since: datetime, end: datetime) -> set[Due]:
        """What is due from `since` to before `end`."""
        count = len(self.ids)
        found = ((job_id, self.first + number * self.every / count) for number, job_id in enumerate(self.ids))
        return {(job_id, due) for job_id, first in found for due in dues(first, self.every, end) if due >= since}


def begin(found: Hosts, count: int, every: timedelta = SECOND, **fields: Any) -> Grid:
    """Make jobs through the first node, and wait until the first is due."""
    first = datetime.now(UTC).replace(microsecond=0) + LEAD
    asked = [
        {"task": "date", "name": f"job {number}", "interval": {"seconds": every.total_seconds()},
         "start": (first + number * every / count).isoformat(), **fields}
        for number in range(count)
    ]  # fmt: skip
    ids, _ = post_jobs(found.nodes[0], asked, connections=min(count, 4))
    if datetime.now(UTC) > first:
        raise NotMeasured("the jobs could not be posted before the first was due")
    sleep_until(first)
    return Grid(ids, first, every)


def finish(found: Hosts, grid: Grid) -> tuple[dict[Due, list[dict[str, Any]]], dict[Due, list[datetime]]]:
    """Take the jobs away and wait for their runs; (what the record says, when programs began) for each due."""
    time.sleep(LATEST)
    found.nodes[0].remove_jobs(grid.ids)
    with found.nodes[0].caller() as caller, suppress(NotMeasured):  # what has no end then is seen in the record
        active = ("/runs?state=running&limit=1", "/runs?state=stopping&limit=1")
        until(lambda: not any(caller.get(path)["values"] for path in active), "runs do not end")
    record = recorded(found.nodes[0], grid.ids, grid.every)
    due_of = {run["id"]: due for due, runs in record.items() for run in runs}
    began: dict[Due, list[datetime]] = {}
    for run_id, words in found.printed().items():
        times = [datetime.fromtimestamp(float(word), UTC) for word in words]
        began.setdefault(due_of.get(run_id, (run_id, grid.first)), []).extend(times)
    return record, began


def sleep_until(end: datetime) -> None:
    """Not at all if that has passed."""
    time.sleep(max((end - datetime.now(UTC)).total_seconds(), 0))


def until(true: Callable[[], bool], otherwise: str, seconds: float = PATIENCE) -> float:
    """Wait until that is so; the seconds that it took."""
    begun = time.monotonic()
    while not true():
        if time.monotonic() - begun > seconds:
            raise NotMeasured(f"{otherwise} ({seconds:g} s)")
        time.sleep(0.02)
    return time.monotonic() - begun
