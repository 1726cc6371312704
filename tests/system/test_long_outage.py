"""The database is away for five minutes: what becomes of runs where the lease is shorter than that."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from jobsched.verify import verify
from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, is_gone, until

OUTAGE = 300.0  # seconds
EARLIEST = 0.3  # of the lease
SOON = 60.0  # seconds until a node that hears the database again has said what it knows
GATED = """#!/bin/sh
echo begun
while [ ! -e "$JOBSCHED_PARAM_GATE" ]; do sleep 0.1; done
echo went on
exit 3
"""


@attrs.frozen
class Begun:
    """A run, and its process."""

    path: str
    process: psutil.Process
    gate: Path


@attrs.frozen
class Cluster:
    """Two nodes with one lease. Runs are started at the one that is asked."""

    lease: float
    url: str
    folder: Path
    nodes: list[Daemon]
    ask: Caller

    def begun(self, name: str, **more: Any) -> Begun:
        gate = self.folder / name
        job = self.ask.make("gated", 3600, parameters={"gate": str(gate)}, name=name, **more)
        run = self.ask.run(job)
        pid = until(lambda: self.ask.get(run)["pid"])
        return Begun(run, psutil.Process(pid), gate)

    def becomes(self, run: Begun, state: str) -> Any:
        """The run, once it is in this state."""
        return until(lambda: (found := self.ask.get(run.path))["state"] == state and found, SOON)

    def is_there(self) -> bool:
        return "node two is there" in self.nodes[0].log


def ends(run: Begun, seconds: float) -> None:
    until(lambda: is_gone(run.process), seconds)


@pytest.fixture
def clusters(tmp_path: Path, running: Callable[[str], Server]) -> Iterator[list[Cluster]]:
    server = running("postgresql")
    with ExitStack() as stack:
        found = []
        for lease in (10.0, 150.0):
            url = server.create_database(f"outage_{lease:.0f}")
            stack.callback(server.drop_database, f"outage_{lease:.0f}")
            nodes = [stack.enter_context(daemon_in(tmp_path / f"{lease:.0f} {name}")) for name in ("one", "two")]
            for node in nodes:
                name = node.folder.name.split()[1]
                node.options(f"NODE_NAME = {name!r}\nLEASE = {lease}\nSCHED_CONFIG['store'] = {url!r}")
                node.options(f"JOB_LIVETIME = 3600\nNODE_TAGS = {{'name': {name!r}}}")
                node.script("gated", GATED)
                node.section("parameters = gate\n")
                node.start()
            found.append(Cluster(lease, url, tmp_path, nodes, Caller(nodes[0])))
            until(found[-1].is_there)
        yield found


@pytest.mark.long
def test_runs_where_the_database_is_away_for_five_minutes(
    clusters: list[Cluster], running: Callable[[str], Server]
) -> None:
    shapes: dict[str, dict[str, Any]] = {
        "ends": {"retries": 1, "retry_delay": 0.1},
        "keeps": {"on_isolation": "keep"},
        "over": {"on_isolation": "keep"},
        "late": {"on_isolation": "keep", "timeout": 100},
    }
    runs = [
        {name: each.begun(f"{name} {each.lease:.0f}", require={"name": "one"}, **more) for name, more in shapes.items()}
        for each in clusters
    ]
    server = running("postgresql")
    server.stop("fast")
    begun = time.monotonic()
    for each, its in zip(clusters, runs, strict=True):
        time.sleep(max(EARLIEST * each.lease - (time.monotonic() - begun), 0))
        assert not is_gone(its["ends"].process), "nothing ends within 0.7 of the lease, less the last heartbeat's age"
        ends(its["ends"], each.lease)
        assert time.monotonic() - begun < each.lease, "others may start it again from then on"
        its["over"].gate.touch()
        ends(its["over"], SOON)
    time.sleep(max(OUTAGE - (time.monotonic() - begun), 0))
    for its in runs:
        assert not is_gone(its["keeps"].process)
        assert is_gone(its["late"].process), "deadlines hold"
    server.start()
    for each, its in zip(clusters, runs, strict=True):
        all_is_known(each, its)
        assert [str(fault) for fault in verify(each.url, whole=True)] == []


def all_is_known(cluster: Cluster, its: dict[str, Begun]) -> None:
    """What went on is known, with the outcome that it came to; the other was lost, and is tried again."""
    ask = cluster.ask
    cluster.becomes(its["keeps"], "running")
    found = cluster.becomes(its["over"], "failed")
    assert (found["exit_code"], ask.text(f"{its['over'].path}/output")) == (3, "begun\nwent on\n")
    assert cluster.becomes(its["late"], "timed_out")["duration"] == pytest.approx(100, abs=5)
    its["keeps"].gate.touch()
    assert ask.ended(its["keeps"].path)["exit_code"] == 3
    lost = ask.get(its["ends"].path)
    assert (lost["state"], lost["signal"]) == ("lost", "SIGTERM"), lost
    its["ends"].gate.touch()
    again = ask.run_in(f"/jobs/{lost['job_id']}", "failed")
    assert (again["attempt"], again["exit_code"]) == (2, 3)
