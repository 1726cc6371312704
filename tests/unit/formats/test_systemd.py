"""Timers of systemd with their services: what each setting becomes, and what is refused or left aside of them."""

from __future__ import annotations

import time
from typing import Any

import pytest

from jobsched.formats import unit_files

from .reading import found, jobs, refusals

TIMER = "OnCalendar=*-*-* 02:30:00"
SERVICE = "Type=oneshot\nExecStart=report"
JOB: dict[str, Any] = {"id": "nightly", "task": "report", "cron": "30 2 * * *"}


def units(timer: str = TIMER, service: str = SERVICE, unit: str = "") -> str:
    return (
        f"# /etc/systemd/system/nightly.timer\n[Timer]\n{timer}\n\n# /etc/systemd/system/nightly.service\n"
        f"[Unit]\n{unit}\n[Service]\n{service}\n"
    )


MAPPED: list[tuple[str, str, dict[str, Any]]] = [
    (TIMER, SERVICE, {}),
    ("OnCalendar=Mon 03:00 Asia/Tokyo", SERVICE, {"cron": "0 3 * * 1", "timezone": "Asia/Tokyo"}),
    ("OnUnitActiveSec=1h 30min", SERVICE, {"interval": {"seconds": 5400}, "cron": None}),
    ("OnBootSec=15min\nOnUnitActiveSec=1.5h", SERVICE, {"interval": {"seconds": 5400}, "cron": None}),
    (f"{TIMER}\nPersistent=true", SERVICE, {"misfire_grace": None, "catch_up": "latest"}),
    (f"{TIMER}\nPersistent=no\nWakeSystem=no", SERVICE, {}),
    (f"{TIMER}\nRandomizedDelaySec=5m", SERVICE, {"jitter": 300}),
    (f"{TIMER}\nRandomizedDelaySec=0", SERVICE, {}),
    (f"OnCalendar=daily\nOnCalendar=\n{TIMER}", SERVICE, {}),
    (f"; a comment\n{TIMER.replace('02:30', chr(92) + chr(10) + '# in between' + chr(10) + ' 02:30')}", SERVICE, {}),
    (TIMER, f"{SERVICE}\nTimeoutStartSec=90", {"timeout": 90}),
    (TIMER, "ExecStart=report\nRuntimeMaxSec=2min", {"timeout": 120}),
    (TIMER, "ExecStart=report day='a b'", {"parameters": {"day": "a b"}}),
    (TIMER, 'ExecStart=report "day=50%% of $$5 \\"x\\""', {"parameters": {"day": '50% of $5 "x"'}}),
    (TIMER, "ExecStart=report\nEnvironment=day=1", {"parameters": {"day": "1"}}),
    (TIMER, "ExecStart=/srv/tasks/backup.sh --all mode=x\nUser=jobs", {"task": "backup", "parameters": {"mode": "x"}}),
]  # fmt: skip


@pytest.mark.parametrize(("timer", "service", "wanted"), MAPPED)
def test_a_setting(timer: str, service: str, wanted: dict[str, Any]) -> None:
    whole = JOB | wanted
    assert jobs("systemd", units(timer, service)) == [{n: v for n, v in whole.items() if n != "cron" or v is not None}]


REFUSED = [
    ("", SERVICE, "either OnCalendar or OnUnitActiveSec"),
    (f"{TIMER}\nOnUnitActiveSec=1h", SERVICE, "either OnCalendar or OnUnitActiveSec"),
    (f"{TIMER}\nOnCalendar=daily", SERVICE, "more than once"),
    (f"{TIMER}\nOnBootSec=5", SERVICE, "starts it once after a boot"),
    ("OnCalendar=nightly", SERVICE, "no weekday"),
    ("OnUnitInactiveSec=1h", SERVICE, "intervals are between starts"),
    ("OnUnitActiveSec=1 fortnight", SERVICE, "no span"),
    (f"{TIMER}\nPersistent=maybe", SERVICE, "yes or no"),
    (f"{TIMER}\nWakeSystem=yes", SERVICE, "WakeSystem: it has no counterpart"),
    (f"{TIMER}\nUnit=other.service", SERVICE, "other.service, which it starts, is not there"),
    (TIMER, "Type=oneshot", "no ExecStart"),
    (TIMER, "Type=forking\nExecStart=report", "a task ends when its program does"),
    (TIMER, f"{SERVICE}\nExecStart=report", "more than once"),
    (TIMER, f"{SERVICE}\nExecStartPre=x", "put the others into its script"),
    (TIMER, f"{SERVICE}\nRestart=on-failure", "`retries` of a job"),
    (TIMER, f"{SERVICE}\nPrivateTmp=yes", "the section of the task in the catalog"),
    (TIMER, f"{SERVICE}\nUser=root", "says no user"),
    (TIMER, f"{SERVICE}\nEnvironment=NIGHT=1", "allows no parameter NIGHT"),
    (TIMER, f"{SERVICE}\nEnvironment=x", "no NAME=value"),
    (TIMER, f"{SERVICE}\nEnvironmentFile=/etc/x", "parameters are written out"),
    (TIMER, "ExecStart=-/srv/tasks/backup.sh --all", '"-" before a program'),
    (TIMER, "ExecStart=report day=%i", "systemd fills in what follows %"),
    (TIMER, "ExecStart=report day=$DAY", "systemd fills in what follows $"),
    (TIMER, "ExecStart=report day=\\x41", "of escapes only"),
    (TIMER, 'ExecStart=report "day', "not closed"),
    (TIMER, "ExecStart=report ; report", "one command"),
    (TIMER, "ExecStart=/usr/bin/rsync -a /a /b", "script = /usr/bin/rsync\narguments = -a /a /b"),
    (TIMER, f"{SERVICE}\nnonsense", "neither a [Section] nor"),
]


