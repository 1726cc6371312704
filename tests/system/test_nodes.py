"""What a daemon says of itself as a node, and what a job says of nodes, through HTTP."""

import contextlib
from functools import partial

import pytest

import jobsched
from jobsched.model.node import TWIN
from tests.system.caller import Caller, instant
from tests.system.daemon import daemon_in, until
from tests.system.screens import Browser

OPTIONS = """
NODE_NAME = "alpha"
NODE_TAGS = {"disk": "ssd", "room": "1"}
NODE_URL = "http://alpha.example:58631/"
SCHED_CONFIG["max_running"] = 5
"""
GATE = '#!/bin/sh\nwhile [ ! -e "open-$JOBSCHED_JOB_NAME" ]; do sleep 0.05; done\n'


@pytest.fixture
def ask(tmp_path):
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.options(OPTIONS)
        daemon.script("gate", GATE)
        daemon.start()
        yield Caller(daemon)


def node(ask):
    """The node that began last."""
    return ask.get("/nodes")["values"][0]


def test_a_daemon_says_what_it_is(ask):
    shown = until(lambda: (found := node(ask))["seen"] > found["since"] and found)

    assert list(shown) == ["id", "name", "url", "tags", "tasks", "version", "since", "seen", "state", "running",
                           "slots", "claims", "problem"]  # fmt: skip
    assert (shown["name"], shown["url"]) == ("alpha", "http://alpha.example:58631")
    assert shown["tags"] == {"disk": "ssd", "room": "1"}
    assert shown["tasks"] == ask.get("/catalog")["tasks"]
    assert shown["version"] == jobsched.__version__
    assert (shown["state"], shown["problem"]) == ("alive", None)


def test_it_says_how_much_it_runs_and_what_it_can_run_now(ask):
    assert until(lambda: (found := node(ask))["slots"] == 5 and found)["running"] == 0
    run = ask.run(ask.make("gate", name="one"))
    shown = until(lambda: (found := node(ask))["running"] == 1 and found)
    assert shown["slots"] == 4

    (ask.daemon.folder / "open-one").touch()
    ask.ended(run)
    assert until(lambda: (found := node(ask))["running"] == 0 and found)["slots"] == 5

    ask.daemon.section("[another]\nfile = runscript.py\nclass = RunScript\nscript = gate.sh\n")
    tasks = ask.ask("POST", "/catalog/reload").json["tasks"]
    assert tasks[-1] == "another"
    until(lambda: node(ask)["tasks"] == tasks)


def test_each_start_is_another_node(ask):
    before = node(ask)
    assert ask.daemon.stop() == 0
    ask.daemon.start()
    after = until(lambda: (found := node(ask))["id"] != before["id"] and found)

    assert after["name"] == before["name"]
    assert instant(after["since"]) > instant(before["since"])
    assert after["problem"] is None


def test_every_node_tells_the_problem_of_another(pair):
    catalog = pair.worker.folder / "conf" / "catalog.cfg"
    whole = catalog.read_text()

    def told():
        shown = {row[1]: row[-1] for row in Browser(pair.front).open("/ui/nodes").rows()}
        same = {node["name"]: node["problem"] or "-" for node in pair.ask.get("/nodes")["values"]}
        return shown if shown == same else None

    well = {"front": "-", "worker": "-"}
    until(lambda: told() == well)
    catalog.write_text("")
    try:
        assert Caller(pair.worker).ask("POST", "/catalog/reload").status == 200
        until(lambda: told() == well | {"worker": "the catalog has no tasks"})
    finally:
        catalog.write_text(whole)
        Caller(pair.worker).ask("POST", "/catalog/reload")
    until(lambda: told() == well)


def test_nodes_of_one_name_are_told_so_until_one_has_gone(tmp_path, running):
    with contextlib.ExitStack() as stack:
        url = running("postgresql").create_database("twins")
        stack.callback(running("postgresql").drop_database, "twins")
        first, second, other = (stack.enter_context(daemon_in(tmp_path / name)) for name in ("one", "two", "three"))
        for daemon, name in ((first, "alpha"), (second, "alpha"), (other, "beta")):
            daemon.options(f"NODE_NAME = {name!r}\nSCHED_CONFIG['store'] = {url!r}")
            daemon.start()

        def shows(daemon, expected):
            found = Caller(daemon).get("/nodes")["values"]
            assert [node["since"] for node in found] == sorted((node["since"] for node in found), reverse=True)
            return [(node["name"], node["state"], node["problem"]) for node in found] == expected

        for daemon in (first, second, other):
            twins = [("beta", "alive", None), ("alpha", "alive", TWIN), ("alpha", "alive", TWIN)]
            until(partial(shows, daemon, twins))
        assert second.stop() == 0
        for daemon in (first, other):
            one = [("beta", "alive", None), ("alpha", "stopped", None), ("alpha", "alive", None)]
            until(partial(shows, daemon, one))


def test_a_job_says_where_it_may_run_and_nonsense_is_refused(ask):
    job = ask.make("example", placement="every", require={"disk": "ssd"})
    assert (ask.get(job)["placement"], ask.get(job)["require"]) == ("every", {"disk": "ssd"})
    shown = ask.patch(job, require={"disk": None, "room": "1"}, placement="any")
    assert (shown["placement"], shown["require"]) == ("any", {"room": "1"})

    for wrong, pointer in (
        ({"placement": "some"}, "/placement"),
        ({"require": {"room": ""}}, "/require/room"),
        ({"require": {"room": 1}}, "/require/room"),
    ):
        assert ask.ask("PATCH", job, wrong).fault == (400, pointer)
        assert (
            ask.ask("POST", "/jobs", {"task": "example", "name": "n", "interval": {"hours": 1}} | wrong).fault
            == (400, pointer)
        )  # fmt: skip
    assert ask.get(job) == shown
    assert len(ask.get("/jobs")["values"]) == 1
