"""What works on this host's files: serving, tokens, and the store with its copies."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.cli.person import Person
from tests.ports import free_port
from tests.system.caller import Caller
from tests.system.daemon import GENEROUS, Daemon, daemon_in, until
from tests.system.secured import token


@contextmanager
def serving(person: Person, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """`jobsched serve`, until the block is left."""
    with (person.folder / "served").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "jobsched", "serve", *words], cwd=person.folder, env=person.environment,
            stdout=log, stderr=subprocess.STDOUT,
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()  # a killed one would leave its executors, for a minute
        try:
            process.wait(GENEROUS)
        finally:
            process.kill()
            process.wait()


def test_serve_makes_its_folders_and_says_what_comes_next(tmp_path: Path) -> None:
    person = Person(tmp_path / "empty")
    refused = person.pipe("serve", "--no-init")
    assert refused.status == 3
    assert refused.err.startswith("error: conf: no such folder; ")
    assert not (person.folder / "conf").exists()
    port = free_port()
    person.environment["JOBSCHED_URL"] = f"http://127.0.0.1:{port}"
    with serving(person, "--listen", f"tcp:{port}:interface=127.0.0.1") as process:
        until(lambda: person.pipe("jobs").status == 0)
        said = (person.folder / "served").read_text()
        assert said.startswith("made conf/ and tasks/; next, in another terminal:\n")
        steps = re.findall(r"^  jobsched (.*)$", said, re.MULTILINE)
        assert len(steps) == 2
        person.does(*steps[0].split())
        assert "foo: done\n" in person.does(*steps[1].split())
        second = person.pipe("serve")
        assert second.status == 1
        assert "is in use by another jobsched" in second.err
        process.send_signal(signal.SIGINT)
        assert process.wait(GENEROUS) in (0, -signal.SIGINT)
    kept = (person.folder / "conf" / "catalog.cfg").read_bytes()
    with serving(person, "--no-init", "--listen", f"tcp:{port}:interface=127.0.0.1"):
        until(lambda: person.pipe("jobs").status == 0)
        assert person.does("jobs", "-o", "name") == "hello\n"
    assert (person.folder / "conf" / "catalog.cfg").read_bytes() == kept


def test_tokens_are_made_listed_rotated_and_revoked(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        admin = token(daemon, "root", "--scope", "admin")
        daemon.start()
        person, caller = Person(daemon.folder, daemon), Caller(daemon)

        def status(secret: str) -> int:
            return caller.ask("GET", "/jobs", Authorization=f"Bearer {secret}").status

        def reload() -> None:
            assert caller.ask("POST", "/catalog/reload", Authorization=f"Bearer {admin}").status == 200

        first = person.does("token", "new", "alice", "--scope", "read", "--expires", "90d").strip()
        reload()
        assert status(first) == 200
        second = person.does("token", "rotate", "alice").strip()
        reload()
        assert (status(first), status(second)) == (200, 200)
        assert daemon.stop() == 0  # or what came within a minute of the first use would be stored only then
        daemon.start()
        rows = [json.loads(line) for line in person.does("token", "list", "-o", "jsonl").splitlines()]
        assert [(row["name"], row["scopes"], row["old_until"] is None) for row in rows] == [
            ("root", ["admin"], True),
            ("alice", ["read"], False),
        ]
        alice = rows[1]
        assert rows[0]["used"] <= alice["old_used"] <= alice["used"]
        assert rows[0]["old_used"] is None
        with (daemon.folder / "conf" / "jobsched.cfg").open("a") as options:
            options.write("SCHED_CONFIG = nonsense\n")
        assert "when they were used last is not known: " in person.pipe("token", "list").err
        with (daemon.folder / "conf" / "jobsched.cfg").open("r+") as options:
            kept = options.read().replace("SCHED_CONFIG = nonsense\n", "")
            options.seek(0)
            options.truncate()
            options.write(kept)
        third = person.does("token", "rotate", "alice", "--overlap", "0").strip()
        reload()
        assert (status(first), status(second), status(third)) == (401, 401, 200)
        person.does("token", "revoke", "alice")
        reload()
        assert status(third) == 401
        assert person.pipe("token", "revoke", "alice").status == 1
        text = (daemon.folder / "conf" / "tokens.cfg").read_text()
        assert not any(secret in text for secret in (first, second, third, admin))


def test_lint_finds_what_a_start_would(daemon: Daemon, tmp_path: Path) -> None:
    person = Person(tmp_path / "linted")
    for name in ("conf", "tasks"):
        (person.folder / name).mkdir()
        for file in (daemon.folder / name).iterdir():
            if file.is_file():
                (person.folder / name / file.name).write_bytes(file.read_bytes())
                (person.folder / name / file.name).chmod(file.stat().st_mode)
    assert person.pipe("lint").err == "nothing is wrong\n"
    (person.folder / "tasks" / "fails.sh").chmod(0o644)
    (person.folder / "tasks" / "counts.sh").write_text("#!/no/such/shell\n")
    said = person.pipe("lint")
    assert said.status == 1
    assert re.search(r"^catalog.cfg\t.*fails.*", said.out, re.MULTILINE)
    assert "counts.sh: the interpreter of its #! line is missing" in said.out
    (person.folder / "tasks" / "waits.sh").unlink()
    assert "waits" in person.pipe("lint").out
    with (person.folder / "conf" / "jobsched.cfg").open("a") as options:
        options.write("JOB_LIVETIMES = 3\n")
    assert "JOB_LIVETIMES" in person.pipe("lint").out
    (person.folder / "conf" / "tokens.cfg").write_text("[x]\n")
    (person.folder / "conf" / "tokens.cfg").chmod(0o644)
    assert "others may read it" in person.pipe("lint").out


def test_verify_is_what_the_module_is(daemon: Daemon) -> None:
    person = Person(daemon.folder)
    assert "no violations" in person.does("verify")
    assert person.pipe("verify", "--store", "sqlite:////nowhere.sqlite").status == 2


def test_a_copy_is_made_while_a_daemon_writes_and_put_back(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.start()
        person, caller = Person(daemon.folder, daemon), Caller(daemon)
        person.does("add", "kept", "--task", "runfoo", "--every", "1s", "--set", "misfire_grace=1h")
        caller.run_in("/jobs/kept", "succeeded")
        said = person.does("backup", "copy.sqlite")
        assert "was copied to copy.sqlite" in said
        copy = daemon.folder / "copy.sqlite"
        assert copy.stat().st_mode & 0o777 == 0o600
        with closing(sqlite3.connect(copy)) as store:
            assert store.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        again = person.pipe("backup", "copy.sqlite")
        assert again.status == 1
        assert "is there already" in again.err
        person.does("backup", "copy.sqlite", "--replace")
        person.does("add", "late", "--task", "runfoo", "--every", "1d")
        checked = person.does("restore", "copy.sqlite", "--check", "-o", "jsonl")
        assert [json.loads(line)["name"] for line in checked.splitlines()] in ([], ["kept"])
        refused = person.pipe("restore", "copy.sqlite")
        assert refused.status == 1
        assert "is in use by another jobsched" in refused.err
        daemon.stop()
        looked = json.loads(until(lambda: person.does("restore", "copy.sqlite", "--check", "-o", "jsonl")))
        assert (looked["name"], len(looked["run"])) == ("kept", 1)
        restored = person.does("restore", "copy.sqlite")
        assert "1 job; dues of 1 passed since the copy was made" in restored
        [before] = re.findall(r"the one before is kept as (\S+)", restored)
        assert Path(before).is_file()
        daemon.start()
        assert person.does("jobs", "-o", "name") == "kept\n"
        caller.run_in("/jobs/kept", "succeeded", at_least=2)


def test_a_file_that_is_no_copy_is_not_put_back(tmp_path: Path) -> None:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.start()
        person = Person(daemon.folder, daemon)
        person.does("add", "kept", "--task", "runfoo", "--every", "1h")
        daemon.stop()
        for name, content in (("text", b"no store"), ("empty", b"")):
            (daemon.folder / name).write_bytes(content)
            said = person.pipe("restore", name)
            assert said.status == 1
            assert "is no store of Jobsched" in said.err
        assert person.pipe("restore", "missing").status == 3
        daemon.start()
        assert person.does("jobs", "-o", "name") == "kept\n"


@pytest.mark.parametrize(
    ("url", "dump", "put"),
    [
        (
            "postgresql+psycopg://jobs:secret@db.example:5433/jobsched",
            "pg_dump --format=custom --host=db.example --port=5433 --username=jobs --file=f jobsched",
            (
                "pg_restore --clean --if-exists --single-transaction --host=db.example --port=5433 --username=jobs "
                "--dbname=jobsched f"
            ),
        ),
        (
            "mysql+pymysql://jobs:secret@db.example/jobsched",
            "mariadb-dump --single-transaction --host=db.example --user=jobs --password jobsched > f",
            "mariadb --host=db.example --user=jobs --password jobsched < f",
        ),
        (
            "mongodb://jobs:secret@a.example,b.example/jobsched",
            "mongodump --uri=mongodb://jobs@a.example,b.example/jobsched --gzip --archive=f",
            "mongorestore --drop --uri=mongodb://jobs@a.example,b.example/jobsched --gzip --archive=f",
        ),
    ],
)
def test_of_a_server_the_line_of_its_own_program_is_shown(tmp_path: Path, url: str, dump: str, put: str) -> None:
    person = Person(tmp_path / "person")
    (person.folder / "conf").mkdir()
    file = person.folder / "conf" / "jobsched.cfg"
    file.write_text(f"SCHED_CONFIG = {{'store': {url!r}}}\n")
    file.chmod(0o600)
    for command, line in (("backup", dump), ("restore", put)):
        said = person.pipe(command, "f")
        assert (said.status, said.out) == (2, f"{line}\n"), said
        assert "secret" not in said.out + said.err
