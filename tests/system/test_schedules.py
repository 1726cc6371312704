"""When jobs are due, asked for and changed through HTTP: triggers, previews, patches, pauses."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.caller import Caller, dues, instant, still
from tests.system.daemon import daemon_in, until

NEW_YORK, LORD_HOWE, SAO_PAULO = "America/New_York", "Australia/Lord_Howe", "America/Sao_Paulo"


@pytest.fixture(scope="module")
def ask(tmp_path_factory):
    with daemon_in(tmp_path_factory.mktemp("schedules") / "daemon") as daemon:
        daemon.environment["TZ"] = "Asia/Kathmandu"
        daemon.start()
        yield Caller(daemon)


def soon(seconds):
    return datetime.now(UTC) + timedelta(seconds=seconds)


def text(moment):
    return moment.isoformat()


def utc(moment):
    """As an answer writes it."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def ended(ask, job):
    """The job, once it has no due left and no run of it is active."""
    until(lambda: ask.get(job)["state"] == "ended" and not ask.runs(job, "waiting", "running", "stopping"))
    return ask.get(job)


# Triggers.


def test_an_at_job_runs_once_and_stays_readable_as_ended(ask):
    due = soon(6)
    job = ask.make("example", None, at=text(due.astimezone()))
    shown = ask.get(job)
    assert (shown["at"], shown["next_due"], shown["interval"], shown["cron"]) == (utc(due), utc(due), None, None)
    assert shown["next_run"] == str((due + timedelta(hours=5, minutes=45)).replace(tzinfo=None))

    shown = ended(ask, job)
    (run,) = ask.runs(job)
    assert (run["due"], run["state"], run["cause"]) == (utc(due), "succeeded", "schedule")
    assert (shown["next_run"], shown["next_due"], shown["last_run"]["id"]) == (None, None, run["id"])
    assert shown["id"] in {found["id"] for found in ask.get("/jobs?state=ended")["values"]}


def test_a_cron_job_with_seconds_runs_on_the_second(ask):
    job = ask.make("example", None, cron="* * * * * *", timezone=NEW_YORK)
    shown = ask.get(job)
    assert (shown["cron"], shown["timezone"], shown["interval"]) == ("* * * * * *", NEW_YORK, None)
    ask.run_in(job, "succeeded", at_least=2)
    first, second = (instant(run["due"]) for run in ask.runs(job)[:2])
    assert (first.microsecond, second - first) == (0, timedelta(seconds=1))
    ask.ask("DELETE", job)


def test_a_zone_decides_when_a_cron_job_is_due(ask):
    dues = [instant(ask.get(ask.make("example", None, cron="30 2 * * *", timezone=zone))["next_due"])
            for zone in ("Asia/Kolkata", "Etc/GMT+3")]  # fmt: skip
    assert [(due.hour, due.minute) for due in dues] == [(21, 0), (5, 30)]


def test_start_end_and_max_runs_bound_a_job(ask):
    start, every = soon(6), timedelta(seconds=0.3)
    bounded = ask.make("example", 0.3, start=text(start), end=text(start + timedelta(seconds=0.7)))
    assert ask.get(bounded)["next_due"] == utc(start)
    counted = ask.make("example", 0.2, max_runs=2)

    ended(ask, bounded)
    assert dues(ask.runs(bounded), every) == [start + n * every for n in range(3)]
    ended(ask, counted)
    assert len(ask.runs(counted, "succeeded")) == 2


def test_jitter_is_stable_and_never_past_the_next_due(ask):
    start = soon(6)
    job = ask.make("example", 0.5, start=text(start), jitter=30, max_runs=4, overlap="allow", catch_up="all")
    announced = instant(ask.get(job)["next_due"])
    ended(ask, job)
    found = [instant(run["due"]) for run in ask.runs(job)]
    assert found[0] == announced
    offsets = [due - start - n * timedelta(seconds=0.5) for n, due in enumerate(found)]
    assert all(timedelta(0) <= offset < timedelta(seconds=0.5) for offset in offsets)
    assert len(set(offsets)) > 1


