"""Several daemons on one throw-away database server: one scheduler, and what may happen to it."""

from __future__ import annotations

import contextlib
import random
import re
import signal
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from itertools import count
from pathlib import Path
from typing import Any

from pymongo import MongoClient
from sqlalchemy import Engine, text

from jobsched.model.run import STARTED, Run
from jobsched.store.contract.store import Snapshot
from jobsched.store.opening import snapshot
from jobsched.store.sql.engine import connect
from jobsched.verify import verify
from tests.present import present
from tests.servers import Server
from tests.system.caller import Caller
from tests.system.cluster import witness
from tests.system.daemon import Daemon, is_executor, until

PATIENCE = 60.0  # seconds for the cluster to be itself again after the last fault
SLOTS = 40  # runs at once on each node
FRESH = timedelta(seconds=5)  # a node that was seen so recently has the store
BEHIND = timedelta(seconds=3)  # no due is left undecided for so long in a sound cluster
LONG, LONG_ONES = "long", 4  # the name of jobs whose runs are still there after any outage, and how many there are
NEAR = timedelta(seconds=6)
EVIDENCE = 25  # violations of which the log is shown

# Found by Python before anything else is imported, Twisted included: to this process the wall clock is wrong.
WRONG_CLOCK = """
import time
right, right_ns = time.time, time.time_ns
time.time = lambda: right() + {seconds}
time.time_ns = lambda: right_ns() + {seconds} * 1_000_000_000
"""

_CUT = {
    "postgresql": "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE application_name = 'jobsched' AND pid <> pg_backend_pid() AND random() < :chance",
    "mysql": "SELECT id FROM information_schema.processlist WHERE db = DATABASE() AND id <> CONNECTION_ID()",
}
# What MongoDB's server is told to answer by cutting the connection.
CUT_COMMANDS = ("find", "insert", "update", "findAndModify", "delete", "commitTransaction", "getMore")
_number = count()


