"""The exam: three nodes, sixty jobs each second, and whatever may happen to nodes, clocks and databases.

Afterwards nothing may have been started twice, every due has one outcome, every outcome comes from a node that existed,
and nothing is left running. One node's wall clock is half a minute ahead, all the time.
"""

from __future__ import annotations

import re
import time

import pytest

from jobsched.model.node import TWIN
from tests.system.caller import Caller
from tests.system.cluster.cluster import Cluster
from tests.system.daemon import GENEROUS, until

JOBS = 56  # and four with long runs
GENTLE = 9  # and one: SecantusDB takes 4 to 12 claims a second from several nodes
LEASE_OVER = re.compile("could not be reached|executor ended it")  # by a daemon, by an executor
SECONDS = 3.0  # between two dues of a job there
MONGODB = pytest.param("mongodb", marks=[pytest.mark.mongodb, pytest.mark.long])
USUAL = pytest.mark.parametrize("kind", ["postgresql", MONGODB])
EVERY = pytest.mark.parametrize("kind", ["postgresql", "mysql", MONGODB])


@pytest.fixture
def busy(cluster: Cluster) -> Cluster:
    """At work."""
    cluster.wrong_clock("gamma", 30)
    gentle = cluster.server.kind == "mongodb"
    for node in cluster.nodes.values() if gentle else ():
        node.options("EXECUTORS = 0")  # so few runs would hardly be lost otherwise; test_executors has them on MongoDB
    cluster.start()
    if gentle:
        cluster.schedule(GENTLE, long=1, every=SECONDS)
    else:
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
    while time.monotonic() < end or broken <= 10:
        assert time.monotonic() < end + GENEROUS, f"only {broken} connections could be cut"
        broken += cluster.cut(0.3)
        go_on(0.2)


@USUAL
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
    all_of_them = {"succeeded", "failed", "skipped", "cancelled", "lost"}
    assert (all_of_them if len(busy.jobs) > JOBS else {"succeeded", "lost"}) <= states(busy)


@USUAL
def test_a_node_that_is_frozen_for_longer_than_its_lease(busy: Cluster) -> None:
    go_on(3)
    until(lambda: [run for run in busy.runs() if run.state == "running" and run.node == "beta"])
    with busy.frozen("beta"):
        go_on(20)
    go_on(1)
    with busy.frozen("gamma"):
        go_on(4)
    busy.check()
    assert [run for run in busy.runs() if run.state == "lost" and run.node == "beta"]


@USUAL
def test_a_database_is_stopped_briefly_and_beyond_the_lease(busy: Cluster) -> None:
    with busy.outage("fast"):
        go_on(2)
    go_on(3)
    with busy.outage("immediate"):
        go_on(11)
    busy.check()
    assert [run for run in busy.runs() if run.state == "lost" and LEASE_OVER.search(run.reason)]


@USUAL
def test_connections_are_cut_and_a_second_node_has_the_name(busy: Cluster) -> None:
    cut_often(busy, 5)
    busy.add("twin", called="alpha")
    busy.start("twin")
    until(lambda: [node["problem"] for node in Caller(busy.nodes["beta"]).get("/nodes")["values"]].count(TWIN) == 2)
    cut_often(busy, 2)
    busy.kill("twin")
    busy.check()
    busy.nodes["alpha"].says("another living node is called alpha too")


def test_runs_in_executors_go_through_kills_and_outages(cluster: Cluster) -> None:
    for node in cluster.nodes.values():
        node.options("EXECUTORS = 2")
    cluster.start()
    cluster.schedule(JOBS // 2)
    go_on(3)
    cluster.kill("alpha")
    cluster.start("alpha")
    cluster.kill("beta")  # for longer than its lease
    with cluster.outage("fast"):
        go_on(2)
    go_on(3)
    with cluster.outage("immediate"):
        go_on(11)
    cluster.start("beta")
    cluster.check()
    cluster.nodes["alpha"].says(" goes on, pid ")
    assert {"succeeded", "failed", "skipped", "cancelled", "lost"} <= states(cluster)
    assert [run for run in cluster.runs() if run.state == "lost" and "executor ended it" in run.reason]


@EVERY
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


@pytest.mark.mongodb
@pytest.mark.parametrize("kind", ["mongodb"])
def test_a_minute_of_it_on_mongodb(busy: Cluster) -> None:
    """What each change goes through; `.ci/long` has all the others."""
    go_on(3)
    with busy.outage("immediate"):
        go_on(2)
    with busy.frozen("alpha"):  # for longer than its lease
        go_on(12)
    cut_often(busy, 3)
    busy.kill("beta")
    busy.kill("gamma")
    busy.start("gamma")
    go_on(11)  # longer than the lease of the one that stays away
    busy.start("beta")
    busy.check()
    assert {"succeeded", "lost"} <= states(busy)
