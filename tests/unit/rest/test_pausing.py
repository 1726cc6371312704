"""What may be said with `POST /jobs/ID/pause`, and how it is shown."""

import json

import pytest

from tests.unit.rest.conftest import ask

AFTER = "2040-01-01T01:00:00+01:00"


def pause(front, job, body, **headers):
    return ask(front.site, "POST", f"{job}/pause", json.dumps(body).encode(), **headers)


def shown(job):
    return [job[name] for name in ("paused", "paused_by", "paused_at", "paused_until", "pause_reason")]


def test_the_job_shows_until_when_and_why(front):
    job = front.job()
    assert shown(front.get(job).json) == [False, None, None, None, None]
    answer = pause(front, job, {"until": AFTER, "reason": "an upgrade"})
    assert answer.status == 200
    at = "2012-08-13T02:00:00Z"
    assert shown(answer.json) == shown(front.get(job).json) == [True, None, at, "2040-01-01T00:00:00Z", "an upgrade"]
    assert shown(pause(front, job, {"until": None, "reason": None}).json) == [True, None, at, None, None]
    assert shown(front.post(b"", f"{job}/resume").json) == [False, None, None, None, None]


@pytest.mark.parametrize("body", [b"", b"{}"])
def test_nothing_needs_to_be_said(front, body):
    assert shown(ask(front.site, "POST", f"{front.job()}/pause", body).json)[0] is True


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"unless": AFTER}, "/unless"),
        ({"until": "tomorrow"}, "/until"),
        ({"until": "2040-01-01T00:00:00"}, "/until"),
        ({"until": 5}, "/until"),
        ({"until": "2012-08-13T02:00:00Z"}, "/until"),
        ({"reason": ""}, "/reason"),
        ({"reason": "x" * 501}, "/reason"),
        ({"reason": "a\nb"}, "/reason"),
        ([], ""),
        ("until", ""),
    ],
)
def test_what_is_not_understood_pauses_nothing(front, body, pointer):
    job = front.job()
    answer = pause(front, job, body)
    assert (answer.status, answer.problem[2]) == (400, [pointer])
    assert front.get(job).json["paused"] is False


@pytest.mark.parametrize("kind", ["application/x-www-form-urlencoded", "text/plain", "multipart/form-data; boundary=x"])
@pytest.mark.parametrize("body", [b"", b"{}"])
def test_a_form_pauses_nothing(front, kind, body):
    job = front.job()
    assert ask(front.site, "POST", f"{job}/pause", body, content_type=kind).status == 403
    assert front.get(job).json["paused"] is False
