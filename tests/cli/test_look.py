"""What a person sees: lists, one job, the first screen, and why something did not run."""

from __future__ import annotations

import json
import re
import signal
import tomllib
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from tests.cli.person import Person, read
from tests.system.caller import Caller
from tests.system.daemon import until

# Half a day away: it is neither the next due of all nor does it come while these tests look.
CRON = f"30 {datetime.now(ZoneInfo('Europe/Berlin')) + timedelta(hours=12):%-H} * * *"


@pytest.fixture(scope="module", autouse=True)
def jobs(daemon, tmp_path_factory) -> None:
    """One that fails, one that does well, one that is paused, and fifty others."""
    person, caller = Person(tmp_path_factory.mktemp("jobs"), daemon), Caller(daemon)
    person.does("add", "db-backup", "--task", "fails", "--cron", CRON, "--zone", "Europe/Berlin")
    person.does("add", "hello", "--task", "runfoo", "--every", "1h", "--label", "team=data")
    person.does("add", "nightly-report", "--task", "runfoo", "--every", "1d", "--description", "Makes the report")
    person.does("pause", "nightly-report", "--reason", "db upgrade")
    for job in ("db-backup", "db-backup", "hello"):
        caller.ended(caller.run(f"/jobs/{job}"))
    for number in range(50):
        caller.make("runfoo", id=f"batch-{number}", name=f"batch-{number}")


def test_alone_it_shows_what_needs_you(person: Person) -> None:
    said = person.terminal(columns=100)
    assert said.status == 0
    head, failing, upcoming, hints = said.lines
    assert head.startswith("1 job needs you    ")
    assert re.search(r"^  x db-backup  failed 2x since \S+   exit code 3, last line: ERROR: connection ref", failing)
    assert upcoming.startswith(("next: hello ", "next: batch-"))
    assert upcoming.count("(in ") == 5
    assert hints.split("        ") == [
        "  jobsched logs db-backup",
        "jobsched why db-backup",
        "jobsched rerun db-backup",
    ]
    assert person.pipe("status", "--exit-code").status == 1


def test_status_of_a_job(person: Person) -> None:
    text = person.terminal("status", "db-backup").plain
    assert re.search(rf"^db-backup: runs {re.escape(CRON)} Europe/Berlin; next at .*, in ", text)
    assert "0.0% of 2 dues succeeded" in text
    assert text.count("\nfailed  ") == 2
    assert len(re.findall(r"\d\d:\d\d", text[text.index("next: ") :].splitlines()[0])) == 3
    assert person.pipe("status", "hello", "--exit-code").status == 0
    assert person.does("status", "nightly-report").startswith("nightly-report: paused by somebody at ")
    assert "db upgrade" in person.does("status", "nightly-report")


def test_jobs_those_first_that_need_you(person: Person) -> None:
    said = person.terminal("jobs", columns=130)
    assert said.lines[0].split() == ["NEXT", "LEFT", "LAST", "RESULT", "NAME", "WHEN", "TASK"]
    assert " failed " in said.lines[1]
    assert f"{CRON} Europe/Berlin" in said.lines[1]
    assert len(said.lines) == 54
    assert "\x1b[31mfailed\x1b[0m" in said.out


def test_jobs_are_found_by_what_they_are(person: Person) -> None:
    def named(*words: str) -> list[str]:
        return person.does("jobs", *words, "-o", "name").split()

    assert named("--failing") == ["db-backup"]
    assert named("--paused") == ["nightly-report"]
    assert named("--label", "team=data") == ["hello"]
    assert named("--task", "fails") == ["db-backup"]
    assert named("-q", "makes REPORT") == ["nightly-report"]
    assert len(named("batch-1*", "--sort", "name")) == 11
    assert named("batch-?", "--sort", "-name", "--limit", "2") == ["batch-9", "batch-8"]
    nothing = person.pipe("jobs", "--overdue")
    assert (nothing.status, nothing.out, nothing.err) == (
        0,
        "",
        "no job is so\n",
    )


