"""The badge of a job and the calendar of dues, from a real daemon: for whom, of what, and in which form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit
from xml.etree import ElementTree as ET

import pytest

from tests.system.caller import Caller
from tests.system.daemon import daemon_in, until
from tests.system.receiver import FAILS
from tests.system.secured import SecuredDaemon, token

NAME = "a <b> & c"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredDaemon]:
    with daemon_in(tmp_path_factory.mktemp("badges") / "daemon") as daemon:
        daemon.script("bad", FAILS)
        tokens = {
            "admin": token(daemon, "admin", "--scope", "admin"),
            "run": token(daemon, "run", "--scope", "run"),
            "narrow": token(daemon, "narrow", "--scope", "read", "--tasks", "exa*"),
        }
        daemon.start()
        yield SecuredDaemon(daemon, tokens)


def badge(secured: SecuredDaemon, job: str) -> ET.Element:
    answer = secured.ask("GET", f"/badge/{job.rpartition('/')[2]}.svg", "admin")
    assert (answer.status, answer.headers["content-type"]) == (200, "image/svg+xml"), answer
    assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
    assert answer.headers["cache-control"] == "no-store"
    return ET.fromstring(answer.text)


def ended(secured: SecuredDaemon, job: str) -> str:
    """What came of a run of it now."""
    run = urlsplit(secured.ask("POST", f"{job}/run", "admin").headers["location"]).path
    return str(secured.ask("GET", f"{run}?wait=30", "admin").json["state"])


def said(svg: ET.Element) -> tuple[str | None, list[str | None]]:
    """What it is called, and the colours of its two parts."""
    return svg.get("aria-label"), [each.get("fill") for each in svg.iter("{http://www.w3.org/2000/svg}rect")]


def test_a_badge_says_the_state_in_words_and_colour(secured: SecuredDaemon) -> None:
    job = secured.make("bad", name=NAME)
    assert said(badge(secured, job)) == (f"{NAME}: scheduled", ["#353c45", "#57606a"])
    size = badge(secured, job).get("width")
    assert ended(secured, job) == "failed"
    assert said(badge(secured, job)) == (f"{NAME}: failed", ["#353c45", "#b3121d"])
    assert secured.ask("POST", f"{job}/pause", "admin").status == 200
    assert said(badge(secured, job)) == (f"{NAME}: paused", ["#353c45", "#7d4e00"])
    assert badge(secured, job).get("width") == size  # which a page of another site can measure


def test_a_badge_of_a_job_that_fares_well_says_so(secured: SecuredDaemon) -> None:
    job = secured.make("example", name="good", id="good.svg")
    assert ended(secured, job) == "succeeded"
    assert said(badge(secured, job)) == ("good: succeeded", ["#353c45", "#116329"])


def test_a_badge_and_a_calendar_need_a_token_that_reads(secured: SecuredDaemon) -> None:
    hidden = secured.make("runfoo", name="hidden").rpartition("/")[2]
    for path in (f"/badge/{hidden}.svg", "/calendar.ics", f"/calendar.ics?job={hidden}"):
        assert [secured.ask("GET", path, who).status for who in ("", "run")] == [401, 403]
    missing = secured.ask("GET", "/badge/nosuch.svg", "narrow")
    for path in (f"/badge/{hidden}.svg", f"/calendar.ics?job={hidden}"):
        answer = secured.ask("GET", path, "narrow")
        assert (answer.status, answer.headers["cross-origin-resource-policy"]) == (404, "same-origin")
    assert (missing.status, missing.headers["cross-origin-resource-policy"]) == (404, "same-origin")
    assert hidden not in secured.ask("GET", "/calendar.ics", "narrow").text
    assert hidden in secured.ask("GET", "/calendar.ics", "admin").text


def test_a_key_opens_badge_and_calendar_of_its_job_alone(secured: SecuredDaemon) -> None:
    job, other = secured.make("example", name="seen"), secured.make("example", name="other")
    made = secured.ask("POST", f"{job}/keys", "admin")
    assert made.status == 201, made
    key, badge, calendar = (made.json[name] for name in ("key", "badge", "calendar"))
    assert badge == f"http://127.0.0.1:{secured.daemon.port}{job}/badge.svg?key={key}"
    badge, calendar = (each.removeprefix(f"http://127.0.0.1:{secured.daemon.port}") for each in (badge, calendar))
    answer = secured.ask("GET", badge)
    assert (answer.status, answer.headers["cross-origin-resource-policy"]) == (200, "cross-origin")
    assert "seen: scheduled" in answer.text
    dues = secured.ask("GET", f"{calendar}&limit=3&held=0").text
    assert (dues.count("SUMMARY:seen"), "other" in dues) == (3, False)
    mine = job.rpartition("/")[2]
    closed = [
        f"{other}/badge.svg", f"{other}/calendar.ics", f"{job}/keys", job, f"{job}/runs", "/calendar.ics?job=seen",
        f"/badge/{mine}.svg", "/runs", "/ui/", "/jobs/nosuch/badge.svg", "/me",
    ]  # fmt: skip
    for path in closed:
        assert secured.ask("GET", f"{path}{'&' if '?' in path else '?'}key={key}").status in {303, 401}, path
    for wrong in ("", key[:-1], key + "x", key[:-1] + ("A" if key[-1] != "A" else "B")):
        assert secured.ask("GET", f"{job}/badge.svg?key={wrong}").status == 401
    assert secured.ask("GET", f"{job}/badge.svg?key={key}", "run").status == 403, "a token that is sent counts"

    [listed] = secured.ask("GET", f"{job}/keys", "narrow").json["values"]
    assert listed == {name: made.json[name] for name in ("id", "by", "at", "last")}
    assert (listed["by"], listed["last"]) == ("admin", key[-4:])
    audit = secured.ask("GET", f"/audit?target={mine}&action=key.create", "admin")
    assert [entry["after"] for entry in audit.json["values"]] == [{"key": listed["id"], "last": key[-4:]}]
    assert secured.ask("DELETE", f"{other}/keys/{listed['id']}", "admin").status == 404
    assert secured.ask("DELETE", f"{job}/keys/{listed['id']}", "run").status == 403
    assert secured.ask("DELETE", f"{job}/keys/{listed['id']}", "admin").status == 200
    assert secured.ask("GET", badge).status == 401
    assert secured.ask("GET", badge, "admin").status == 200  # lines of strangers are limited
    until(lambda: f"GET {job}/badge.svg?key=***" in secured.daemon.log)
    for told in (secured.daemon.log, audit.text, secured.ask("GET", "/metrics", "admin").text):
        assert key[:-4] not in told


def test_a_key_ends_with_its_job(secured: SecuredDaemon) -> None:
    body = {"task": "example", "interval": {"hours": 1}}
    assert secured.ask("PUT", "/jobs/brief", "admin", body).status == 201
    key = secured.ask("POST", "/jobs/brief/keys", "admin").json["key"]
    assert secured.ask("GET", f"/jobs/brief/calendar.ics?key={key}").status == 200
    assert secured.ask("DELETE", "/jobs/brief", "admin").status == 200
    assert secured.ask("PUT", "/jobs/brief", "admin", body).status == 201
    assert secured.ask("GET", f"/jobs/brief/calendar.ics?key={key}").status == 401
    hidden = secured.make("runfoo", name="hidden too")
    assert secured.ask("GET", f"{hidden}/keys", "narrow").status == 404


def events(secured: SecuredDaemon, query: str) -> list[dict[str, str]]:
    """The events of a calendar, with the lines that were folded whole again."""
    answer = secured.ask("GET", f"/calendar.ics?{query}", "admin")
    assert (answer.status, answer.headers["content-type"]) == (200, "text/calendar; charset=utf-8"), answer
    lines = answer.content.split(b"\r\n")
    assert (lines[0], lines[-2:]) == (b"BEGIN:VCALENDAR", [b"END:VCALENDAR", b""])
    assert all(len(line) <= 75 and b"\n" not in line for line in lines)
    text = answer.content.replace(b"\r\n ", b"").decode()
    return [
        dict(line.split(":", 1) for line in event.strip().split("\r\n"))
        for event in re.findall("BEGIN:VEVENT(.*?)END:VEVENT", text, re.DOTALL)
    ]


def test_a_calendar_shows_the_next_dues_of_one_job_or_of_all(secured: SecuredDaemon) -> None:
    labels = {"suite": "calendar"}
    nightly = secured.make(
        "runfoo", name="Übung, " + "ß" * 80, labels=labels, interval=None, cron="30 2 * * *", timezone="Asia/Kolkata"
    )
    other = secured.make("example", name="other", labels=labels, interval={"days": 10})
    job_id = nightly.rpartition("/")[2]
    found = events(secured, f"job={job_id}")
    assert len(found) == 31
    first = found[0]
    assert first["SUMMARY"] == "Übung\\, " + "ß" * 80
    assert first["DTSTART"].endswith("T210000Z")
    assert first["DESCRIPTION"].endswith(" 02:30:00 in Asia/Kolkata")
    assert first["URL"].endswith(f"/ui{nightly}")
    assert first["STATUS"] == "CONFIRMED"
    assert len({each["UID"] for each in found}) == 31
    assert [each["UID"] for each in events(secured, f"job={job_id}&limit=3")] == [each["UID"] for each in found[:3]]
    few, whole = (secured.ask("GET", f"/calendar.ics?job={job_id}{more}", "admin").text for more in ("&limit=3", ""))
    assert ["The next 3 dues: there are more" in each for each in (few, whole)] == [True, False]
    both = {each["URL"].rpartition("/")[2] for each in events(secured, "label=suite=calendar")}
    assert both == {job_id, other.rpartition("/")[2]}
    assert {each["SUMMARY"] for each in events(secured, "label=suite=calendar&task=example")} == {"other"}
    soon = datetime.now(UTC) + timedelta(days=31)
    assert all(datetime.strptime(each["DTSTART"], "%Y%m%dT%H%M%S%z") < soon for each in found)


def test_a_due_that_a_pause_stops_is_not_certain(secured: SecuredDaemon) -> None:
    job = secured.make("runfoo", name="ill", interval={"days": 1})
    until = (datetime.now(UTC) + timedelta(days=3, hours=1)).isoformat()
    assert secured.ask("POST", f"{job}/pause", "admin", {"until": until, "reason": "flu"}).status == 200
    found = events(secured, "job=ill")
    assert [each["STATUS"] for each in found[:4]] == ["TENTATIVE"] * 3 + ["CONFIRMED"]
    assert "flu" in found[0]["DESCRIPTION"]
    assert {each["STATUS"] for each in events(secured, "job=ill&held=0")} == {"CONFIRMED"}


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "job=", "to=-1h", "label=="])
def test_a_calendar_that_makes_no_sense_is_refused(secured: SecuredDaemon, query: str) -> None:
    assert secured.ask("GET", f"/calendar.ics?{query}", "admin").status in {400, 404}


def test_without_tokens_both_are_open_as_all_is(tmp_path_factory: pytest.TempPathFactory) -> None:
    with daemon_in(tmp_path_factory.mktemp("open") / "daemon") as daemon:
        daemon.start()
        ask = Caller(daemon)
        job = ask.make("example", 3600, name="plain")
        assert ask.ask("GET", f"/badge/{job.rpartition('/')[2]}.svg").status == 200
        assert "SUMMARY:plain" in ask.ask("GET", "/calendar.ics").text
