"""What all commands have in common: whom they ask, with what, in which form, and how they end."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from jobsched.cli.app import ALL
from tests.cli.person import Person
from tests.system.caller import Caller
from tests.system.daemon import ROOT, Daemon, daemon_in
from tests.system.secured import token

HEAVY = ("twisted", "treq", "rich", "sqlalchemy", "msgspec", "klein", "asyncio", "attr")


def imported(*words: str) -> set[str]:
    """The packages that a command line imports, of those that take long."""
    code = (
        "import sys, io, contextlib\n"
        "from jobsched.cli.app import main\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):\n"
        f"    main({list(words)!r})\n"
        f"print(*[name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize("words", [["--help"], ["jobs"], ["runs"], ["run", "x"], ["logs", "x"]])
def test_what_takes_long_is_not_imported(person: Person, words: list[str]) -> None:
    assert imported("--server", person.environment["JOBSCHED_URL"], *words) == set()


def test_help_asks_nobody_and_needs_no_client() -> None:
    code = (
        "import sys, io, contextlib\n"
        "from jobsched.cli.app import main\n"
        "with contextlib.redirect_stdout(io.StringIO()):\n"
        "    main(['--help'])\n"
        "print(*{'http.client', 'ssl', 'zoneinfo', 'tomllib'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "\n"


def test_every_command_has_its_help(person: Person) -> None:
    said = person.does("--help")
    for name in ALL:
        assert f"\n  {name} " in said
        shown = person.does(name, "--help")
        assert shown.startswith(f"Usage: jobsched {name} ")
        assert "Show this message and exit." in shown
    assert person.does("--version").startswith("jobsched ")


def test_a_daemon_that_is_away_is_told_in_a_line(person: Person) -> None:
    for words in (["jobs"], [], ["run", "x", "--follow"], ["jobs", "--watch"], ["events"], ["doctor"]):
        said = person.pipe("--server", "http://127.0.0.1:1", *words)
        assert said.status == 4, words
        assert said.err == (
            "error: no answer from http://127.0.0.1:1: connection refused; start it with: jobsched serve\n"
        )
    gone = person.pipe("--server", "unix:/nowhere.sock", "jobs")
    assert (gone.status, gone.out) == (4, "")
    assert person.pipe("--server", "https://nowhere.invalid", "jobs").status == 4


def test_a_daemon_that_dies_while_one_follows(person: Person, tmp_path: Path) -> None:
    with daemon_in(tmp_path / "dying") as daemon:
        daemon.script("slowly", "#!/bin/sh\nwhile :; do echo tick; sleep 0.1; done\n")
        daemon.start()
        own = Person(tmp_path / "own", daemon)
        own.does("add", "x", "--task", "slowly", "--every", "1d")
        killed: list[bool] = []

        def types(shown: str) -> None:
            if "tick" in shown and not killed:
                killed.append(True)
                daemon.kill()

        said = own.terminal("run", "x", "--follow", types=types)
        assert said.status == 4
        assert f"error: no answer from http://127.0.0.1:{daemon.port}: " in said.plain


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["jbos"], 'no command "jbos"; did you mean "jobs"?'),
        (["jobs", "--failng"], "no such option '--failng'"),
        (["why"], "missing argument 'job'"),
        (["-o", "xml", "jobs"], "-o takes table, wide, json, jsonl, name or template=TEXT"),
        (["jobs", "-o", "xml"], "-o takes table"),
        (["jobs", "--zone", "Europe/Berln"], 'there is no zone "Europe/Berln"'),
        (["jobs", "--utc", "--zone", "Europe/Berlin"], "--utc or --zone, not both"),
        (["--server", "ftp://x", "jobs"], "a server is an address such as http://localhost:58631"),
        (["--server", "http://me:secret@x", "jobs"], "a server has no user and no password in its address"),
        (["--server", "x", "--context", "y", "jobs"], "--server or --context, not both"),
    ],
)
def test_a_wrong_command_line_is_2_and_a_line(person: Person, words: list[str], message: str) -> None:
    said = person.pipe(*words)
    assert (said.status, said.out) == (2, "")
    assert said.err.startswith("error: ")
    assert said.err.count("\n") == 1
    assert message.lower() in said.err.lower()
    assert "secret@" not in said.err


def test_options_go_before_and_behind_the_command(person: Person) -> None:
    person.does("add", "hello", "--task", "runfoo", "--every", "1h", "--replace")
    assert person.does("-o", "name", "jobs") == person.does("jobs", "-o", "name") == "hello\n"


def test_40_columns_hold_each_line(person: Person) -> None:
    long = "a-job-whose-name-is-as-long-as-names-of-jobs-may-become-in-time"
    person.does("add", long, "--task", "runfoo", "--every", "1h", "--replace")
    person.does("add", "日本語の仕事の名前はとても長いことがあります", "--task", "fails", "--every", "1h")
    from rich.cells import cell_len

    for words in (["jobs"], ["runs"], ["next"], ["nodes"], ["audit"], ["ps"]):
        said = person.terminal(*words, columns=40)
        assert said.status == 0
        assert [line for line in said.lines if cell_len(line) > 40] == []
    jobs = person.terminal("jobs", columns=40)
    assert "…" in jobs.out
    assert jobs.lines[0].split()[0] == "NEXT"
    assert long in person.terminal("jobs", "-o", "wide", columns=40).out


@pytest.mark.parametrize("env", [{"NO_COLOR": "1"}, {"TERM": "dumb"}])
def test_no_colours_where_they_are_not_wanted(person: Person, env: dict[str, str]) -> None:
    assert "\x1b" not in person.terminal("jobs", env=env).out
    assert "\x1b" not in person.terminal(env=env).out


def test_colours_on_a_terminal_alone(person: Person) -> None:
    assert "\x1b[" in person.terminal("jobs").out
    assert "\x1b" not in person.pipe("jobs").out


def test_times_in_the_zone_that_is_asked_for(person: Person) -> None:
    person.does("add", "once", "--task", "runfoo", "--at", "2040-07-01T03:00", "--replace")
    assert "2040-07-01 03:00:00+00:00" in person.does("jobs", "once", "--utc")
    assert "2040-07-01 05:00:00+02:00" in person.does("jobs", "once", "--zone", "Europe/Berlin")
    assert "2040-07-01 12:00:00+09:00" in person.pipe("jobs", "once", env={"TZ": "Asia/Tokyo"}).done


def test_a_reader_that_has_seen_enough_is_no_error(person: Person) -> None:
    command = [sys.executable, "-m", "jobsched", "audit", "-o", "json"]
    with subprocess.Popen(
        command, env=person.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, cwd=person.folder
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


# Contexts and tokens.


def test_contexts_are_kept_and_chosen(person: Person, caller: Caller) -> None:
    url = person.environment.pop("JOBSCHED_URL")
    assert person.does("context", "show") == "http://localhost:58631, no context, without a token\n"
    person.does("context", "add", "staging", "http://127.0.0.1:1")
    person.does("context", "add", "production", url, "--careful")
    assert person.pipe("jobs").status == 4  # the first one is the current one
    person.does("context", "use", "production")
    assert json.loads(person.does("context", "show", "-o", "jsonl"))["server"] == url
    names = [json.loads(line) for line in person.does("context", "list", "-o", "jsonl").splitlines()]
    assert [(row["name"], row["current"]) for row in names] == [("staging", False), ("production", True)]
    assert person.pipe("jobs", "--context", "staging").status == 4
    assert person.pipe("jobs", env={"JOBSCHED_URL": "http://127.0.0.1:1"}).status == 4
    missing = person.pipe("context", "use", "prod")
    assert missing.status == 3
    assert "it has staging, production" in missing.err


def test_a_careful_context_is_told_in_red_before_a_write(person: Person) -> None:
    person.does("add", "hello", "--task", "runfoo", "--every", "1h", "--replace")
    url = person.environment.pop("JOBSCHED_URL")
    person.does("context", "add", "production", url, "--careful")
    said = person.terminal("pause", "hello", "--until", "1h")
    assert f"\x1b[1;31mcontext production: this changes {url}\x1b[0m" in said.out.split("1 paused")[0]
    assert "this changes" not in person.terminal("jobs").out
    assert "this changes" not in person.terminal("pause", "hello", "--dry-run").out
    assert "this changes" not in person.terminal("preview", "--every", "1h").out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("current = 1 2", "config.toml: "),
        ('current = "x"', 'there is no context "x"'),
        ('[contexts.a]\nserver = "x"\ntoken = "jobsched_secret"', "a token does not belong here"),
        ('[contexts.a]\nserver = "x"\ncareful = "yes"', "careful: must be true or false"),
        ("[contexts.a]\ncareful = true", "needs server"),
    ],
)
def test_a_bad_file_of_contexts_is_told(person: Person, text: str, message: str) -> None:
    del person.environment["JOBSCHED_URL"]
    file = person.folder / "config" / "jobsched" / "config.toml"
    file.parent.mkdir(parents=True)
    file.write_text(text)
    said = person.pipe("jobs")
    assert said.status == 2
    assert message in said.err
    assert "jobsched_secret" not in said.err


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory):
    """A daemon that asks for tokens: its folder has a file with each."""
    with daemon_in(tmp_path_factory.mktemp("guarded") / "daemon") as one:
        for scope in ("read", "run", "write", "admin"):
            file = one.folder / scope
            file.touch(0o600)
            file.write_text(token(one, scope, "--scope", scope) + "\n")
        yield one.start()


def test_a_token_comes_from_a_file_that_nobody_else_can_read(guarded: Daemon, tmp_path: Path) -> None:
    person = Person(tmp_path / "person", guarded)
    assert person.pipe("jobs").status == 5
    file = guarded.folder / "read"
    assert person.pipe("jobs", env={"JOBSCHED_TOKEN_FILE": str(file)}).status == 0
    assert person.pipe("jobs", env={"JOBSCHED_TOKEN": file.read_text().strip()}).status == 0
    loose = tmp_path / "loose"
    loose.write_text(file.read_text())
    loose.chmod(0o640)
    said = person.pipe("jobs", env={"JOBSCHED_TOKEN_FILE": str(loose)})
    assert said.status == 5
    assert said.err == f"error: {loose}: its mode is 0640: others can read the token; chmod it to 0600\n"
    bad = person.pipe("jobs", env={"JOBSCHED_TOKEN": "two words"})
    assert bad.status == 2
    assert "two words" not in bad.err
    wrong = person.pipe("jobs", env={"JOBSCHED_TOKEN": "jobsched_wrong"})
    assert (wrong.status, wrong.err) == (5, "error: this token is not known here\n")


def test_a_token_that_may_only_read(guarded: Daemon, tmp_path: Path) -> None:
    reader, writer = Person(tmp_path / "reader", guarded), Person(tmp_path / "writer", guarded)
    reader.environment["JOBSCHED_TOKEN_FILE"] = str(guarded.folder / "read")
    writer.environment["JOBSCHED_TOKEN_FILE"] = str(guarded.folder / "admin")
    writer.does("add", "hello", "--task", "runfoo", "--every", "1h", "--replace")
    for words in ([], ["status", "hello"], ["jobs"], ["why", "hello"], ["next"], ["ps"], ["export"], ["doctor"]):
        assert reader.pipe(*words).status == 0, words
    for words in (
        ["run", "hello"], ["pause", "hello"], ["set", "hello", "retries=1"], ["hold"], ["nodes"], ["audit"],
        ["add", "x", "--task", "runfoo", "--every", "1h"], ["delete", "hello", "--yes"],
    ):  # fmt: skip
        said = reader.pipe(*words)
        assert said.status == 5, words
        assert said.err.startswith("error: "), words


def test_the_token_of_a_context_goes_to_its_server_alone(guarded: Daemon, person: Person) -> None:
    del person.environment["JOBSCHED_URL"]
    url = f"http://127.0.0.1:{guarded.port}"
    person.does("context", "add", "guarded", url, "--token-file", str(guarded.folder / "read"))
    assert person.pipe("jobs").status == 0
    assert person.pipe("jobs", "--server", url).status == 5