class Cluster:
    """Nodes by their names. They run jobs whose scripts write to `notes`; `check` says whether all fits together."""

    def __init__(self, folder: Path, server: Server, names: Sequence[str]) -> None:
        self.server = server
        self.url = server.create_database(f"exam{next(_number)}")
        self.notes = folder / "notes"
        self.nodes: dict[str, Daemon] = {}
        self.jobs: list[str] = []
        self._folder = folder
        self._engine: Engine | None = None if server.kind == "mongodb" else connect(self.url)
        for name in names:
            self.add(name)

    # nodes

    def add(self, name: str, called: str | None = None, wrong_by: int = 0) -> Daemon:
        """A node, not started yet; `called` as another is, perhaps, or with a wall clock `wrong_by` so many seconds."""
        node = self.nodes[name] = Daemon(self._folder / name)
        node.options(f"NODE_NAME = {called or name!r}\nNODE_URL = 'http://127.0.0.1:{node.port}'")
        node.options(f"SCHED_CONFIG['store'] = {self.url!r}\nSCHED_CONFIG['max_running'] = {SLOTS}\nLEASE = 10")
        node.script("note", witness.SCRIPT)
        node.section("parameters = seconds, failures\n")
        node.environment = {"WITNESS_FILE": str(self.notes), "WITNESS_NODE": called or name}
        self.wrong_clock(name, wrong_by)
        return node

    def wrong_clock(self, name: str, seconds: int) -> None:
        """From its next start on."""
        node = self.nodes[name]
        (node.folder / "clock").mkdir(exist_ok=True)
        (node.folder / "clock" / "sitecustomize.py").write_text(WRONG_CLOCK.format(seconds=seconds))
        node.environment["PYTHONPATH"] = f"{node.folder / 'clock'}:{Path(__file__).parents[3]}"

    def start(self, *names: str) -> None:
        """Start those, or all, and wait until they answer and are nodes."""
        for name in names or self.nodes:
            self.nodes[name].launch()
        for name in names or self.nodes:
            until(self.nodes[name].answers)

    def kill(self, name: str) -> None:
        """As a power cut would, but for its scripts, which live on."""
        self.nodes[name].kill()

    @contextlib.contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """A node that neither dies nor does anything."""
        self.nodes[name].signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self.nodes[name].signal(signal.SIGCONT)

    # the database

    def cut(self, chance: float) -> int:
        """Break some of the connections to the database, whatever goes on in them; how many."""
        if self._engine is None:
            return self._cut_mongodb(chance)
        with self._engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
            kind = connection.dialect.name
            found = connection.execute(text(_CUT[kind]), {"chance": chance} if kind == "postgresql" else {}).all()
            if kind == "postgresql":
                return len(found)
            doomed = [row.id for row in found if random.random() < chance]
            for number in doomed:
                with contextlib.suppress(Exception):  # it has gone by itself
                    connection.execute(text(f"KILL CONNECTION {number}"))
            return len(doomed)

    def _cut_mongodb(self, chance: float) -> int:
        """The same at the next commands, three for each node at most."""
        times = sum(random.random() < chance for _ in range(3 * len(self.nodes)))
        data = {"failCommands": list(CUT_COMMANDS), "closeConnection": True}
        with MongoClient[dict[str, Any]](self.url) as client:
            client.admin.command("configureFailPoint", "failCommand", mode={"times": times}, data=data)
        return times

    @contextlib.contextmanager
    def outage(self, mode: Any) -> Iterator[None]:
        """The database server is stopped, and started again."""
        self.server.stop(mode)
        try:
            yield
        finally:
            self.server.start()
            self._dispose()

    # jobs

    def schedule(self, number: int, long: int = LONG_ONES, every: float = 1) -> None:
        """So many jobs that are due each second, or `every` so many, all different, made through the nodes in turn; and
        some that are long."""
        callers = [Caller(node) for node in self.nodes.values()]
        for n in range(number):
            self.jobs.append(callers[n % len(callers)].make("note", every, **variety(n)))
        for n in range(long):
            more = {"parameters": {"seconds": 20, "failures": 0}, "retries": n % 2}
            self.jobs.append(callers[n % len(callers)].make("note", every, name=LONG, **more))

    # what became of it

    def check(self) -> None:
        """The store by itself when the faults are over; then everything, when nothing runs any more."""
        self._settle()
        self._judge(list(map(str, verify(self.url, whole=True))))
        self._stop()
        self._wait(lambda: self._active() or self.processes(), "is left")
        self._judge([*map(str, verify(self.url)), *witness.contradictions(witness.read(self.notes), self.runs())])

    def runs(self) -> list[Run]:
        """Every run there is."""
        with snapshot(self.url) as view:
            return [run for _, _, runs in view.histories() for run in runs]

    def processes(self) -> list[str]:
        """What nodes have started and still lives."""
        daemons = {node.process.pid for node in self.nodes.values() if node.process is not None}
        found = [process for node in self.nodes.values() for process in node.alive() if process.pid not in daemons]
        return [str(process) for process in found if not is_executor(process)]

    def log(self, *words: str) -> list[str]:
        """The lines of all nodes' logs with one of these in them, by time."""
        found = []
        for name, node in self.nodes.items():
            found += [(line[:23], name, line) for line in node.log.splitlines() if any(word in line for word in words)]
        return [f"{name}: {line}" for _, name, line in sorted(found)]

    def close(self) -> None:
        """Leave nothing behind."""
        for node in self.nodes.values():
            node.clear()
        self._dispose()
        self.server.drop_database(self.url.rpartition("/")[2])

    def _around(self, run_ids: list[str]) -> list[str]:
        """The runs of the same job with dues not far from those."""
        known = {run.id: run for run in self.runs()}
        named = [known[run_id] for run_id in run_ids if run_id in known]
        near = [
            run
            for run in known.values()
            if any(run.job_id == other.job_id and abs(run.due - other.due) < NEAR for other in named)
        ]
        return [witness.at_length(run) for run in sorted(near, key=lambda run: (run.job_id, run.due, run.attempt))]

    def _settle(self) -> None:
        """Wait until every node that runs is known as one, no run is left with one that does not, no due is late."""
        self._dispose()
        expected = sorted(node.environment["WITNESS_NODE"] for node in self.nodes.values() if _runs(node))
        self._wait(lambda: self._unsettled(expected), "the cluster does not settle")

    def _unsettled(self, expected: list[str]) -> list[str]:
        with snapshot(self.url) as view:
            return unsettled(view, expected)

    def _dispose(self) -> None:
        """Leave connections that may be dead."""
        if self._engine is not None:
            self._engine.dispose()

    def _stop(self) -> None:
        """No more dues, asked for through the nodes in turn; what takes long is cancelled, through any of them."""
        callers = [Caller(node) for node in self.nodes.values() if _runs(node)]
        for n, job in enumerate(self.jobs):
            answer = callers[n % len(callers)].ask("POST", f"{job}/pause")
            assert answer.status == 200, answer
        for run in self.runs():
            if run.active and run.job_name == LONG:
                assert callers[0].ask("POST", f"/runs/{run.id}/cancel").status in {202, 409}

    def _wait(self, left: Any, words: str) -> None:
        end = time.monotonic() + PATIENCE
        while found := left():
            if time.monotonic() > end:
                self._judge([f"{words}: {each}" for each in found])
            time.sleep(0.2)

    def _active(self) -> list[str]:
        return [witness.describe(run) for run in self.runs() if run.active]

    def _judge(self, violations: list[str]) -> None:
        """Fail with all of them, and with what the logs say of the runs that they name."""
        if not violations:
            return
        named = dict.fromkeys(re.findall(r"run ([0-9a-f-]{36})", "\n".join(violations[:EVIDENCE])))
        evidence = self.log(*named) if named else []
        course = [line for line in self.log(" ERROR ", " WARNING ", "start now") if " run " not in line]
        pieces = [
            f"{len(violations)} violations:", *violations[:200],
            "", "what is recorded of the first:", *self._around(list(named)[:2]),
            "", "what the logs say of them:", *evidence[:300],
            "", "warnings and errors:", *course[-200:],
        ]  # fmt: skip
        raise AssertionError("\n".join(pieces))