@pytest.mark.parametrize(
    ("wrong", "pointer"),
    [
        ({"cron": "0 0 30 2 *"}, "/cron"),
        ({"cron": "0 0 * *"}, "/cron"),
        ({"cron": "61 * * * *"}, "/cron"),
        ({"cron": "0 0 ? * *"}, "/cron"),
        ({"cron": "@reboot"}, "/cron"),
        ({"cron": "@daily", "timezone": "Mars/Olympus"}, "/timezone"),
        ({"cron": "@daily", "timezone": "../../etc/passwd"}, "/timezone"),
        ({"interval": {"seconds": 1}, "timezone": "nowhere"}, "/timezone"),
        ({"interval": {"seconds": 0.01}}, "/interval/seconds"),
        ({"interval": {"weeks": 1e300}}, "/interval/weeks"),
        ({"interval": {}}, "/interval"),
        ({"interval": {"years": 1}}, "/interval/years"),
        ({"at": "2030-01-01T00:00:00"}, "/at"),
        ({"at": "2001-01-01T00:00:00Z"}, "/at"),
        ({"at": "tomorrow"}, "/at"),
        ({"interval": {"seconds": 1}, "start": "2031-01-01T00:00:00Z", "end": "2030-01-01T00:00:00Z"}, "/end"),
        ({"interval": {"seconds": 1}, "end": "2020-01-01T00:00:00Z"}, "/end"),
        ({"interval": {"seconds": 1}, "max_runs": 0}, "/max_runs"),
        ({"interval": {"seconds": 1}, "jitter": -1}, "/jitter"),
        ({"interval": {"seconds": 1}, "overlap": "perhaps"}, "/overlap"),
        ({"interval": {"seconds": 1}, "cron": "@daily"}, "/cron"),
        ({}, "/interval"),
    ],
    ids=str,
)
def test_what_can_never_be_followed_is_refused_with_its_place(ask, wrong, pointer):
    before = len(ask.get("/jobs?limit=1000")["values"])
    answer = ask.ask("POST", "/jobs", {"task": "example", "name": "never"} | wrong)
    assert answer.fault == (400, pointer), answer.text
    assert len(ask.get("/jobs?limit=1000")["values"]) == before


# Looking ahead.


def fires(ask, **asked):
    answer = ask.ask("POST", "/preview", asked)
    assert answer.status == 200, answer
    return answer.json["fires"]


@pytest.mark.parametrize(
    ("cron", "zone", "begin", "expected"),
    [
        ("30 2 * * *", NEW_YORK, "2024-03-10T00:00:00-05:00",
         ["2024-03-10T03:00:00-04:00", "2024-03-11T02:30:00-04:00"]),
        ("30 1 * * *", NEW_YORK, "2024-11-03T00:00:00-04:00",
         ["2024-11-03T01:30:00-04:00", "2024-11-04T01:30:00-05:00"]),
        ("0 0 * * *", NEW_YORK, "2024-03-09T12:00:00-05:00",
         ["2024-03-10T00:00:00-05:00", "2024-03-11T00:00:00-04:00", "2024-03-12T00:00:00-04:00"]),
        ("0 */2 * * *", NEW_YORK, "2024-03-10T00:00:00-05:00",
         ["2024-03-10T04:00:00-04:00", "2024-03-10T06:00:00-04:00"]),
        ("15 2 * * *", LORD_HOWE, "2019-10-06T00:00:00+10:30",
         ["2019-10-06T02:30:00+11:00", "2019-10-07T02:15:00+11:00"]),
        ("0 0 * * *", SAO_PAULO, "2018-11-03T12:00:00-03:00",
         ["2018-11-04T01:00:00-02:00", "2018-11-05T00:00:00-02:00"]),
    ],
)  # fmt: skip
def test_a_preview_shows_what_a_change_of_clocks_does(ask, cron, zone, begin, expected):
    found = fires(ask, cron=cron, timezone=zone, **{"from": begin}, count=len(expected))
    assert [fire["at"] for fire in found] == expected
    assert [instant(fire["utc"]) for fire in found] == [instant(at) for at in expected]
    if cron in {"30 2 * * *", "30 1 * * *", "15 2 * * *"} or zone == SAO_PAULO:
        assert found[0]["note"]
        assert found[1]["note"] is None


