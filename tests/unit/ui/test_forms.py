"""What the page makes of what was typed or found: patches of many jobs, times without a daemon, ways on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from jobsched.model.downtime import NO_DAEMON, Downtime
from jobsched.model.errors import Invalid
from jobsched.model.job_list import JobOrder
from jobsched.model.run import Run
from jobsched.model.verdict import Step
from jobsched.ui.form import patch
from jobsched.ui.job import differences, leads
from jobsched.ui.outages import MOST, newest
from jobsched.ui.search import Search


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"timeout": "2h"}, {"timeout": 7200}),
        ({"retries": "3", "retry_delay": "90"}, {"retries": 3, "retry_delay": 90}),
        ({"labels": "team=data\ntier="}, {"labels": {"team": "data", "tier": ""}}),
        ({"owner": "bob", "overlap": "queue", "timeout": ""}, {"owner": "bob", "overlap": "queue"}),
        ({"patch": '{"misfire_grace": null, "retries": 1}', "retries": "2"}, {"misfire_grace": None, "retries": 2}),
    ],
)
def test_a_patch_has_what_was_typed(sent: dict[str, str], expected: dict[str, Any]) -> None:
    assert msgspec.to_builtins(patch({name: [value] for name, value in sent.items()})) == expected


@pytest.mark.parametrize(
    ("sent", "pointers"),
    [
        ({}, [""]),
        ({"timeout": "soon", "retries": "-1", "labels": "x"}, ["/timeout", "/retries", "/labels"]),
        ({"patch": "[1]"}, ["/patch"]),
        ({"patch": "{"}, ["/patch"]),
        ({"patch": "[" * 100_000}, ["/patch"]),
        ({"patch": '{"colour": 1}'}, ["/colour"]),
        ({"patch": '{"retries": "many"}'}, ["/retries"]),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(sent: dict[str, str], pointers: list[str]) -> None:
    with pytest.raises(Invalid) as why:
        patch({name: [value] for name, value in sent.items()})
    assert [each.pointer for each in why.value.all] == pointers


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2030, 1, 1, hour, minute, tzinfo=UTC)


def missed(begin: datetime, end: datetime, count: int = 1, what: str = NO_DAEMON) -> Run:
    return Run(
        id="r", job_id="j", job_name="j", task="t", due=begin, created=end, count=count, state="missed",
        reason=f"{Downtime(begin, end, what)}; more",
    )  # fmt: skip


def test_the_last_time_without_a_daemon_is_told() -> None:
    early, late = (at(1), at(2)), (at(3), at(3, 20))
    runs = [missed(*early, 7), missed(*late, 3), missed(at(5), at(6), what="nothing could be scheduled"), missed(*late)]
    found = newest(runs)
    assert found is not None
    assert (found.begin, found.end, found.dues, found.more) == (*late, 4, False)
    assert found.query == "state=missed&from=2030-01-01T03%3A00%3A00Z&to=2030-01-01T03%3A20%3A01Z"
    assert newest([]) is None
    assert newest(runs[2:3]) is None
    full = newest([missed(*late)] * MOST)
    assert full is not None
    assert full.more


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/runs/1/output?tail=20", "/ui/runs/1#output"), ("POST", "/jobs/a/run", "/ui/jobs/a/run"),
        ("PATCH", "/jobs/a", "/ui/jobs/a/edit"), ("POST", "/jobs/a/resume", "/ui/jobs/a"), ("GET", "/hold", "/ui/"),
        ("DELETE", "/hold", "/ui/"), ("GET", "/nodes", "/ui/nodes"), ("GET", "/health/ready", None),
    ],
)  # fmt: skip
def test_a_next_step_leads_to_its_screen(method: str, path: str, expected: str | None) -> None:
    assert leads(Step(text="", method=method, path=path)) == expected


def test_what_differs_is_told_field_by_field() -> None:
    assert differences({"a": 1, "b": None}, {"b": "x", "c": [1]}) == [
        ("a", "1", None), ("b", "null", "x"), ("c", None, "[1]"),
    ]  # fmt: skip
    assert differences(None, None) == []


@pytest.mark.parametrize(
    ("text", "name", "glob"), [("name:a*", None, "a*"), ("name:?", None, "?"), ("name:a", "a", None)]
)
def test_a_name_may_be_a_glob(text: str, name: str | None, glob: str | None) -> None:
    found = Search.of(text).filter(JobOrder())
    assert (found.name, found.names) == (name, glob)