def variety(number: int) -> dict[str, Any]:
    """The rest of what job `number` is to be: runs of 0 to 3 s; short ones may fail, and are tried again or not."""
    seconds = [0, 0.2, 0, 0.7, 1.4, 0, 3][number % 7]
    failures = [0, 0, 1, 0, 0, 2][number % 6] if seconds < 1 else 0
    fields: dict[str, Any] = {
        "name": f"job{number}",
        "overlap": ["skip", "queue", "skip", "replace", "allow"][number % 5],
        "catch_up": ["latest", "latest", "all", "none"][number % 4],
        "parameters": {"seconds": seconds, "failures": failures},
        "misfire_grace": [60, 60, 2][number % 3],
    }
    if number % 4 != 1:
        fields |= {"retries": 1 + number % 2, "retry_delay": 1}
    return fields


def _runs(node: Daemon) -> bool:
    return node.process is not None and node.process.poll() is None


def unsettled(view: Snapshot, expected: list[str]) -> list[str]:
    """What is not as it should be while nothing goes wrong."""
    instant = present(view.now())
    living = [node for node in view.nodes().values() if node.state == "alive" and node.seen > instant - FRESH]
    names = sorted(node.name for node in living)
    found = [] if names == expected else [f"the living nodes are {names}, not {expected}"]
    ids = {node.id for node in living}
    for _, job, runs in view.histories():
        found += [witness.describe(run) for run in runs if run.state in STARTED and run.node_id not in ids]
        if job is not None and job.next_due is not None and job.next_due < instant - BEHIND:
            found.append(f"job {job.id} is still due at {job.next_due.isoformat()}")
    return found