def test_forms_for_programs(person: Person) -> None:
    every = json.loads(person.does("jobs", "-o", "json"))
    assert len(every) == 53
    assert json.loads(person.does("jobs", "--task", "fails", "-o", "jsonl"))["id"] == "db-backup"
    assert person.does("jobs", "--task", "fails", "-o", "template={id}\\t{last_run.state}\\t{labels}\\t{nothing}") == (
        "db-backup\tfailed\t{}\t\n"
    )
    lines = person.does("jobs", "hello").splitlines()
    assert [line.count("\t") for line in lines] == [6, 6]
    assert lines[1].split("\t")[4] == "hello"
    assert len(person.does("jobs", "hello", "--no-headers").splitlines()) == 1
    wide = person.does("jobs", "hello", "-o", "wide").splitlines()
    assert wide[0].split("\t")[-1] == "ID"
    assert wide[1].split("\t")[-2:] == ["team=data", "hello"]


def test_runs_and_what_there_is_to_say_of_none(person: Person) -> None:
    said = person.terminal("runs", "db-backup", columns=120)
    assert said.lines[0].split() == ["STATE", "JOB", "DUE", "LATE", "TOOK", "EXIT", "REASON", "ID"]
    assert re.search(r"^failed  db-backup  \S+ +- +\S+ m?s +3  exit code 3, .*[0-9a-f]{8}-[0-9a-f]{4}$", said.lines[1])
    assert len(person.does("runs", "--failing", "--since", "-1h", "-o", "name").split()) == 2
    assert person.does("runs", "--state", "succeeded", "-o", "template={job_name}") == "hello\n"
    none = person.pipe("runs", "hello", "--at", "2020-01-01T03:00")
    assert none.status == 0
    assert none.err.startswith("no runs of hello at 2020-01-01T03:00; hello was made on ")
    assert person.pipe("runs", "--at", "03:00", "--since", "-1h").status == 2


def test_why_tells_what_may_be_done(person: Person, caller: Caller) -> None:
    paused = person.does("why", "nightly-report")
    assert (
        "run it now: jobsched run nightly-report" in paused or "let it go on: jobsched resume nightly-report" in paused
    )
    due = caller.runs("/jobs/db-backup", "failed")[-1]["due"]
    failed = person.does("why", "db-backup", "--at", f"{due[:19]}Z", "--utc")
    assert "exit code 3" in failed
    [command] = re.findall(r"^see what it printed: jobsched (logs \S+ --tail 20)$", failed, re.MULTILINE)
    assert person.does(*command.split()) == "connecting to db\nERROR: connection refused db:5432\n"


def test_why_of_a_job_that_is_gone(person: Person) -> None:
    person.does("add", "gone", "--task", "runfoo", "--every", "1h")
    person.does("delete", "gone", "--yes")
    assert "was deleted" in person.does("why", "gone")
    missing = person.pipe("why", "nightly-reprot")
    assert (missing.status, missing.err) == (3, 'error: no job "nightly-reprot"; did you mean nightly-report?\n')


def test_a_job_by_the_begin_of_its_id(person: Person, caller: Caller) -> None:
    job = caller.make("runfoo", name="Ähnliches & <mehr>").removeprefix("/jobs/")
    assert json.loads(person.does("status", job[:20], "-o", "jsonl"))["id"] == job
    assert json.loads(person.does("status", "Ähnliches & <mehr>", "-o", "jsonl"))["id"] == job
    other = caller.make("runfoo", name="Ähnliches & <mehr>").removeprefix("/jobs/")
    several = person.pipe("status", "Ähnliches & <mehr>")
    assert several.status == 2
    assert job in several.err
    assert other in several.err
    person.does("delete", job, other, "--yes")


def test_next_and_preview(person: Person) -> None:
    lines = person.does("next", "-n", "5", "--label", "team=data").splitlines()
    assert [line.split("\t")[2] for line in lines[1:]] == ["hello"] * 5
    shown = person.does("preview", "30 2 * * *", "--zone", "Europe/Berlin", "--from", "2027-03-27T12:00", "-n", "2")
    rows = [line.split("\t") for line in shown.splitlines()]
    assert rows[1][0] == "2027-03-28 03:00:00+02:00"
    assert "02:30 does not exist on 2027-03-28 in Europe/Berlin" in rows[1][2]
    assert person.pipe("preview").status == 2
    assert person.pipe("preview", "61 * * * *").status == 1


