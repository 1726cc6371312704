"""Crontabs: what a line becomes, and what is refused of it, line by line."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.formats import BadJobs, KnownTask, Unsayable, read, write
from jobsched.formats.crontab import made_id
from jobsched.formats.known_tasks import Call
from jobsched.formats.words import split
from jobsched.model.errors import Invalid
from jobsched.model.ids import is_word

from .reading import TASKS, found, jobs, refusals

LINES: dict[str, dict[str, Any]] = {
    "30 2 * * * report": {"cron": "30 2 * * *"},
    "30\t2  * * *   report": {"cron": "30 2 * * *"},
    "  0 3 * * mon-fri report  ": {"cron": "0 3 * * mon-fri"},
    "*/5 8-18/2 1,15 JAN-MAR 7 report": {"cron": "*/5 8-18/2 1,15 JAN-MAR 7"},
    "@daily report": {"cron": "@daily"},
    "@Hourly report": {"cron": "@Hourly"},
    r"@daily report day=50\%": {"cron": "@daily", "parameters": {"day": "50%"}},
    "@daily report day='a b'": {"cron": "@daily", "parameters": {"day": "a b"}},
    '@daily report "day=a \\"b\\" \\$c"': {"cron": "@daily", "parameters": {"day": 'a "b" $c'}},
    "@daily report day=": {"cron": "@daily", "parameters": {"day": ""}},
    "@daily report day=a=b": {"cron": "@daily", "parameters": {"day": "a=b"}},
    "@daily 'report'\r": {"cron": "@daily"},
    "@daily /srv/tasks/backup.sh --all": {"cron": "@daily", "task": "backup"},
    "@daily /srv/tasks/backup.sh --all mode=x": {"cron": "@daily", "task": "backup", "parameters": {"mode": "x"}},
}


@pytest.mark.parametrize(("line", "wanted"), LINES.items(), ids=LINES)
def test_a_line(line: str, wanted: dict[str, Any]) -> None:
    [job] = jobs("crontab", line)
    del job["id"]
    assert job == {"task": "report"} | wanted


BAD = {
    "61 3 * * * report": 'minute: "61" is not allowed',
    "0 3 * * report": "a line has five fields",
    "@daily": "a line has a word such as @daily and a command",
    "@reboot report": "@reboot",
    "~ 3 * * * report": "minute",
    "0 0 30 2 * report": "never",
    "@daily reprot": 'did you mean "report"',
    "@daily day=1 report": "NAME=value comes behind it",
    "@daily report now": "is no NAME=value",
    "@daily report night=1": "allows no parameter night",
    "@daily report day=1 day=2": "given twice",
    "@daily report%hello": "standard input",
    r"@daily report day=a\\%": "standard input",
    "@daily report | mail": '"|" is for a shell',
    "@daily report && report": '"&" is for a shell',
    "@daily report day=$(date)": '"$" is for a shell',
    '@daily report day="$HOME"': '"$" is for a shell',
    "@daily report day=`date`": '"`" is for a shell',
    "@daily report day=*": '"*" is for a shell',
    "@daily ~/report": '"~" is for a shell',
    "@daily report # each day": '"#" is for a shell',
    "@daily report day='1": "not closed",
    "@daily report day=1\\": "backslash",
    "@daily report >/dev/null 2>&1": "what a run prints is kept",
    "@daily report &>> /dev/null": "what a run prints is kept",
    "@daily /srv/tasks/backup.sh": "no task of the catalog",
    "@daily \0": "NUL",
    "@daily report day=" + "x" * 100_000: "characters at most",
    "FOO=bar": "FOO is a variable for commands",
    "CRON_TZ=Europe/Berln": 'did you mean "Europe/Berlin"',
    "TZ=Europe/Berlin": "write CRON_TZ",
    "RANDOM_DELAY=x": "RANDOM_DELAY is a number of minutes",
    "RANDOM_DELAY=1441": "RANDOM_DELAY is a number of minutes",
    "# id: a": "no job follows",
}


@pytest.mark.parametrize(("line", "words"), BAD.items(), ids=[line[:40] for line in BAD])
def test_a_line_that_is_refused(line: str, words: str) -> None:
    assert words in refusals("crontab", f"# one\n{line}\n")["line 2"]


def test_every_line_is_told() -> None:
    assert list(refusals("crontab", "@daily report\nx\n\n61 * * * * report\n@daily nothing")) == [
        "line 2", "line 4", "line 5",
    ]  # fmt: skip


def test_the_section_that_a_command_needs() -> None:
    with pytest.raises(BadJobs) as caught:
        read("crontab", "0 1 * * * /usr/bin/pg_dump -Fc 'my db'", TASKS)
    assert caught.value.all[0].detail.partition("\n\n")[2] == (
        "[pg-dump]\nfile = runscript.py\nclass = RunScript\nscript = /usr/bin/pg_dump\narguments = -Fc 'my db'"
    )
    assert "\n" not in str(caught.value)


def test_a_section_smuggles_nothing() -> None:
    text = """{apiVersion: batch/v1, kind: CronJob, metadata: {name: a}, spec: {schedule: "@daily", jobTemplate: {spec:
        {template: {spec: {containers: [{command: ["/bin/x", "a\\n[other]\\nuser = root"]}]}}}}}}"""
    [words] = refusals("kubernetes", text).values()
    assert "[other]" not in words


def test_zones_hold_for_the_lines_behind_them() -> None:
    text = "0 1 * * * report\nCRON_TZ=Asia/Tokyo\nTZ='Asia/Tokyo'\n0 1 * * * backup\nCRON_TZ=\n0 1 * * * backup mode=x"
    assert [job.get("timezone") for job in jobs("crontab", text)] == [None, "Asia/Tokyo", None]


def test_a_zone_that_is_none_is_told_once() -> None:
    assert list(refusals("crontab", "CRON_TZ=No/Where\n@daily report")) == ["line 1"]


def test_random_delay_is_jitter() -> None:
    text = "RANDOM_DELAY=5\n@daily report\nRANDOM_DELAY=0\n@daily backup"
    assert [job.get("jitter") for job in jobs("crontab", text)] == [300, None]


def test_what_is_for_cron_alone_is_left_aside() -> None:
    notes = found("crontab", 'SHELL=/bin/bash\nPATH = /bin\nMAILTO=""\nMAILTO=ops@example.org\n@daily report').notes
    assert [(note.place, note.detail.partition(" ")[0]) for note in notes] == [
        ("line 1", "SHELL"), ("line 2", "PATH"), ("line 4", "MAILTO"),
    ]  # fmt: skip


def test_the_column_of_users() -> None:
    assert jobs("system-crontab", "0 1 * * * jobs backup")[0]["task"] == "backup"
    assert jobs("system-crontab", "@daily jobs backup")[0]["task"] == "backup"
    words = refusals("system-crontab", "0 1 * * * root backup\n0 1 * * * root report\n0 1 * * * backup")
    assert 'for the user "root", and the task backup runs as jobs' in words["line 1"]
    assert words["line 2"].endswith("[report]\nuser = root")
    assert "a user and a command" in words["line 3"]


def test_an_id_may_be_said_before_the_line() -> None:
    text = "# id: nightly\n# by night\n\nMAILTO=\n0 1 * * * report\n#ID:weekly\n@weekly report"
    assert [job["id"] for job in jobs("crontab", text)] == ["nightly", "weekly"]
    assert "an id is a word" in refusals("crontab", "# id: Nightly!\n@daily report")["line 2 /id"]
    assert 'no job follows the id "a"' in refusals("crontab", "# id: a\n# id: b\n@daily report")["line 1"]


def test_two_lines_of_one_task_need_ids() -> None:
    words = refusals("crontab", "0 1 * * * report day=1\n0 2 * * * report day=2\n0 3 * * * report day=1")
    assert list(words) == ["line 3"]
    assert "at line 1 and at line 3" in words["line 3"]


names = st.text(min_size=1, max_size=80)
values = st.dictionaries(st.from_regex("[A-Za-z_][A-Za-z0-9_]*", fullmatch=True), st.text(), max_size=3)


@given(names, values)
def test_an_id_that_is_made_is_one_and_stays(task: str, parameters: dict[str, str]) -> None:
    made = made_id(Call(task, parameters))
    assert is_word(made)
    assert made == made_id(Call(task, dict(reversed(parameters.items()))))


def test_ids_that_are_made() -> None:
    assert made_id(Call("db-backup", {})) == "db-backup"
    assert made_id(Call("db-backup", {"a": "1"})).startswith("db-backup-")
    assert made_id(Call("db-backup", {"a": "1"})) != made_id(Call("db-backup", {"a": "2"}))
    assert made_id(Call("DB Backup", {})) != made_id(Call("db backup", {}))


def test_an_empty_set_has_to_be_meant() -> None:
    assert jobs("crontab", "# jobs: none\n") == []
    assert "there is no job in it" in refusals("crontab", "# nothing\n\n")["line 1"]
    assert "there is no job in it" in refusals("crontab", "")["line 1"]


@given(st.text())
def test_any_text_is_split_or_refused(text: str) -> None:
    try:
        assert all(isinstance(word, str) for word in split(text))
    except Invalid:
        return


@pytest.mark.parametrize(
    ("fields", "pointer"),
    [
        ({"interval": {"minutes": 5}, "cron": None}, "/a/interval"),
        ({"cron": "0 0 1 * * *"}, "/a/cron"),
        ({"cron": "0 0 L * *"}, "/a/cron"),
        ({"cron": "0 0 * * 5L"}, "/a/cron"),
        ({"cron": "0 0 * * MON#2"}, "/a/cron"),
        ({"cron": "0  0 * * *"}, "/a/cron"),
        ({"retries": 2}, "/a/retries"),
        ({"name": "A"}, "/a/name"),
        ({"labels": {"a": "b"}}, "/a/labels"),
        ({"jitter": 61}, "/a/jitter"),
        ({"jitter": 0.5}, "/a/jitter"),
        ({"jitter": 86_460}, "/a/jitter"),
        ({"parameters": {"n": 1}}, "/a/parameters/n"),
        ({"parameters": {"n": "a\nb"}}, "/a/parameters/n"),
        ({"parameters": {"n n": "a"}}, "/a/parameters/n n"),
        ({"parameters": {"n": "x" * 100_000}}, "/a"),
        ({"task": "a\nb"}, "/a/task"),
    ],
)  # fmt: skip
def test_what_a_crontab_cannot_say(fields: dict[str, Any], pointer: str) -> None:
    job = {"id": "a", "task": "t", "cron": "0 0 * * JUL"} | fields
    with pytest.raises(Unsayable) as caught:
        write("crontab", [{name: value for name, value in job.items() if value is not None}])
    assert pointer in [fault.pointer for fault in caught.value.all]


def test_crontabs_behind_one_another_are_one() -> None:
    first = [{"id": "a", "task": "t", "cron": "@daily", "timezone": "Asia/Tokyo", "jitter": 60}]
    second = [{"id": "b", "task": "t", "cron": "@daily"}]
    text = write("crontab", first) + write("crontab", second)
    assert [entry.job for entry in read("crontab", text, [KnownTask(name="t")]).entries] == [*first, *second]


def test_a_line_of_backslashes_takes_no_longer_than_another() -> None:
    begun = time.process_time()
    [job] = jobs("crontab", "@daily report 'day=" + "\\" * 90_000 + "x'")
    assert len(job["parameters"]["day"]) == 90_001
    assert time.process_time() - begun < 5, "it was half a minute"


def test_what_was_meant_is_not_looked_for_without_end() -> None:
    told = refusals("crontab", "@daily repor\n" * 900)
    assert 0 < sum("did you mean" in words for words in told.values()) < 100
    long = refusals("crontab", f"{'1,' * 40_000}1 * * * * report")["line 1"]
    assert long == "a cron expression has at most 255 characters, not 80009"


def test_no_refusal_repeats_a_long_command() -> None:
    for command in (f"/bin/{'x' * 90_000}", f"report {'x' * 90_000}=1", f"/bin/x {'y ' * 40_000}"):
        assert len(refusals("crontab", f"@daily {command}")["line 1"]) < 5000
    assert len(refusals("system-crontab", f"@daily {'u' * 90_000} report")["line 1"]) < 5000


@pytest.mark.parametrize("line", ["# id: {}", "#{} x", "MAILTO={}", "@daily report day={}"])
def test_a_line_has_a_length_whatever_it_is(line: str) -> None:
    text = f"# jobs: none\n{line.format('x' * 100_000)}\n"
    assert refusals("crontab", text) == {"line 2": "a line has 100,000 characters at most"}
