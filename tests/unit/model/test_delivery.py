"""What is told, and when it is tried again."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.delivery import FIRST, LONGEST, PATIENCE, Delivery, News, body, judged, pause
from jobsched.model.draft import Draft
from jobsched.model.run import Run

NOW = datetime(2026, 1, 1, tzinfo=UTC)
DOCS = Path(__file__).parents[3] / "docs" / "notifications.rst"


def job(**fields: Any) -> Any:
    draft = Draft(task="task", name="a job", every=timedelta(hours=1), parameters={"password": "hush"})
    return attrs.evolve(draft.job("job id", NOW), **fields)


def run(**fields: Any) -> Run:
    given: dict[str, Any] = {
        "id": "run id",
        "job_id": "job id",
        "job_name": "a job",
        "task": "task",
        "due": NOW,
        "created": NOW,
    }
    return Run(**(given | {"parameters": {"password": "hush"}, "ended": NOW, "state": "failed"} | fields))


def delivery(**fields: Any) -> Delivery:
    told: dict[str, Any] = {
        "id": "id",
        "job_id": "job id",
        "run_id": None,
        "task": "task",
        "event": "failed",
        "url": None,
    }
    return Delivery(**(told | {"place": "p", "body": {}, "created": NOW, "not_before": NOW, "attempts": 1} | fields))


@given(chance=st.floats(0, 1), attempts=st.integers(1, 100_000))
def test_the_pause_doubles_up_to_an_hour(chance: float, attempts: int) -> None:
    exact = min(FIRST * 2 ** min(attempts - 1, 30), LONGEST)
    assert exact <= pause(attempts, chance) <= exact * 1.25
    assert pause(attempts, chance) <= pause(attempts + 1, chance)


@pytest.mark.parametrize("status", [200, 201, 202, 204, 299])
def test_2xx_is_delivered(status: int) -> None:
    attempt = judged(delivery(), NOW, 0.0, status=status, error=None)
    assert (attempt.state, attempt.ended, attempt.status, attempt.error) == ("delivered", NOW, status, None)


@pytest.mark.parametrize("status", [100, 301, 302, 307, 400, 401, 404, 429, 500, 503])
def test_what_is_no_success_is_tried_again(status: int) -> None:
    attempt = judged(delivery(attempts=3), NOW, 0.0, status=status, error=None)
    assert (attempt.state, attempt.ended, attempt.status) == ("waiting", None, status)
    assert attempt.not_before == NOW + 4 * FIRST
    assert str(status) in (attempt.error or "")
    assert ("not followed" in (attempt.error or "")) == (300 <= status < 400)


def test_so_is_what_got_no_answer() -> None:
    attempt = judged(delivery(), NOW, 1.0, status=None, error="nobody listens there")
    assert (attempt.state, attempt.status, attempt.error) == ("waiting", None, "nobody listens there")
    assert attempt.not_before == NOW + FIRST * 1.25


def test_410_and_what_is_final_end_it() -> None:
    assert judged(delivery(), NOW, 0.0, status=410, error=None).state == "failed"
    final = judged(delivery(), NOW, 0.0, status=None, error="refused", final=True)
    assert (final.state, final.ended, final.error) == ("failed", NOW, "refused")


def test_after_a_day_it_is_given_up_but_not_before() -> None:
    day = NOW + PATIENCE
    assert judged(delivery(), day - timedelta(microseconds=1), 0.0, status=500, error=None).state == "waiting"
    assert judged(delivery(), day, 0.0, status=500, error=None).state == "failed"
    assert judged(delivery(), day, 0.0, status=200, error=None).state == "delivered"


def test_it_is_given_up_after_some_thirty_attempts() -> None:
    waiting, instant, count = delivery(), NOW, 0
    while waiting.state == "waiting":
        count += 1
        attempt = judged(attrs.evolve(waiting, attempts=count), instant, 0.0, status=500, error=None)
        waiting, instant = attrs.evolve(waiting, state=attempt.state), attempt.not_before
    assert 30 <= count <= 40


def test_no_parameter_is_told() -> None:
    news = News(event="failed", job=job(), run=run(), reason="why", instant=NOW, retry=False)
    assert "hush" not in json.dumps(body(news, "id"))


def test_of_a_job_as_such_there_is_no_run() -> None:
    told: dict[str, Any] = body(News(event="overdue", job=job(overdue=NOW), run=None, reason="why", instant=NOW), "id")
    assert told["run"] is None
    assert told["job"]["overdue"] == "2026-01-01T00:00:00Z"
    assert "retry" not in told


def test_the_page_shows_what_is_told() -> None:
    [text] = DOCS.read_text("utf-8").split(".. code-block:: json\n\n")[1:]
    shown = json.loads(text.partition("\n\n``node`` is")[0])
    news = News(event="failed", job=job(), run=run(), reason="why", instant=NOW, retry=True)
    told: dict[str, Any] = body(news, "id") | {"node": "alpha"}
    assert list(shown) == list(told)
    assert list(shown["job"]) == list(told["job"])
    assert list(shown["run"]) == list(told["run"])
