"""What a page and a command ask of a real daemon, to show it: counts, last lines, what is to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until

HUNTER = "hunter22"
# It prints, a step at a time; at last half of a line.
GOES_ON = """#!/bin/sh
echo first
until [ -e "$0.second" ]; do sleep 0.05; done
printf 'with \\033[1m %s\\n\\n' "$JOBSCHED_PARAM_PASSWORD"
printf 'half a line hunter'
until [ -e "$0.third" ]; do sleep 0.05; done
"""


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("asked") / "daemon") as daemon:
        daemon.options("JOB_LIVETIME = 300\nKILL_GRACE = 0.5")
        daemon.script("goes-on", GOES_ON)
        daemon.section("parameters = password\n")
        daemon.start()
        yield Caller(daemon)


def test_runs_are_counted_by_the_hour_of_their_due(ask: Caller) -> None:
    job = ask.make("runfoo", name="counted", labels={"team": "counts"})
    for _ in range(3):
        ask.ended(ask.run(job))
    found = ask.get("/runs/counts?label=team=counts&zone=Asia/Kathmandu")
    hours = found["values"]
    assert (found["timezone"], len(hours) in (24, 25)) == ("Asia/Kathmandu", True)
    assert all(hour["local"].endswith(":00:00+05:45") for hour in hours)
    assert [hour["to"] for hour in hours[:-1]] == [hour["from"] for hour in hours[1:]]
    assert sum((Counter(hour["counts"]) for hour in hours), Counter()) == {"succeeded": 3}
    assert ask.get("/runs/counts?job=counted&state=failed&from=-2h&to=now")["values"][-1]["counts"] == {}
    shown = ask.get(f"/runs?job=counted&from={hours[-2]['from']}")["values"]
    assert len(shown) == 3


@pytest.mark.parametrize(
    ("query", "pointer"),
    [("from=-170h", "?from"), ("by=day", "?by"), ("to=-2h&from=-1h", "?to"), ("zone=Mars", "?zone"),
     ("limit=1", "?limit"), ("state=failed&failing=1", "?failing"), ("to=0001-01-01", "?to")],
)  # fmt: skip
def test_counts_that_cannot_be_given_are_refused(ask: Caller, query: str, pointer: str) -> None:
    assert ask.ask("GET", f"/runs/counts?{query}").fault == (400, pointer)
    assert ask.ask("GET", "/runs/counts?job=nobody").status == 404


def test_the_last_line_of_what_runs_is_told_without_secrets(ask: Caller) -> None:
    run = ask.run(ask.make("goes-on", name="goes on", parameters={"password": HUNTER}))

    def line() -> str | None:
        listed = ask.get("/runs?job=goes%20on&state=running")["values"]
        found = ask.get(run)["last_line"]
        assert HUNTER not in str(listed) + str(found)
        return found if [each["last_line"] for each in listed] == [found] else None

    (script,) = ask.daemon.folder.rglob("goes-on*")
    until(lambda: line() == "first")
    script.with_name(f"{script.name}.second").touch()
    until(lambda: line() == "with \033[1m ***")
    script.with_name(f"{script.name}.third").touch()
    ended = ask.ended(run)
    assert (ended["state"], ended["last_line"]) == ("succeeded", None)
    assert [each["last_line"] for each in ask.get("/runs?job=goes%20on")["values"]] == [None]
