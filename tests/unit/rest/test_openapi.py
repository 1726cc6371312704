"""The description of the API, as programs read it that make clients of it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from jobsched.config import options
from jobsched.http.route import Route
from jobsched.http.schemas.batches import BatchIn
from jobsched.http.schemas.holds import HoldIn
from jobsched.http.schemas.jobs import PatchIn, PauseIn, PreviewIn
from jobsched.http.schemas.notifications import NotificationOut
from jobsched.model.delivery import News, body
from jobsched.model.job import EVENTS
from jobsched.rest import api
from jobsched.rest.openapi import describe
from jobsched.rest.openapi_words import EXAMPLES, operation_id, tag
from tests.store.samples import job, run
from tests.unit.rest.conftest import Front

ROUTES: list[Route] = api.routes(None, None, options.Config(), None, None, None, None)  # type: ignore[arg-type]
# Generated clients call them by these names: they may grow in number, and none may change.
NAMES = {
    "listJobs", "createJob", "getJob", "changeJob", "deleteJob", "pauseJob", "resumeJob", "runJob", "listJobRuns",
    "listJobDeliveries", "listRuns", "getRun", "getRunOutput", "cancelRun", "listRunDeliveries", "listTasks", "getTask",
    "reloadCatalog", "previewTrigger", "listNodes", "listAudit", "getHealth", "getReadiness", "getMetrics",
    "getDescription", "getJobStats", "listUpcoming", "getHold", "putHold", "deleteHold", "batchJobs", "getMe",
    "countRuns", "getLinks", "getStorage", "getBadge", "getCalendar", "createJobKey", "listJobKeys", "deleteJobKey",
    "getJobBadge", "getJobCalendar",
}  # fmt: skip


TAKEN = (
    "JobIn", "PatchIn", "PreviewIn", "NotifyIn", "IntervalIn", "RunIn", "PauseIn", "HoldIn", "SelectIn", "BatchIn",
    "SelectJobs",
)  # fmt: skip


@pytest.fixture(scope="module", params=[True, False], ids=["tokens", "no tokens"])
def described(request: pytest.FixtureRequest) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(msgspec.json.encode(describe(ROUTES, request.param)))
    return found


def test_names_of_calls_are_those_that_clients_know() -> None:
    found = [operation_id(route) for route in ROUTES]
    assert set(found) >= NAMES
    assert len(set(found)) == len(found)
    assert all(re.fullmatch("[a-z]+([A-Z][a-z]+)*", name) for name in found), found


@pytest.mark.parametrize(
    ("verb", "path", "name"),
    [
        ("PUT", "/jobs", "putJobs"),
        ("PUT", "/jobs/<job_id>", "putJob"),
        ("GET", "/jobs/<job_id>/why", "getJobWhy"),
        ("POST", "/jobs:batch", "batchJobs"),
        ("POST", "/runs/<run_id>/rerun", "rerunRun"),
        ("DELETE", "/hold", "deleteHold"),
    ],
)
def test_a_new_call_has_a_name_too(verb: str, path: str, name: str) -> None:
    assert operation_id(Route(verb, path, None, "", gives={})) == name  # type: ignore[arg-type]


def test_a_request_can_be_made_by_its_required_fields_alone(described: dict[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    for record in TAKEN:
        assert not {"oneOf", "anyOf", "allOf", "not"} & schemas[record].keys(), record
        for name, field in schemas[record]["properties"].items():
            assert "default" not in field, (record, name)
    assert schemas["JobIn"]["required"] == ["task"]
    assert "exactly one of interval, cron and at" in schemas["JobIn"]["description"]
    assert schemas["JobIn"]["properties"]["retries"]["description"].endswith("; left out: 0")


def test_every_call_belongs_to_a_group_that_is_described(described: dict[str, Any]) -> None:
    groups = {each["name"] for each in described["tags"]}
    assert {tag(route) for route in ROUTES} <= groups
    assert set(described["components"]["securitySchemes"]) == {"token", "password", "key"}
    assert described["servers"] == [{"url": "/", "description": "The daemon that gave this description"}]


def test_what_is_told_is_what_webhooks_describe(described: dict[str, Any]) -> None:
    assert set(described["webhooks"]) == set(EVENTS)
    instant = datetime(2026, 11, 23, 12, 6, tzinfo=UTC)
    for event in EVENTS:
        for of in (None, run(until=instant + timedelta(hours=1), count=5, started=instant)):
            for retry in (None, True):
                news = News(event=event, job=job(), run=of, reason="why", instant=instant, retry=retry)
                sent = json.dumps({**body(news, "an id"), "node": "alpha"})
                msgspec.json.decode(sent, type=NotificationOut)
        [example] = described["webhooks"][event]["post"]["requestBody"]["content"]["application/json"][
            "examples"
        ].values()
        assert msgspec.convert(example["value"], NotificationOut).event == event


@pytest.mark.parametrize("name", EXAMPLES["JobIn"])
def test_the_examples_make_jobs(front: Front, name: str) -> None:
    made = front.post(EXAMPLES["JobIn"][name])
    assert made.status == 202, made.body


@pytest.mark.parametrize("record", [PatchIn, PreviewIn, PauseIn, HoldIn, BatchIn])
def test_the_other_examples_are_requests(record: type[msgspec.Struct]) -> None:
    for value in EXAMPLES[record.__name__].values():
        msgspec.convert(value, record)