def test_half_hours_pass_eight_times_as_the_clock_is_set_back(ask):
    begin = instant("2024-11-03T00:00:00-04:00")
    found = fires(ask, cron="*/30 * * * *", timezone=NEW_YORK, **{"from": text(begin - timedelta(seconds=1))}, count=20)
    fired = [instant(fire["utc"]) for fire in found]
    assert [due - begin for due in fired[:8]] == [n * timedelta(minutes=30) for n in range(8)]
    assert len([due for due in fired if begin <= due < begin + timedelta(hours=4)]) == 8


def test_a_preview_of_a_thousand_dues_is_the_same_from_anywhere(ask):
    asked = {"cron": "*/7 * * * *", "timezone": NEW_YORK}
    whole = fires(ask, **asked, **{"from": "2024-03-08T00:00:00Z"}, count=1000)
    assert len(whole) == 1000
    rest = fires(ask, **asked, **{"from": whole[499]["utc"]}, count=500)
    assert rest == whole[500:]
    assert ask.ask("POST", "/preview", asked | {"count": 1001}).fault == (400, "/count")


def test_a_preview_knows_every_trigger_and_its_bounds(ask):
    begin = "2030-01-01T00:00:00Z"
    interval = fires(ask, interval={"hours": 1}, start=begin, end="2030-01-01T02:00:00Z", **{"from": begin})
    assert [fire["utc"] for fire in interval] == ["2030-01-01T01:00:00Z", "2030-01-01T02:00:00Z"]
    assert fires(ask, interval={"hours": 1}, start=begin, count=1)[0]["utc"] == begin
    assert [fire["utc"] for fire in fires(ask, at=begin)] == [begin]
    assert fires(ask, at=begin, **{"from": begin}) == []
    assert fires(ask, at="2030-01-01T00:00:00+05:45", timezone="Asia/Kathmandu")[0]["at"] == "2030-01-01T00:00:00+05:45"
    assert ask.ask("POST", "/preview", {"cron": "0 0 30 2 *"}).fault == (400, "/cron")
    assert ask.ask("POST", "/preview", {}).fault == (400, "/interval")


# Patches.

CHANGES: list[tuple[str, Any, Any]] = [
    ("name", "another", "a example"),
    ("task", "runfoo", "example"),
    ("start", "2031-01-01T00:00:00Z", None),
    ("end", "2032-01-01T00:00:00Z", None),
    ("max_runs", 7, None),
    ("jitter", 2.5, 0.0),
    ("overlap", "allow", "skip"),
    ("catch_up", "all", "latest"),
    ("retries", 3, 0),
    ("retry_delay", 5.0, 60.0),
    ("timeout", 12.5, None),
    ("timezone", NEW_YORK, "UTC"),
    ("placement", "every", "any"),
    ("require", {"disk": "ssd"}, {}),
]


@pytest.mark.parametrize(("field", "value", "default"), CHANGES, ids=[field for field, _, _ in CHANGES])
def test_each_field_can_be_patched_and_null_takes_its_default(ask, field, value, default):
    job = ask.make("example")
    before = ask.get(job)
    assert before[field] == default
    after = ask.patch(job, **{field: value})
    assert after[field] == value
    assert instant(after["updated"]) > instant(before["updated"])
    moved = {"start", "jitter"}  # change when it is due
    in_force = {"effective"} if field in {"task", "timeout"} else set()
    same = {*before} - {field, "updated", "version", "next_due", "next_run"} - in_force
    assert {name: after[name] for name in same} == {name: before[name] for name in same}
    assert (after["next_due"] == before["next_due"]) == (field not in moved)
    answer = ask.ask("PATCH", job, {field: None}, content_type="application/merge-patch+json")
    if field in {"name", "task"}:
        assert answer.fault == (400, f"/{field}")
    else:
        assert (answer.status, answer.json[field]) == (200, default)


