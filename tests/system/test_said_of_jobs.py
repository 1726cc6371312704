"""What is said of jobs, from the request to the receiver of a notification: labels, description, owner, runbook."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in
from tests.system.promtool import promtool
from tests.system.receiver import FAILS, Receiver, allow, failed, receiver_at
from tests.system.samples import samples

SAID: dict[str, Any] = {
    "labels": {"team": "data", "env": "prod", "tier/a.b": ""},
    "description": "Copies *db*.\n\nAt night: restart it.",
    "owner": "Zoë",
    "runbook": "https://wiki.example/backup",
}
UNSAID: dict[str, Any] = {"labels": {}, "description": None, "owner": None, "runbook": None}


@pytest.fixture(scope="module")
def told() -> Iterator[Receiver]:
    with receiver_at() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, told: Receiver) -> Iterator[Caller]:
    with daemon_in(tmp_path_factory.mktemp("said") / "daemon") as daemon:
        allow(daemon, told)
        daemon.script("bad", FAILS)
        daemon.options(f"NOTIFY_URL = {told.url()!r}\nMETRICS_LABELS = ['team', 'tier/a.b']")
        daemon.start()
        yield Caller(daemon)


def said(job: dict[str, Any]) -> dict[str, Any]:
    return {name: job[name] for name in SAID}


def test_what_is_said_is_shown_and_changed_by_a_merge_patch(ask: Caller) -> None:
    job = ask.make("runfoo", **SAID)
    assert said(ask.get(job)) == SAID
    assert said(ask.get(ask.make("runfoo"))) == UNSAID
    changed = ask.patch(job, labels={"team": "web", "env": None, "new": "1"}, description=None, owner="ops")
    assert said(changed) == SAID | {"labels": {"team": "web", "tier/a.b": "", "new": "1"}, "owner": "ops",
                                    "description": None}  # fmt: skip
    assert said(ask.patch(job, labels=None, owner=None, runbook=None)) == UNSAID
    entry = ask.get(f"/audit?target={changed['id']}")["values"][1]
    assert (entry["before"]["owner"], entry["after"]["owner"]) == ("Zoë", "ops")


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"labels": {"Team": "data"}}, "/labels/Team"),
        ({"labels": {"team": "a b"}}, "/labels/team"),
        ({"labels": {"team": 1}}, "/labels/team"),
        ({"labels": {f"l{number}": "" for number in range(33)}}, "/labels"),
        ({"description": "x" * 2001}, "/description"),
        ({"description": "\x00"}, "/description"),
        ({"owner": ""}, "/owner"),
        ({"runbook": "javascript:alert(1)"}, "/runbook"),
    ],
)
def test_what_cannot_be_said_is_refused_where_it_stands(ask: Caller, wrong: dict[str, Any], pointer: str) -> None:
    job = {"task": "runfoo", "name": "job", "interval": {"hours": 1}}
    assert ask.ask("POST", "/jobs", job | wrong).fault == (400, pointer)


def test_jobs_and_their_runs_are_found_by_labels_page_by_page(ask: Caller) -> None:
    mine = [ask.make("runfoo", labels={"suite": "find", "n": str(n % 2)}) for n in range(4)]
    runs = [ask.ended(ask.run(job))["id"] for job in mine]

    def ids(path: str) -> list[str]:
        found: list[str] = []
        while path:
            answer = ask.ask("GET", path)
            found += [each["id"] for each in answer.json["values"]]
            target = urlsplit(answer.headers.get("link", "").partition(">")[0].strip("<"))
            path = f"{target.path}?{target.query}" if target.query else ""
        return found

    every = [job.rpartition("/")[2] for job in mine]
    assert ids("/jobs?label=suite=find&limit=3") == every
    assert ids("/jobs?label=suite=find&label=n=1&limit=1") == every[1::2]
    assert ids("/jobs?label=suite=find,n=1&limit=1") == every[1::2]
    assert ids("/runs?label=suite=find&label=n&limit=1") == runs[::-1]
    assert ids("/runs?label=suite=find&label=n=0&limit=1") == runs[2::-2]
    assert ids("/runs?label=suite=nothing") == []
    for path in ("/jobs", "/runs"):
        assert ask.ask("GET", f"{path}?label=Team=data").fault == (400, "?label")


def test_a_notification_says_it_too(ask: Caller, told: Receiver) -> None:
    failed(ask, **SAID)
    assert said(told.told().json["job"]) == SAID


def test_metrics_show_the_labels_that_the_operator_names(ask: Caller) -> None:
    job = ask.make("runfoo", labels={"tier/a.b": "gold", "secret": "x"}).rpartition("/")[2]
    hidden = ask.make("runfoo", labels={"secret": "x"}).rpartition("/")[2]
    page = ask.text("/metrics")
    assert promtool("check", "metrics", given=page) == ""
    shown = {key[1]: key[2:] for key in samples(page) if key[0] == "jobsched_job_info"}
    assert shown[job] == ("", "gold", "runfoo")  # team, tier, task
    assert hidden not in shown
    assert "secret" not in page