@pytest.mark.parametrize(("timer", "service", "words"), REFUSED)
def test_a_setting_that_is_refused(timer: str, service: str, words: str) -> None:
    assert words in "\n".join(refusals("systemd", units(timer, service)).values())


def test_what_is_said_of_it() -> None:
    [job] = jobs("systemd", units(unit="Description=Back  it up\nDocumentation=https://wiki.example/backup"))
    assert job["description"] == "Back it up"
    assert job["runbook"] == "https://wiki.example/backup"
    notes = found("systemd", units(unit="Documentation=man:backup(1)")).notes
    assert "one http or https link" in notes[0].detail


def test_what_is_left_aside_is_told() -> None:
    timer, service = f"{TIMER}\nAccuracySec=1s", f"{SERVICE}\nTimeoutStartSec=infinity\nRuntimeMaxSec=5\nX-Mine=1"
    notes = found("systemd", units(timer, service, "After=network.target")).notes
    assert {note.detail.partition(" ")[0] for note in notes} == {
        "AccuracySec", "TimeoutStartSec", "RuntimeMaxSec", "After",
    }  # fmt: skip


def test_drop_ins_change_their_unit() -> None:
    text = units() + "# /etc/systemd/system/nightly.timer.d/override.conf\n[Timer]\nOnCalendar=\nOnCalendar=daily\n"
    assert jobs("systemd", text)[0]["cron"] == "0 0 * * *"


def test_several_timers_and_a_service_of_another_name() -> None:
    text = (
        f"# a.timer\n[Timer]\n{TIMER}\nUnit=b.service\n# b.service\n[Service]\n{SERVICE}\n"
        f"# c.timer\n[Timer]\n{TIMER}\n# c.service\n[Service]\n{SERVICE}\n"
    )
    entries = found("systemd", text).entries
    assert [(entry.place, entry.job["id"]) for entry in entries] == [("a.timer", "a"), ("c.timer", "c")]


@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("", "line 1", "there is no timer"),
        (f"[Timer]\n{TIMER}", "line 1", "before a unit stands"),
        (units() + "# x.service\n[Service]\n", "line 11", "no timer here starts x.service"),
        (units() + units(), "line 11", "nightly.timer is there twice"),
        (units() + "\\", "line 11", "ends with a backslash"),
        (units() + "X=\0", "line 11", "NUL"),
        (f"# a@.timer\n[Timer]\n{TIMER}\n# a@.service\n[Service]\n{SERVICE}", "a@.timer /id", "an id is a word"),
    ],
)
def test_a_text_that_is_refused(text: str, place: str, words: str) -> None:
    assert words in refusals("systemd", text)[place]


def test_many_settings_cost_no_more_each() -> None:
    begun = time.process_time()
    refusals("systemd", "# a.timer\n[Timer]\n" + "A=b\n" * 20_000 + "B=\n" * 20_000)
    assert time.process_time() - begun < 3, "half a minute, were each to go through all before it"


def test_a_service_of_many_timers_counts_for_each() -> None:
    timers = "".join(f"# /e/t{each}.timer\n[Timer]\nOnCalendar=daily\nUnit=a.service\n" for each in range(1000))
    service = f"# /e/a.service\n[Service]\nExecStart=report\nEnvironment=day={'x' * 90_000}\n"
    assert "counted of a service each time that a timer starts it" in "".join(
        refusals("systemd", timers + service).values()
    )


def test_a_text_has_only_so_many_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_files, "MOST_SETTINGS", 3)
    service = "# /e/a.service\n[Service]\nExecStart=report\n"
    text = f"# /e/a.timer\n[Timer]\nOnCalendar=daily\nX-For=others\n{service}Type=oneshot\n"
    assert found("systemd", text).entries
    assert refusals("systemd", f"{text}Restart=no\n") == {"line 9": "it holds more than 3 settings"}


@pytest.mark.parametrize("name", ["OnUnitActiveSec", "RandomizedDelaySec"])
def test_a_long_span_is_refused_before_it_is_read(name: str) -> None:
    text = f"# /e/a.timer\n[Timer]\n{name}=1h{' ' * 90_000}-\n# /e/a.service\n[Service]\nExecStart=report\n"
    assert f'{name}: "1h' in refusals("systemd", text)["line 3"]
