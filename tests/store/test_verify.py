"""`python -m jobsched.verify` on real databases: silent about a sound store, and it finds what is planted in one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from jobsched import verify
from jobsched.model.order import DeleteJob, Order, PauseJob, ResumeJob, RunJob
from tests.ports import free_port
from tests.present import present
from tests.servers import Server
from tests.store.record import MINUTE, SECOND, Record
from tests.store.samples import T0, Desk

servers_only = pytest.mark.parametrize("kind", ["postgresql", "mysql"], indirect=True)


@pytest.fixture
def record(desk: Desk, store_url: str) -> Record:
    return Record.of(desk, store_url)


def test_a_sound_store_is_clean(record: Record) -> None:
    assert record.found() == []
    assert record.found(whole=False) == []


def test_so_is_one_whose_jobs_were_changed_and_deleted(record: Record) -> None:
    desk, now = record.desk, record.now
    orders: list[tuple[Order[Any], datetime]] = [
        (PauseJob(job_id=record.jobs[0].id), now),
        (PauseJob(job_id=record.jobs[1].id), now),
        (ResumeJob(job_id=record.jobs[1].id), now + 3 * MINUTE),
        (DeleteJob(job_id=record.jobs[2].id), now),
        (RunJob(job_id=record.jobs[3].id), now),
    ]
    for order, instant in orders:
        desk.order(order, (instant - T0).total_seconds())
    for run in desk.runs():
        if run.state == "running":
            record.set(run, state="waiting")
    assert record.found() == []
    assert record.found(whole=False) == []


def test_and_one_that_is_empty(store_url: str) -> None:
    assert list(verify.verify(store_url, whole=True)) == []


def goes_on(record: Record, **node: Any) -> None:
    """A run is under way, on a node of which these fields are so."""
    record.set(record.runs[9], state="running", ended=None)
    record.set_nodes(**node)


def stands_still(record: Record) -> None:
    """The last dues of a job are not decided."""
    record.forget(*record.runs[6:10])
    record.set_job(next_due=record.runs[6].due)


PLANTED: dict[str, tuple[Callable[[Record], object], str]] = {
    "a due that was forgotten": (lambda record: record.forget(record.runs[4]), "has no outcome, nor has any later one"),
    "the first due": (lambda record: record.forget(record.runs[0]), "has no outcome"),
    "the last due": (lambda record: record.forget(record.runs[9]), "has no outcome"),
    "a job that moved on too far": (
        lambda record: record.set_job(next_due=present(record.jobs[0].next_due) + MINUTE),
        "has no outcome",
    ),
    "a job that stands still": (lambda record: record.set_job(next_due=record.runs[9].due), "has an outcome already"),
    "a job that ended": (lambda record: record.set_job(next_due=None), "and the job has no next due"),
    "a due in two rows": (
        lambda record: record.set(record.runs[3], until=record.runs[5].due, count=3, state="missed", started=None),
        "has two outcomes",
    ),
    "a due in two places": (
        lambda record: record.desk.insert(attrs.evolve(record.runs[3], id="again", place="elsewhere")),
        "an outcome for the whole job and one for a node",
    ),
    "a due that is none": (lambda record: record.set(record.runs[3], due=record.runs[3].due + SECOND), "is no due"),
    "an outcome without a reason": (lambda record: record.set(record.runs[3], reason=""), "no reason is given"),
    "an outcome without an end": (lambda record: record.set(record.runs[3], ended=None), "its end is unknown"),
    "a start before the due": (
        lambda record: record.set(record.runs[3], created=record.runs[2].due),
        "before its due",
    ),
    "a retry that is gone": (
        lambda record: record.forget(*(run for run in record.desk.runs() if run.attempt == 2)),
        "failed and was not followed by another",
    ),
    "a retry of a success": (lambda record: record.set(record.runs[11], state="succeeded"), "the one before it is"),
}
ON_SERVERS: dict[str, tuple[Callable[[Record], object], str]] = {
    "a run on a node that was never there": (
        lambda record: record.set(record.runs[3], node_id="ghost"),
        r"executed by node node \(ghost\), which never existed",
    ),
    "a run on a dead node": (
        lambda record: goes_on(record, state="dead"),
        "running on node node .* which is dead",
    ),
    "a run on a silent node": (
        lambda record: goes_on(record, seen=record.now - MINUTE),
        "running on node node .* which is alive and was last seen",
    ),
    "a run while its node was not there": (
        lambda record: record.set_nodes(state="stopped", seen=record.now - 5 * MINUTE),
        "a node from .* only",
    ),
    "a due that nobody decides": (
        stands_still,
        "is due since .*, and nobody decides it",
    ),
    "an end before the start": (
        lambda record: record.set(record.runs[3], ended=present(record.runs[3].started) - MINUTE),
        "before it started",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(record: Record, name: str) -> None:
    plant, words = PLANTED[name]
    plant(record)
    said = record.found()
    assert [line for line in said if re.search(words, line)], said


@servers_only
@pytest.mark.parametrize("name", ON_SERVERS)
def test_what_is_planted_about_nodes_is_found(record: Record, name: str) -> None:
    plant, words = ON_SERVERS[name]
    plant(record)
    said = record.found()
    assert [line for line in said if re.search(words, line)], said


def test_it_sees_one_state_of_a_store_that_goes_on(record: Record) -> None:
    record.set(record.runs[0], reason="")
    faults = verify.verify(record.url, whole=True)
    assert "no reason" in str(next(faults))
    record.forget(*record.runs[20:30])
    assert list(faults) == []
    assert len(record.found()) == 2


# The command


def test_the_exit_status_tells_clean_from_violated(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    assert verify.main(["--store", record.url]) == 0
    said = capsys.readouterr().out
    assert said.startswith("4 jobs, 43 runs: no violations")
    assert ("nodes were not checked" in said) == record.url.startswith("sqlite")

    record.forget(record.runs[0])  # may have been pruned
    assert verify.main(["--store", record.url]) == 0
    capsys.readouterr()
    assert verify.main(["--store", record.url, "--whole"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"job {record.jobs[0].id}: due ")
    assert lines[1].startswith("4 jobs, 42 runs: 1 violation")


def test_it_runs_as_a_command(record: Record) -> None:
    record.set(record.runs[0], reason="")
    done = subprocess.run(
        [sys.executable, "-m", "jobsched.verify", "--store", record.url],
        capture_output=True, text=True, check=False, env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (1, "")
    assert len(done.stdout.splitlines()) == 2


def unreadable(url: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What is said, in one line."""
    assert verify.main(["--store", url]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    [line] = said.err.splitlines()
    assert line.startswith("jobsched.verify: store: ")
    return line


def test_a_store_without_our_tables_cannot_be_read(empty_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    if empty_url.startswith("sqlite"):
        Path(empty_url.removeprefix("sqlite:///")).touch()
    assert re.search(r"\bnodes\b", unreadable(empty_url, capsys))


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "there is no such file" in unreadable(f"sqlite:///{tmp_path}/none.sqlite", capsys)
    assert list(tmp_path.iterdir()) == []
    unreadable("sqlite://", capsys)


@pytest.mark.parametrize("scheme", ["postgresql", "mysql"])
def test_an_absent_server_is_told_without_the_password(scheme: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert "secret" not in unreadable(f"{scheme}://u:secret@127.0.0.1:{free_port()}/d", capsys)
    assert "not a URL" in unreadable("nonsense", capsys)


@servers_only
def test_a_server_that_goes_away_meanwhile_is_told(
    record: Record, server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: Any) -> Iterator[Any]:
        server.stop("immediate")
        return iter(())

    monkeypatch.setattr(verify, "faults", stop)
    assert "cannot be read" in unreadable(record.url, capsys)
