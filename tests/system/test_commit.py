"""A database that is gone the moment after it has committed an order: what was done is answered, and not denied."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs
import pytest
from sqlalchemy.engine import make_url

from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, until
from tests.system.proxy import Proxy, proxy_to


@attrs.frozen
class World:
    daemon: Daemon
    ask: Caller
    proxy: Proxy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, running: Callable[[str], Server]) -> Iterator[World]:
    server = running("postgresql")
    url = make_url(server.create_database("committed"))
    with proxy_to(server.port) as proxy, daemon_in(tmp_path_factory.mktemp("commit") / "daemon") as daemon:
        store = url.set(port=proxy.port).render_as_string(hide_password=False)
        daemon.options(f"SCHED_CONFIG = {{'store': {store!r}}}\nNODE_NAME = 'alpha'")
        daemon.start()
        yield World(daemon, Caller(daemon), proxy)
    server.drop_database("committed")


@pytest.fixture
def job(world: World) -> Iterator[str]:
    job = world.ask.make("example", 3600)
    yield job
    world.proxy.back()
    until(lambda: world.ask.ask("DELETE", job).status == 200)


@pytest.mark.parametrize(
    ("method", "path", "body", "field", "value"),
    [("PATCH", "", {"name": "other"}, "name", "other"), ("POST", "/pause", None, "paused", True)],
)
def test_a_committed_order_is_answered_with_what_it_made(world, job, method, path, body, field, value):
    world.proxy.strike("UPDATE jobs SET id=")  # which a look at the clock after the start does not send
    answer = world.ask.ask(method, job + path, body, if_match='"1"')
    assert world.proxy.struck.is_set(), "the store was cut off before this was answered"
    assert answer.status == 200, answer.content
    assert answer.json[field] == value
    assert answer.headers["etag"].startswith('"2.')

    world.proxy.back()
    until(lambda: world.ask.ask("GET", job).status == 200)
    assert world.ask.get(job)[field] == value
    assert world.ask.ask(method, job + path, body, if_match='"1"').status == 412


def test_a_new_run_that_cannot_be_followed_has_its_address(world, job):
    world.proxy.strike("INSERT INTO runs")
    answer = world.ask.ask("POST", f"{job}/run?follow=1")
    assert world.proxy.struck.is_set(), "the store was cut off before this was answered"
    assert (answer.status, answer.content) == (202, b"")

    world.proxy.back()
    run = answer.headers["location"]
    until(lambda: world.ask.ask("GET", run).status == 200)
    assert world.ask.ended(run)["cause"] == "manual"
    world.daemon.says(f"run {run.rpartition('/')[2]} was made, but its output cannot be followed")
