"""A job as the request that makes it: short, in order, and the same job again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.http import from_json
from jobsched.http.from_json import Defaults
from jobsched.http.jsontext import encoded
from jobsched.http.schemas.jobs import JobIn
from jobsched.http.to_json import request_out, withheld
from jobsched.model.errors import Invalid
from jobsched.model.job import EVENTS, Format, Job, Policy
from jobsched.model.receiver import Receivers
from jobsched.model.redaction import Redaction

FORMATS = get_args(Format)
NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = NOW + timedelta(days=1)
DEFAULTS = Defaults(
    policy=Policy(overlap="queue", misfire_grace=None, catch_up="none"), timezone="Europe/Berlin",
    receivers=Receivers.of("https://receiver.example/hook", None, private=False),
)  # fmt: skip
SECONDS = st.one_of(st.integers(1, 10**6), st.integers(1, 10**9).map(lambda micros: micros / 1000))
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "name": st.sampled_from(["report", "another", "x" * 200]),
    "timezone": st.sampled_from(["UTC", "Europe/Berlin"]),
    "start": st.just("2026-06-01T00:00:00+02:00"),
    "end": st.just("2999-01-01T00:00:00.25Z"),
    "max_runs": st.integers(1, 9),
    "jitter": st.one_of(st.just(0), SECONDS),
    "overlap": st.sampled_from(["skip", "queue", "replace", "allow"]),
    "misfire_grace": st.one_of(st.none(), SECONDS),
    "catch_up": st.sampled_from(["latest", "none", "all"]),
    "retries": st.integers(0, 3),
    "retry_delay": st.sampled_from([0, 60, 0.5]),
    "timeout": SECONDS,
    "parameters": st.dictionaries(st.sampled_from(["a", "b"]), st.sampled_from([True, 0, 7, 1.5, "x"])),
    "placement": st.sampled_from(["any", "every"]),
    "on_isolation": st.sampled_from(["end", "keep"]),
    "require": st.dictionaries(st.sampled_from(["disk", "zone"]), st.just("x")),
    "max_late": SECONDS.map(lambda seconds: seconds + 1),
    "must_succeed_every": SECONDS.map(lambda seconds: seconds + 1),
    "notify": st.one_of(
        st.just({}), st.builds(lambda on: {"on": on}, st.lists(st.sampled_from(EVENTS), unique=True)),
        st.just({"on": list(EVENTS), "after": 3}),
        st.builds(lambda form: {"url": "https://receiver.example/x", "format": form}, st.sampled_from(FORMATS)),
    ),
    "labels": st.dictionaries(st.sampled_from(["team", "env"]), st.sampled_from(["", "data"])),
    "description": st.just("Copies the base.\n\nAt night: nothing."),
    "owner": st.just("Zoe"),
    "runbook": st.just("https://wiki.example/report"),
}  # fmt: skip
TRIGGERS = [{"interval": {"seconds": 90}}, {"interval": {"minutes": 0.01}}, {"cron": "30 2 * * *"},
            {"at": "2026-07-01T00:00:00.000001Z"}]  # fmt: skip
requests = st.builds(
    lambda trigger, fields: {"task": "task", "id": "report"} | trigger | fields,
    st.sampled_from(TRIGGERS), st.fixed_dictionaries({}, optional=FIELDS),
)  # fmt: skip


def made(request: dict[str, Any]) -> Job:
    return from_json.replaced(None, msgspec.convert(request, JobIn), DEFAULTS).job("report", NOW)


def shown(job: Job) -> dict[str, Any]:
    text = encoded(request_out(job, DEFAULTS.policy, DEFAULTS.timezone, DEFAULTS.redaction))
    found: dict[str, Any] = json.loads(text)
    return found


@given(requests)
def test_what_is_shown_makes_the_same_job_again(request: dict[str, Any]) -> None:
    job = made(request)
    again = shown(job)
    assert made(again) == job
    assert from_json.replaced(job, msgspec.convert(again, JobIn), DEFAULTS).remade(job, LATER) == job
    assert list(again) == sorted(again)
    assert shown(made(again)) == again


@given(requests)
def test_nothing_is_shown_that_has_its_default(request: dict[str, Any]) -> None:
    job, again = made(request), shown(made(request))
    for name in again.keys() - {"task", "id", "interval", "cron", "at"}:
        shorter = {key: value for key, value in again.items() if key != name}
        assert made(shorter) != job, name


def test_of_a_job_with_all_defaults_the_least_is_shown() -> None:
    least = {"id": "report", "interval": {"seconds": 90}, "task": "task"}
    assert shown(made(least)) == least


def test_secrets_are_named_not_shown_and_kept_where_they_are() -> None:
    request = {
        "task": "task",
        "id": "report",
        "cron": "@daily",
        "parameters": {"token": "S3CRET", "a/b": 1, "a": "***"},
    }
    job = made(request)
    again = shown(job)
    assert again["parameters"] == {"a": "***", "a/b": 1, "token": "***"}
    assert withheld(job, Redaction()) == ["/parameters/token"]
    assert withheld(job, Redaction(["A/B"])) == ["/parameters/a~1b"]
    kept = from_json.replaced(job, msgspec.convert(again, JobIn), DEFAULTS)
    assert kept.parameters == request["parameters"]
    for before, task in ((None, "task"), (job, "other")):  # another task might print it
        with pytest.raises(Invalid) as refused:
            from_json.replaced(before, msgspec.convert(again | {"task": task}, JobIn), DEFAULTS)
        assert refused.value.pointer == "/parameters/token"
