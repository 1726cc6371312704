"""What will be due, asked of a real daemon: of all jobs, page by page, in their zones, for those who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.system.caller import instant
from tests.system.daemon import daemon_in
from tests.system.secured import SecuredDaemon, token

YEAR = datetime.now(UTC).year + 1
NIGHTLY: dict[str, Any] = {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "interval": None}


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredDaemon]:
    with daemon_in(tmp_path_factory.mktemp("upcoming") / "daemon") as daemon:
        tokens = {
            "admin": token(daemon, "admin", "--scope", "admin"),
            "narrow": token(daemon, "narrow", "--scope", "read", "--tasks", "exa*"),
        }
        daemon.start()
        yield SecuredDaemon(daemon, tokens)


def dues(secured: SecuredDaemon, query: str, who: str = "admin") -> list[Any]:
    answer = secured.ask("GET", f"/upcoming?{query}", who)
    assert answer.status == 200, answer
    return list(answer.json["values"])


def test_the_next_dues_of_all_jobs_come_in_order_page_by_page(secured: SecuredDaemon) -> None:
    made = [secured.make("runfoo", labels={"suite": "order"}, interval={"minutes": n}) for n in (20, 30)]
    paused = secured.make("runfoo", labels={"suite": "order"}, interval={"minutes": 10})
    assert secured.ask("POST", f"{paused}/pause", "admin").status == 200
    first = [secured.ask("GET", job, "admin").json for job in made]
    found = dues(secured, "label=suite=order&limit=1000")
    assert {each["job_id"] for each in found} == {each["id"] for each in first}
    assert [each["due"] for each in found] == sorted(each["due"] for each in found)
    assert next(each["due"] for each in found if each["job_id"] == first[0]["id"]) == first[0]["next_due"]
    assert len(found) == 72 + 48
    assert (found[0]["job_name"], found[0]["task"], found[0]["note"]) == ("a runfoo", "runfoo", None)

    pages: list[Any] = []
    path = "/upcoming?label=suite=order&limit=50&to=2999-01-01"
    while path and len(pages) < 120:
        answer = secured.ask("GET", path, "admin")
        pages += answer.json["values"]
        target = urlsplit(answer.headers["link"].partition(">")[0].strip("<"))
        path = f"{target.path}?{target.query}"
    assert pages[:120] == found


def test_a_maintenance_window_is_asked_for_in_its_zone(secured: SecuredDaemon) -> None:
    job = secured.make("runfoo", labels={"suite": "night"}, **NIGHTLY)
    found = dues(secured, f"label=suite=night&from={YEAR}-07-01T02:00&to={YEAR}-07-01T04:00&zone=Europe/Berlin")
    assert [(each["due"], each["local"], each["timezone"]) for each in found] == [
        (f"{YEAR}-07-01T00:30:00Z", f"{YEAR}-07-01T02:30:00+02:00", "Europe/Berlin")
    ]
    assert found[0]["job_id"] == job.rpartition("/")[2]
    changed = dues(secured, f"label=suite=night&from={YEAR}-03-20&to={YEAR}-04-02&zone=Europe/Berlin")
    notes = [each["note"] for each in changed if each["note"]]
    assert len(changed) == 13
    assert len(notes) == 1
    assert "02:30" in notes[0]


def test_whoever_may_see_some_tasks_sees_their_dues(secured: SecuredDaemon) -> None:
    secured.make("runfoo", labels={"suite": "seen"})
    mine = secured.make("example", labels={"suite": "seen"})
    assert {each["task"] for each in dues(secured, "label=suite=seen")} == {"runfoo", "example"}
    assert {each["job_id"] for each in dues(secured, "label=suite=seen", "narrow")} == {mine.rpartition("/")[2]}
    assert dues(secured, "task=runfoo", "narrow") == []
    assert secured.ask("GET", "/upcoming").status == 401


def test_what_is_over_is_not_told_again(secured: SecuredDaemon) -> None:
    secured.make("runfoo", labels={"suite": "over"}, interval={"minutes": 7})
    found = dues(secured, "label=suite=over&from=-2d&to=2999-01-01&limit=1")
    assert instant(found[0]["due"]) > datetime.now(UTC) + timedelta(minutes=5)
    assert dues(secured, "label=suite=over&to=-1h") == []


def test_what_a_hold_or_a_pause_stops_says_so(secured: SecuredDaemon) -> None:
    held, paused, free = (
        secured.make(task, labels={"suite": "held"}, interval={"minutes": 20}, name=task)
        for task in ("runfoo", "example", "timeout")
    )
    end = (datetime.now(UTC) + timedelta(minutes=50)).replace(microsecond=0)
    words = f"by admin until {end:%FT%TZ}: upgrade; it is skipped"
    asked = {"until": end.isoformat(), "reason": "upgrade"}
    assert secured.ask("POST", f"{paused}/pause", "admin", asked).status == 200
    assert secured.ask("PUT", "/hold", "admin", asked | {"select": {"names": ["runfoo"]}}).status == 201
    query = f"label=suite=held&to={(end + timedelta(minutes=25)).isoformat().replace('+', '%2B')}"
    found = dues(secured, query)
    notes = {job: [each["note"] for each in found if each["job_id"] == job.rpartition("/")[2]]
             for job in (held, paused, free)}  # fmt: skip
    assert notes == {
        held: [f"on hold {words}"] * 2 + [None], paused: [f"paused {words}"] * 2 + [None], free: [None] * 3
    }  # fmt: skip
    assert [each["held"] for each in found] == [each["note"] is not None for each in found]
    assert dues(secured, f"{query}&held=0") == [each for each in found if not each["held"]]
    assert secured.ask("DELETE", "/hold", "admin").status == 200


@pytest.mark.parametrize("query", ["after=nowhere", "from=9999-12-31T12:00:00Z", "to=soon", "zone=Nowhere", "limit=0"])
def test_what_makes_no_sense_is_refused(secured: SecuredDaemon, query: str) -> None:
    status, pointer = secured.ask("GET", f"/upcoming?{query}", "admin").fault
    assert (status, pointer) == (400, "?" + query.partition("=")[0])
