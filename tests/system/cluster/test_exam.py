"""The exam: three nodes, sixty jobs each second, and whatever may happen to nodes, clocks and databases.

Afterwards nothing may have been started twice, every due has one outcome, every outcome comes from a node that existed,
and nothing is left running.
"""

from __future__ import annotations

import time

import pytest

from tests.system.cluster.cluster import Cluster

JOBS = 60


@pytest.fixture
def busy(cluster: Cluster) -> Cluster:
    """At work, on two sound nodes and one whose wall clock is half a minute ahead."""
    cluster.wrong_clock("gamma", 30)
    cluster.start()
    cluster.schedule(JOBS)
    return cluster


def test_nothing_happens(busy: Cluster) -> None:
    time.sleep(5)
    busy.check()
    assert len({run.node for run in busy.runs() if run.node}) == 3
