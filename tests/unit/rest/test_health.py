"""How a daemon tells that it lives, and whether it can do its work: asked every few seconds by whoever watches it."""

import re

import pytest

from jobsched.http.site import site
from jobsched.model.caller import ANYBODY, NOBODY, Caller
from jobsched.model.health import HealthProblem
from jobsched.rest.health import HealthCalls
from tests.unit.rest.conftest import Reactor, ask


def asked(caller, path, *health_problems, on_hold=None):
    """What a caller is answered by a daemon with these ailments."""

    class Body:
        async def held(self):
            return on_hold

        async def health_problems(self):
            return list(health_problems)

        async def exposition(self):
            return b"jobsched_ready 1\n"

    return ask(site(HealthCalls(Body()).routes(), Reactor(), admit=lambda _request, _need: caller), "GET", path)


def test_health_tells_the_version(front):
    answer = front.get("/health")

    assert (answer.status, list(answer.json)) == (200, ["status", "version", "hold"])
    assert answer.json["status"] == "ok"
    assert re.fullmatch(r"\d+\.\d+\.\d+.*", answer.json["version"])


def test_to_live_is_nothing_that_the_store_is_asked_about(front):
    front.store._readers.broken = OSError("it is gone")

    assert front.get("/health").status == 200
    assert front.get("/health/ready").status == 503


def test_ready_is_said_as_health_is():
    answer = asked(NOBODY, "/health/ready")

    assert (answer.status, answer.json["status"]) == (200, "ready")


def test_every_reason_is_told():
    answer = asked(
        ANYBODY, "/health/ready", HealthProblem("the store does not answer"), HealthProblem("the catalog has no tasks")
    )

    assert answer.problem == (503, "the store does not answer; the catalog has no tasks", ["", ""])
    assert [fault["detail"] for fault in answer.json["errors"]] == [
        "the store does not answer", "the catalog has no tasks"
    ]  # fmt: skip
    assert answer.headers["retry-after"] == "5"


@pytest.mark.parametrize(
    ("caller", "told"),
    [(ANYBODY, "the store does not answer: db.example is gone"), (NOBODY, "the store does not answer")],
)
def test_an_unknown_caller_is_not_told_where_the_store_is(caller, told):
    answer = asked(caller, "/health/ready", HealthProblem("the store does not answer", "db.example is gone"))

    assert answer.problem[:2] == (503, told)
    assert ("db.example" in answer.body.decode()) == (caller is ANYBODY)


def test_metrics_are_text_as_prometheus_reads_it():
    answer = asked(ANYBODY, "/metrics")

    assert (answer.status, answer.body) == (200, b"jobsched_ready 1\n")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"


def test_metrics_are_not_for_who_sees_some_tasks_only():
    narrow = Caller(name="narrow", scopes=frozenset({"read"}), tasks=("run*",))

    assert asked(narrow, "/metrics").problem[:2] == (
        403, "this shows all tasks, and the token 'narrow' is for some only"
    )  # fmt: skip


@pytest.mark.parametrize(("scopes", "words"), [(["read"], "on hold by alice: why"), ([], "on hold")])
def test_a_daemon_whose_jobs_are_on_hold_is_ready_and_says_so(scopes, words):
    answer = asked(Caller(scopes=frozenset(scopes)), "/health/ready", on_hold="on hold by alice: why")
    assert (answer.status, answer.json["status"], answer.json["hold"]) == (200, "ready", words)
