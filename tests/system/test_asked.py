"""What a page and a command ask of a real daemon, to show it: counts, last lines, what is to come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("asked") / "daemon") as daemon:
        daemon.options("JOB_LIVETIME = 300\nKILL_GRACE = 0.5")
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