def test_the_grace_of_null_is_no_limit(ask):
    job = ask.make("example", misfire_grace=5)
    assert ask.get(job)["misfire_grace"] == 5
    assert ask.patch(job, misfire_grace=None)["misfire_grace"] is None
    assert ask.patch(job, name="other")["misfire_grace"] is None


def test_a_patch_of_the_interval_alone_moves_the_grid(ask):
    job = ask.make("example", 100)
    made = ask.get(job)
    first = instant(made["created"]) + timedelta(seconds=100)
    assert instant(made["next_due"]) == first
    assert (
        instant(ask.patch(job, overlap="queue", timeout=3, interval={"minutes": 1, "seconds": 40})["next_due"]) == first
    )
    changed = ask.patch(job, interval={"seconds": 50})
    assert instant(changed["next_due"]) == instant(changed["updated"]) + timedelta(seconds=50)
    anchored = ask.patch(job, start="2031-01-01T00:00:00Z")
    assert anchored["next_due"] == "2031-01-01T00:00:00Z"


def test_a_patch_replaces_the_trigger(ask):
    job = ask.make("example", 100)
    shown = ask.patch(job, cron="30 2 * * *", timezone=NEW_YORK)
    assert (shown["interval"], shown["interval_seconds"], shown["cron"]) == (None, None, "30 2 * * *")
    shown = ask.patch(job, at="2031-01-01T00:00:00Z")
    assert (shown["cron"], shown["at"], shown["next_due"]) == (None, "2031-01-01T00:00:00Z", "2031-01-01T00:00:00Z")
    shown = ask.patch(job, interval={"minutes": 1}, at=None)
    assert (shown["at"], shown["interval"]) == (None, "0:01:00")
    assert ask.ask("PATCH", job, {"interval": None}).fault == (400, "/interval")
    assert ask.ask("PATCH", job, {"cron": "@daily", "at": "2031-01-01T00:00:00Z"}).fault == (400, "/at")
    assert ask.ask("PATCH", job, {"cron": "0 0 30 2 *"}).fault == (400, "/cron")
    assert ask.ask("PATCH", job, {"timezone": "nowhere"}).fault == (400, "/timezone")
    assert ask.ask("PATCH", job, {"task": "unheard"}).status == 404
    assert ask.ask("PATCH", job, {"colour": "red"}).fault == (400, "/colour")
    assert ask.ask("PATCH", job, {"id": "mine"}).fault == (400, "/id")
    assert ask.get(job) == shown


def test_an_ended_job_goes_on_when_a_patch_gives_it_dues(ask):
    job = ask.make("example", 0.2, max_runs=1)
    ended(ask, job)
    assert ask.patch(job, name="still ended")["state"] == "ended"
    assert ask.patch(job, max_runs=3)["state"] == "scheduled"
    ended(ask, job)
    assert len(ask.runs(job, "succeeded")) == 3


def test_if_match_guards_a_patch(ask):
    job = ask.make("example")
    first = ask.ask("GET", job).headers["etag"]
    answer = ask.ask("PATCH", job, {"name": "one"}, if_match=first)
    assert answer.status == 200
    second = answer.headers["etag"]
    assert second != first
    assert ask.ask("GET", job).headers["etag"] == second
    for wrong in (first, '"nonsense"', f"W/{second}", ""):
        assert ask.ask("PATCH", job, {"name": "two"}, if_match=wrong).status == 412
    assert ask.get(job)["name"] == "one"
    assert ask.ask("PATCH", job, {"name": "three"}, if_match=f"{first}, {second}").status == 200
    assert ask.ask("PATCH", job, {"name": "four"}, if_match="*").status == 200


def test_a_run_changes_what_is_shown_and_not_the_version(ask):
    job = ask.make("example", 0.2)
    before = ask.ask("GET", job).headers["etag"]
    ask.run_in(job, "succeeded", at_least=2)
    assert ask.ask("GET", job, if_none_match=before).status == 200
    assert ask.ask("PATCH", job, {"retries": 1}, if_match=before).status == 200
    assert ask.ask("DELETE", job, if_match=before).status == 412
    assert ask.ask("DELETE", job, if_match='"2"').status == 200


