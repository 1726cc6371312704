"""Two daemons that share a MongoDB, from outside: what callers order, a daemon that is killed, a server that is."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import pytest
from pymongo import MongoClient

from tests.present import present
from tests.servers import PATIENCE, Server, started
from tests.system.caller import Caller
from tests.system.daemon import Daemon, until
from tests.system.followed import followed
from tests.system.pair import Pair, pair_in
from tests.system.proxy import LosingProxy, proxy_to

pytestmark = pytest.mark.mongodb


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with contextlib.closing(started("mongodb")) as one:
        yield one


@pytest.fixture(scope="module")
def pair(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    with pair_in(tmp_path_factory.mktemp("mongodb"), server) as one:
        one.start()
        yield one


def verified(pair: Pair) -> str:
    """What the command says of the store."""
    url = present(re.search(r", store (mongodb://[^;]+);", pair.front.log))[1]
    asked = [sys.executable, "-m", "jobsched.verify", "--whole", "--store", url]
    return subprocess.run(asked, capture_output=True, text=True, check=False, env=dict(os.environ)).stdout


def test_what_callers_order_is_done_on_the_other_node(pair: Pair) -> None:
    ask = pair.ask
    job = pair.job("few", name="ours")
    run = ask.run(job)
    assert (ask.ended(run)["state"], ask.get(run)["node"]) == ("succeeded", "worker")
    assert [each["state"] for each in ask.get(f"{job}/runs")["values"]] == ["succeeded"]
    assert pair.output(run).text == "one\ntwo\nthree\n"
    assert ask.get(f"{job}/why?at=12:00")["answer"] == "not_made_yet"
    assert ask.ask("PUT", "/hold", {"reason": "a fire"}).status == 201
    assert ask.ask("POST", f"{job}/run").status == 409
    assert ask.ask("DELETE", "/hold").status == 200
    assert ask.ask("DELETE", job).status == 200
    assert ask.ask("GET", job).status == 404
    assert [each["action"] for each in ask.get("/audit")["values"]] == [
        "job.delete", "hold.delete", "hold.put", "run.start", "job.create",
    ]  # fmt: skip


def test_a_set_is_put_and_followed_across_the_nodes(pair: Pair) -> None:
    """What one node numbers, another goes on from."""
    path = "/jobs?scope=team=data&prune=1"
    jobs = [{"id": name, "task": "few", "interval": {"hours": 1}} for name in ("one", "two")]
    plan = pair.ask.ask("PUT", f"{path}&plan=1", {"jobs": jobs})
    with followed(pair.front, "?kind=job") as stream:  # of nodes there may be other events at any time
        last = stream.begun().last
        done = pair.ask.ask("PUT", path, {"jobs": jobs}, if_match=plan.headers["etag"])
        assert [(part["id"], part["what"]) for part in done.json["values"]] == [("one", "create"), ("two", "create")]
        first = stream.next()
    assert pair.ask.ask("PUT", path, {"jobs": jobs[:1]}, if_match=plan.headers["etag"]).status == 412
    changed = [{**jobs[0], "timeout": 5}]
    done = Caller(pair.worker).ask("PUT", path, {"jobs": changed}, if_match=done.headers["etag"])
    assert [(part["id"], part["what"]) for part in done.json["values"]] == [("one", "change"), ("two", "delete")]
    assert len(pair.ask.get(f"/audit?group={done.json['group']}")["values"]) == 3
    with followed(pair.worker, "?kind=job", first.number) as stream:
        told = [stream.next() for _ in range(3)]
    assert [(each.kind, each.data["id"]) for each in told] == [("job", "two"), ("job", "one"), ("job", "two")]
    numbers = [int(last), *(int(each.number or 0) for each in (first, *told))]
    assert numbers == sorted(set(numbers))


def test_what_ran_on_a_killed_daemon_is_lost_at_its_restart(pair: Pair) -> None:
    run, _ = pair.begun()
    pair.worker.kill_all()
    pair.worker.start()
    lost = until(lambda: (found := pair.ask.get(run))["state"] != "running" and found)
    assert (lost["state"], lost["node"]) == ("lost", "worker")


def test_a_newer_store_is_refused_in_one_line(server: Server, daemon: Daemon) -> None:
    url = server.create_database("newer")
    with MongoClient[dict[str, Any]](url) as client:
        client.get_default_database()["settings"].insert_one({"_id": "schema", "value": 99})
    daemon.options(f"SCHED_CONFIG = {{'store': {url!r}}}")
    status, said = daemon.run()
    assert status == 1
    (line,) = said.splitlines()
    assert line.endswith("was made by a newer Jobsched (schema 99); upgrade this one, or give it another store")


def test_a_claim_whose_commit_was_made_and_not_answered(server: Server, daemon: Daemon) -> None:
    """The sweep finds it: nothing is started twice, and nothing waits for ever."""
    place = urlsplit(server.create_database("unknown"))
    with proxy_to(place.port or 27017, LosingProxy) as proxy:
        url = urlunsplit(place._replace(netloc=f"127.0.0.1:{proxy.port}", query="directConnection=true"))
        daemon.options(f"SCHED_CONFIG = {{'store': {url!r}}}\nLEASE = 60")
        daemon.script("note", f"#!/bin/sh\necho $JOBSCHED_RUN_ID >>{daemon.folder}/notes\n")
        ask = Caller(daemon.start())
        job = ask.make("note")
        proxy.strike("is running")  # as the claim writes it of the run
        run = ask.run(job)
        until(proxy.struck.is_set)
        until(lambda: re.search(r"no heartbeat of node \S+ for (1[2-9]|[2-9]\d) s", daemon.log), PATIENCE)  # it gave up
        proxy.back()
        until(lambda: "1 run claimed, but the store's answer was lost: started now" in daemon.log, PATIENCE)
        until(lambda: ask.ask("GET", run).status == 200, PATIENCE)
        assert ask.ended(run)["state"] == "succeeded"
        assert [each["attempt"] for each in ask.runs(job)] == [1]
        assert (daemon.folder / "notes").read_text() == f"{run.rpartition('/')[2]}\n"
        daemon.stop()


def test_a_server_that_is_killed_costs_no_run_and_no_due(pair: Pair, server: Server) -> None:
    ticking = pair.job("few", interval={"seconds": 1}, catch_up="all", overlap="allow")
    run, step = pair.begun()
    until(lambda: pair.ask.get(f"{ticking}/runs")["values"])
    server.kill()
    until(lambda: "Connection refused" in pair.worker.log, PATIENCE)
    server.start()
    until(lambda: pair.ask.ask("GET", run).status == 200, PATIENCE)  # not at once: its driver has to see it
    before = len(pair.ask.get(f"{ticking}/runs?limit=1000")["values"])
    for number in (1, 2, 3):
        step(number)
    assert pair.ask.ended(run)["state"] == "succeeded"
    until(lambda: len(pair.ask.get(f"{ticking}/runs?limit=1000")["values"]) > before, PATIENCE)
    states = {each["state"] for each in pair.ask.get(f"{ticking}/runs?limit=1000")["values"] if each["ended"]}
    assert states == {"succeeded"}
    assert verified(pair).endswith(" runs: no violations\n")
