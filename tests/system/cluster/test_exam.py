"""The exam: three nodes, sixty jobs each second, and whatever may happen to nodes, clocks and databases.

Afterwards nothing may have been started twice, every due has one outcome, every outcome comes from a node that existed,
and nothing is left running. One node's wall clock is half a minute ahead, all the time.
"""

from __future__ import annotations

import time

import pytest

from jobsched.rest.nodes import TWIN
from tests.system.caller import Caller
from tests.system.cluster.cluster import Cluster
from tests.system.daemon import until

JOBS = 56  # and four with long runs
BOTH = pytest.mark.parametrize("kind", ["postgresql", "mysql"])


@pytest.fixture
def busy(cluster: Cluster) -> Cluster:
    """At work."""
    cluster.wrong_clock("gamma", 30)
    cluster.start()
    cluster.schedule(JOBS)
    return cluster


def states(cluster: Cluster) -> set[str]:
    return {run.state for run in cluster.runs()}


def go_on(seconds: float) -> None:
    """Dues come and go: a fault has to last, and there must be something between two of them."""
    time.sleep(seconds)


def cut_often(cluster: Cluster, seconds: float) -> None:
    """Break connections several times a second; some of them in the middle of a commit."""
    end, broken = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        broken += cluster.cut(0.3)
        go_on(0.2)
    assert broken > 10


def test_nodes_are_killed_and_come_back_one_by_one(busy: Cluster) -> None:
    for name in busy.nodes:
        go_on(3)
        busy.kill(name)
        busy.start(name)
    busy.kill("beta")  # for longer than its lease; and gamma right after its start
    busy.kill("gamma")
    busy.start("gamma")
    go_on(11)
    busy.start("beta")
    busy.check()
    assert {"succeeded", "failed", "skipped", "cancelled", "lost"} <= states(busy)


def test_a_node_that_is_frozen_for_longer_than_its_lease(busy: Cluster) -> None:
    go_on(3)
    with busy.frozen("beta"):
        go_on(20)
    go_on(1)
    with busy.frozen("gamma"):
        go_on(4)
    busy.check()
    assert [run for run in busy.runs() if run.state == "lost" and run.node == "beta"]


def test_a_database_is_stopped_briefly_and_beyond_the_lease(busy: Cluster) -> None:
    with busy.outage("fast"):
        go_on(2)
    go_on(3)
    with busy.outage("immediate"):
        go_on(11)
    busy.check()
    assert [run for run in busy.runs() if run.state == "lost" and "could not be reached" in run.reason]


def test_connections_are_cut_and_a_second_node_has_the_name(busy: Cluster) -> None:
    cut_often(busy, 5)
    busy.add("twin", called="alpha")
    busy.start("twin")
    until(lambda: [node["problem"] for node in Caller(busy.nodes["beta"]).get("/nodes")["values"]].count(TWIN) == 2)
    cut_often(busy, 2)
    busy.kill("twin")
    busy.check()
    assert "another living node is called alpha too" in busy.nodes["alpha"].log


@BOTH
def test_everything_at_once(busy: Cluster) -> None:
    busy.add("twin", called="beta")
    busy.start("twin")
    with busy.frozen("alpha"):
        cut_often(busy, 3)
        busy.kill("gamma")
        with busy.outage("immediate"):
            go_on(3)
        busy.start("gamma")
        busy.kill("twin")
        go_on(4)
        with busy.outage("fast"):
            go_on(8)
    busy.kill("beta")
    cut_often(busy, 3)
    busy.start("beta", "twin")
    cut_often(busy, 2)
    busy.kill("alpha")
    busy.kill("gamma")
    busy.start("alpha", "gamma")
    busy.check()