def test_what_is_known_is_not_sent_again(ask):
    job = ask.make("example", 3600)
    answer = ask.ask("GET", job)
    known = ask.ask("GET", job, if_none_match=answer.headers["etag"])
    assert (known.status, known.content) == (304, b"")
    assert known.headers["etag"] == answer.headers["etag"]
    ask.ask("DELETE", job)


# Pauses.


def test_the_dues_of_a_pause_are_one_row_and_the_grid_stays(ask):
    every = timedelta(seconds=0.3)
    job = ask.make("example", 0.3, overlap="allow")
    ask.run_in(job, "succeeded")
    shown = ask.ask("POST", f"{job}/pause").json
    assert (shown["paused"], shown["state"]) == (True, "paused")
    assert job.endswith(ask.get("/jobs?state=paused")["values"][-1]["id"])
    paused = instant(shown["updated"])
    until(lambda: not ask.runs(job, "waiting", "running"))  # or one of before could succeed after the pause
    before = len(ask.runs(job))
    still(lambda: len(ask.runs(job)) == before, 1.2)
    resumed = ask.ask("POST", f"{job}/resume").json
    assert (resumed["paused"], resumed["state"]) == (False, "scheduled")

    (row,) = ask.runs(job, "skipped")
    created = instant(shown["created"])
    first, last = instant(row["due"]), instant(row["until"])
    assert (row["reason"], row["count"]) == ("paused", (last - first) // every + 1)
    assert row["count"] >= 3
    assert (first - created) % every == (last - created) % every == timedelta(0)
    assert last <= instant(resumed["updated"]) < instant(resumed["next_due"]) <= last + every
    assert first <= paused + every
    told = sorted(dues(ask.runs(job), every))
    assert told == [created + n * every for n in range(1, len(told) + 1)], "the pause takes no due from another row"
    assert ask.run_in(job, "succeeded", at_least=len(ask.runs(job, "succeeded")) + 1)["due"] >= resumed["next_due"]
    ask.ask("DELETE", job)


def test_a_paused_job_runs_now_and_a_passed_at_is_skipped(ask):
    due = soon(6)
    job = ask.make("example", None, at=text(due))
    ask.ask("POST", f"{job}/pause")
    assert ask.ended(ask.run(job))["state"] == "succeeded"
    until(lambda: soon(0) > due)
    shown = ask.ask("POST", f"{job}/resume").json
    assert (shown["state"], shown["next_due"]) == ("ended", None)
    (row,) = ask.runs(job, "skipped")
    assert (row["reason"], row["until"], row["count"]) == ("paused", None, 1)


def test_a_patch_of_a_paused_job_leaves_its_pause_one_row(ask):
    first = soon(6)
    job = ask.make("example", 0.3, start=text(first))
    ask.ask("POST", f"{job}/pause")
    until(lambda: soon(0) > first)
    for _ in range(3):
        ask.patch(job, overlap="allow")
        time.sleep(0.4)
    resumed = ask.ask("POST", f"{job}/resume").json
    (row,) = ask.runs(job, "skipped")
    assert (instant(row["due"]), row["reason"]) == (first, "paused")
    assert instant(row["until"]) == instant(resumed["next_due"]) - timedelta(seconds=0.3)
    ask.run_in(job, "succeeded")
    ask.ask("DELETE", job)


def test_a_new_schedule_settles_the_past_and_the_pause_goes_on(ask):
    job = ask.make("example")
    ask.ask("POST", f"{job}/pause")
    ask.patch(job, interval={"seconds": 0.3})  # not before, or a due might come before the pause
    time.sleep(0.7)
    changed = ask.patch(job, interval={"seconds": 0.4})
    time.sleep(0.9)
    resumed = ask.ask("POST", f"{job}/resume").json
    first, second = ask.runs(job, "skipped")
    assert {first["reason"], second["reason"]} == {"paused"}
    assert second["due"] == changed["next_due"]
    assert instant(second["until"]) + timedelta(seconds=0.4) == instant(resumed["next_due"])
    ask.ask("DELETE", job)
