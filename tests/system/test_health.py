"""A daemon that lives and one that can do its work are two things: what is told while the database is away."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.servers import PATIENCE, Server, started
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, until
from tests.system.pair import pair_in
from tests.system.samples import samples
from tests.system.secured import token

BOUND = 20.0  # seconds; two are promised, of a machine that does nothing else


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = started("postgresql")
    yield server
    server.close()


@pytest.fixture
def ask(tmp_path: Path, server: Server) -> Iterator[Caller]:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options(f"SCHED_CONFIG = {{'store': {server.create_database('health')!r}}}")
        daemon.options("NODE_NAME = 'secretname'\nLEASE = 10")
        yield Caller(daemon.start())
    server.drop_database("health")


def reasons(ask: Caller) -> list[str]:
    """Why it is not ready; asked and answered within a bound."""
    begun = time.monotonic()
    answer = ask.ask("GET", "/health/ready")
    assert time.monotonic() - begun < BOUND
    if answer.status == 200:
        assert answer.json["status"] == "ready"
        return []
    assert answer.fault == (503, "")
    assert answer.json["detail"] == "; ".join(fault["detail"] for fault in answer.json["errors"])
    return [fault["detail"] for fault in answer.json["errors"]]


def test_without_its_database_it_is_not_ready_and_says_why(ask: Caller, server: Server) -> None:
    until(lambda: not reasons(ask))
    before = until(lambda: (found := samples(ask.text("/metrics")))["jobsched_ready",] == 1 and found)
    assert 0 < before["jobsched_lease_remaining_seconds",] <= 7
    assert before["jobsched_lease_seconds",] == 10
    server.stop()
    try:
        found = until(lambda: len(why := reasons(ask)) >= 2 and why, PATIENCE)
        assert found[0].startswith("the store does not answer: the store cannot be used now")
        assert "this node does not hold its lease" in found
        assert ask.ask("GET", "/health").status == 200
        until(lambda: any("what is due soon was looked at" in why for why in reasons(ask)), PATIENCE)

        begun = time.monotonic()
        away = samples(ask.text("/metrics"))
        assert time.monotonic() - begun < BOUND
        assert (away["jobsched_store_up",], away["jobsched_ready",], away["jobsched_fenced",]) == (0, 0, 1)
        assert away["jobsched_lease_remaining_seconds",] == 0
        assert away["jobsched_sweep_age_seconds",] > 15
        assert away["jobsched_jobs", "scheduled"] == 0  # as it was known last
        assert away["jobsched_store_errors_total", "unavailable", "read"] > 0
    finally:
        server.start()
    until(lambda: not reasons(ask), PATIENCE)
    until(lambda: samples(ask.text("/metrics"))["jobsched_ready",] == 1)
    said = [line for line in ask.daemon.log.splitlines() if "could not be answered" in line]
    assert said == []  # who asks every few seconds does not fill the log


def test_a_store_that_is_frozen_makes_nobody_wait_for_long(ask: Caller, server: Server) -> None:
    import psutil

    until(lambda: not reasons(ask))
    family = [psutil.Process(server.pid), *psutil.Process(server.pid).children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        found = until(lambda: reasons(ask))
        assert found[0].startswith("the store does not answer")
        begun = time.monotonic()
        page: dict[Any, float] = samples(ask.text("/metrics"))
        assert time.monotonic() - begun < BOUND
        assert page["jobsched_store_up",] == 0
        assert ask.ask("GET", "/health").status == 200
    finally:
        for process in family:
            process.resume()
    until(lambda: not reasons(ask), PATIENCE)


def test_a_stranger_is_told_no_names(tmp_path: Path, server: Server) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options(f"SCHED_CONFIG = {{'store': {server.create_database('strange')!r}}}")
        daemon.options("NODE_NAME = 'secretname'\nLEASE = 10")
        token(daemon, "somebody", "--scope", "read")
        ask = Caller(daemon.start())
        until(lambda: not reasons(ask))
        server.stop()
        try:
            found = until(lambda: len(why := reasons(ask)) >= 2 and why, PATIENCE)
        finally:
            server.start()
        assert found[:2] == ["the store does not answer", "this node does not hold its lease"]


def test_what_a_dead_node_left_is_counted_by_its_finder(tmp_path: Path, server: Server) -> None:
    with pair_in(tmp_path, server, lease=10) as pair:
        pair.start()
        pair.begun()
        until(lambda: samples(pair.ask.text("/metrics"))["jobsched_nodes_alive",] == 2)
        pair.worker.kill()
        key = ("jobsched_runs_total", "lost", "steps")
        found = until(lambda: (page := samples(pair.ask.text("/metrics")))[key] == 1 and page, PATIENCE)
        assert found["jobsched_nodes_alive",] == 1
        assert found["jobsched_dues_total", "lost"] == 0  # a caller's run is no due


def test_a_catalog_without_tasks_can_do_no_work(daemon: Daemon) -> None:
    (daemon.folder / "conf" / "catalog.cfg").write_text("")
    ask = Caller(daemon.start())
    until(lambda: reasons(ask) == ["the catalog has no tasks"])
    daemon.section("[runfoo]\nfile = runscript.py\nclass = RunScript\nscript = foo.bash\n")
    assert ask.ask("POST", "/catalog/reload").status == 200
    until(lambda: reasons(ask) == [])