def test_nodes_and_audit(person: Person) -> None:
    assert person.does("nodes").splitlines()[1].startswith("alive\t")
    entry = json.loads(person.does("audit", "nightly-report", "--action", "job.pause", "-o", "jsonl"))
    assert entry["after"]["pause_reason"] == "db upgrade"
    line = person.does("audit", "nightly-report", "--action", "job.pause").splitlines()[1]
    assert "paused: false -> true" in line
    assert person.does("audit", "--since", "2020-01-01", "-n", "1", "-o", "name") != ""


def test_events_tell_of_a_run_as_it_goes(person: Person) -> None:
    with person.typing("events", "hello", "--kind", "run") as (process, master):
        shown = b""

        def told() -> bool:
            nonlocal shown
            person.does("run", "hello", "--wait")
            shown += read(master, 1) or b""
            return b"hello: succeeded after" in shown

        until(told)
        process.send_signal(signal.SIGTERM)


def test_watch_shows_the_list_again(person: Person) -> None:
    stage = [0]

    def types(shown: str) -> bytes | None:
        if stage[0] == 0 and "db-backup" in shown:
            stage[0] = 1
            person.does("add", "fresh", "--task", "runfoo", "--every", "1h", "--replace")
        elif stage[0] == 1 and "fresh" in shown:
            stage[0] = 2
            return b"\x03"
        return None

    said = person.terminal("jobs", "--watch", "--limit", "60", types=types)
    assert said.status == 130
    assert said.out.count("\x1b[2J") >= 2
    person.does("delete", "fresh", "--yes")


def test_export_is_stable_and_toml_is_toml(person: Person) -> None:
    first, again = person.does("export", "db-backup"), person.does("export", "db-backup")
    assert first == again
    assert json.loads(first) == {
        "jobs": [{"cron": CRON, "id": "db-backup", "task": "fails", "timezone": "Europe/Berlin"}]
    }
    assert CRON in person.does("export", "--as", "crontab", "--task", "fails")
    assert "id: hello" in person.does("export", "--as", "yaml", "--label", "team=data")
    assert person.pipe("export", "hello", "--as", "toml").status == 2
    refused = person.pipe("export", "--as", "crontab")
    assert (refused.status, refused.out) == (1, "")
    assert refused.err.count("has no place in a crontab") < 6
    assert " more\n" in refused.err
    read = tomllib.loads(person.does("export", "--as", "toml"))
    assert len(read["jobs"]) == 53
    assert {"id": "hello", "interval": {"seconds": 3600}, "labels": {"team": "data"}, "task": "runfoo"} in read["jobs"]
    assert person.pipe("export", "nothing-*").status == 3


def test_completion_knows_the_names_of_the_server(person: Person) -> None:
    def completed(words: str) -> list[str]:
        env = {"_JOBSCHED_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        return sorted(line.partition(",")[2] for line in person.pipe(env=env).out.splitlines())

    assert completed("jobsched why night") == ["nightly-report"]
    assert completed("jobsched re") == ["release", "rerun", "restore", "resume"]
    assert completed("jobsched add x --task fai") == ["fails"]
    for shell in ("bash", "zsh", "fish"):
        assert "_JOBSCHED_COMPLETE" in person.does("completion", shell)


def test_open_says_where_the_page_is_and_starts_a_browser(person: Person) -> None:
    browser = person.folder / "browser"
    browser.write_text('#!/bin/sh\necho "$1" > opened\n')
    browser.chmod(0o755)
    address = person.environment["JOBSCHED_URL"] + "/ui/"
    in_script = person.does("open", env={"BROWSER": str(browser)})
    assert (in_script, (person.folder / "opened").exists()) == (address + "\n", False)
    said = person.terminal("open", "db-backup", env={"BROWSER": str(browser)})
    assert said.plain == address + "jobs/db-backup\n"
    assert (person.folder / "opened").read_text() == address + "jobs/db-backup\n"
    assert person.pipe("open", "nothing").status == 3
