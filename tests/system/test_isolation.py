"""Three nodes with executors: one is cut off from the database, one's daemon is killed, the database is away."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from jobsched.executor.hand import EVERY
from jobsched.model.run import KEPT
from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, is_gone, until
from tests.system.proxy import Proxy, proxy_to

MONGODB = "mongodb"
LEASE = 14  # the database is away for less and comes back in time, on a busy machine too
GIVEN_UP = 0.7 * LEASE  # seconds without a heartbeat after which a node ends its runs
LATE = LEASE + 20.0  # seconds after which others have surely taken a node for dead
NAMES = ("far", "near", "next")
GATED = """#!/bin/sh
echo "$JOBSCHED_ATTEMPT begun"
while [ ! -e "$JOBSCHED_PARAM_GATE" ]; do sleep 0.05; done
echo "$JOBSCHED_ATTEMPT went on"
exit 3
"""


@attrs.frozen
class Begun:
    """A run that goes on at the node `far`."""

    path: str
    job: str
    process: psutil.Process
    gate: Path


@attrs.frozen
class Three:
    """The node `far` reaches the database by the proxy; `near` is asked."""

    folder: Path
    nodes: dict[str, Daemon]
    server: Server
    proxy: Proxy
    ask: Caller

    @property
    def far(self) -> Daemon:
        return self.nodes["far"]

    def begun(self, name: str, **more: Any) -> Begun:
        gate = self.folder / name
        asked = {"retries": 1, "retry_delay": 0.1, "parameters": {"gate": str(gate)}, "name": name, **more}
        for _ in range(20):  # the node that is asked starts it, if no other is faster; a retry may be anywhere
            job = self.ask.make("gated", 3600, **asked)
            path = Caller(self.far).run(job)
            process = psutil.Process(self._pid(path))
            if self.ask.get(path)["node"] == "far":
                break
            assert self.ask.ask("DELETE", f"{job}?cancel=1").status == 200
        until(lambda: self.ask.text(f"{path}/output"))
        return Begun(path, job, process, gate)

    def _pid(self, run: str) -> int:
        return int(until(lambda: self.ask.get(run)["pid"]))

    def seen(self) -> dict[str, str]:
        """When each living node was heard last; none, while the database is away."""
        answer = self.ask.ask("GET", "/nodes")
        nodes = answer.json["values"] if answer.status == 200 else []
        return {node["name"]: node["seen"] for node in nodes if node["state"] == "alive"}

    def is_back(self) -> bool:
        return sorted(self.seen()) == sorted(NAMES)


@pytest.fixture(
    scope="module", params=["postgresql", pytest.param(MONGODB, marks=[pytest.mark.mongodb, pytest.mark.long])]
)
def three(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, running: Callable[[str], Server]
) -> Iterator[Three]:
    server, folder = running(request.param), tmp_path_factory.mktemp("isolation")
    url = server.create_database("isolation")
    direct = (
        "?directConnection=true" if request.param == MONGODB else ""
    )  # else its driver finds the way past the proxy
    with (
        proxy_to(server.port) as proxy,
        daemon_in(folder / "far") as far,
        daemon_in(folder / "near") as near,
        daemon_in(folder / "next") as other,
    ):
        nodes = dict(zip(NAMES, (far, near, other), strict=True))
        for name, node in nodes.items():
            to = url.replace(f":{server.port}/", f":{proxy.port}/") + direct if name == "far" else url
            node.options(f"NODE_NAME = {name!r}\nLEASE = {LEASE}\nEXECUTORS = 1")
            node.options(f"NODE_URL = 'http://127.0.0.1:{node.port}'\nSCHED_CONFIG['store'] = {to!r}")
            node.options("KILL_GRACE = 1\nJOB_LIVETIME = 600")
            node.script("gated", GATED)
            node.section("parameters = gate\n")
            node.launch()
        for node in nodes.values():
            until(node.answers)
        three = Three(folder, nodes, server, proxy, Caller(near))
        until(three.is_back)
        yield three
    server.drop_database("isolation")


def is_ended(three: Three, run: Begun) -> None:
    """Its process is gone, before others take its node for dead."""

    def gone() -> bool:
        state = three.ask.get(run.path)["state"]
        if not is_gone(run.process):
            assert state != "lost"
            return False
        return True

    until(gone)


def taken_for_lost(three: Three, run: Begun) -> Any:
    """A run, once others have taken its node for dead."""
    return until(lambda: (found := three.ask.get(run.path))["state"] == "lost" and found, LATE)


def is_lost_elsewhere(three: Three, ends: Begun, keeps: Begun) -> None:
    """The one was dead before it was lost, and was tried again; the other goes on, and was not."""
    assert taken_for_lost(three, ends)["isolated"] is None
    assert is_gone(ends.process)
    ends.gate.touch()
    again = three.ask.run_in(ends.job, "failed")
    assert (again["attempt"], again["exit_code"], again["node"] in {"near", "next"}) == (2, 3, True)
    found = taken_for_lost(three, keeps)
    assert (found["isolated"], found["reason"].endswith(KEPT)) == (found["ended"], True)
    assert not is_gone(keeps.process)
    assert len(three.ask.runs(keeps.job)) == 1


def goes_on(three: Three, run: Begun) -> None:
    """It runs again by the record, ends by itself, and is tried again only then."""

    def back() -> Any:
        found = three.ask.get(run.path)
        return found["state"] == "running" and found["isolated"] is not None and found

    found = until(back, LATE)
    assert (found["pid"], found["node"], found["ended"]) == (run.process.pid, "far", None)
    run.gate.touch()
    has_its_outcome(three, run)


def has_its_outcome(three: Three, run: Begun) -> None:
    """The true one, with all that it printed; then it is tried again."""
    found = until(lambda: (found := three.ask.get(run.path))["state"] == "failed" and found, LATE)
    assert (found["exit_code"], found["isolated"] is None) == (3, False)
    assert three.ask.text(f"{run.path}/output") == "1 begun\n1 went on\n"
    assert three.ask.run_in(run.job, "failed", at_least=2)["attempt"] == 2


def test_one_node_of_three_is_cut_off(three: Three) -> None:
    ends, keeps = three.begun("ends"), three.begun("keeps", on_isolation="keep")
    over, unwanted = (three.begun(name, on_isolation="keep") for name in ("over", "unwanted"))
    three.proxy.go()
    is_ended(three, ends)
    over.gate.touch()
    until(lambda: is_gone(over.process))
    is_lost_elsewhere(three, ends, keeps)
    assert taken_for_lost(three, over)["isolated"] is not None
    taken_for_lost(three, unwanted)
    assert three.ask.ask("POST", f"{unwanted.path}/cancel").status == 409, "not until its node is heard"
    three.proxy.back()
    goes_on(three, keeps)
    has_its_outcome(three, over)
    until(lambda: three.ask.get(unwanted.path)["state"] == "running", LATE)
    assert three.ask.ask("POST", f"{unwanted.path}/cancel").status in (200, 202)
    assert three.ask.ended(unwanted.path)["state"] == "cancelled"
    assert is_gone(unwanted.process)
    until(three.is_back)


def test_the_daemon_of_one_is_killed_and_another_comes_late(three: Three) -> None:
    ends, keeps = three.begun("ends too"), three.begun("keeps too", on_isolation="keep")
    over = three.begun("over too", on_isolation="keep")
    three.far.kill()
    is_ended(three, ends)
    over.gate.touch()
    until(lambda: is_gone(over.process))
    is_lost_elsewhere(three, ends, keeps)
    three.far.start()
    goes_on(three, keeps)
    has_its_outcome(three, over)
    until(three.is_back)


def test_daemon_and_executor_of_one_are_killed(three: Three) -> None:
    """Nothing there ends what they ran but the next daemon; what was kept is tried again when that says it is gone."""
    keeps, ends = three.begun("dead", on_isolation="keep"), three.begun("dead too")
    executor = keeps.process.parent()
    assert executor is not None
    three.far.kill()
    executor.kill()
    for run in (keeps, ends):
        taken_for_lost(three, run)
    assert three.ask.run_in(ends.job, "running", "waiting")["attempt"] == 2
    assert not is_gone(ends.process), "design.rst says so"
    keeps.gate.touch()
    until(lambda: is_gone(keeps.process))
    assert len(three.ask.runs(keeps.job)) == 1
    three.far.start()
    until(lambda: is_gone(ends.process))
    ends.gate.touch()
    assert three.ask.run_in(ends.job, "failed")["attempt"] == 2
    assert three.ask.run_in(keeps.job, "failed")["attempt"] == 2
    found = three.ask.get(keeps.path)
    assert (found["state"], found["reason"]) == (
        "lost", "the daemon that ran it is gone; its process had ended, how is not known",
    )  # fmt: skip
    until(three.is_back)


def test_the_executor_that_is_left_ends_what_a_killed_one_ran(three: Three) -> None:
    assert three.far.stop() == 0
    three.far.options("EXECUTORS = 2")
    mark = len(three.far.log)
    three.far.start()
    for name in ("1", "2"):
        three.far.says(f"executor {name} is there", mark)
    until(three.is_back)
    ends, keeps = three.begun("of two"), three.begun("of two, kept", on_isolation="keep")
    executor = ends.process.parent()
    assert executor is not None
    time.sleep(3 * EVERY)  # within one, all executors know of a run
    three.far.kill()
    executor.kill()
    is_ended(three, ends)
    taken_for_lost(three, ends)
    ends.gate.touch()
    again = three.ask.run_in(ends.job, "failed")
    assert (again["attempt"], again["node"] in {"near", "next"}, is_gone(keeps.process)) == (2, True, False)
    keeps.gate.touch()
    until(lambda: is_gone(keeps.process))
    three.far.options("EXECUTORS = 1")
    three.far.start()
    until(three.is_back, LATE)


def test_the_database_is_away_for_less_and_for_more(three: Three) -> None:
    ends, keeps = three.begun("away"), three.begun("away, kept", on_isolation="keep")
    three.server.stop("fast")
    time.sleep(3)  # a heartbeat comes every two
    three.server.start()
    until(three.is_back)
    before = three.seen()
    until(lambda: three.is_back() and all(seen > before[name] for name, seen in three.seen().items()))
    assert [three.ask.get(run.path)["state"] for run in (ends, keeps)] == ["running"] * 2
    assert not is_gone(ends.process)
    begun = time.monotonic()
    three.server.stop("fast")
    until(lambda: is_gone(ends.process))
    assert time.monotonic() - begun > GIVEN_UP / 3, "a heartbeat is 2 s old, a ping 1 s, or more on a busy machine"
    time.sleep(max(LEASE + 1 - (time.monotonic() - begun), 0))
    three.server.start()
    goes_on(three, keeps)
    taken_for_lost(three, ends)
    ends.gate.touch()
    assert three.ask.run_in(ends.job, "failed")["attempt"] == 2
    until(three.is_back, LATE)
