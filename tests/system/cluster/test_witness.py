"""The checker of the exam, which must itself be examined: it finds each fault that is planted, and nothing else."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import attrs
import psutil
import pytest

from jobsched.model.run import Run
from tests.system.cluster.witness import FAILS, SCRIPT, Note, contradictions, read
from tests.system.daemon import until

T0 = datetime(2026, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)

Story = tuple[list[Note], list[Run]]


def note(what: str, number: int, at: float, **fields: Any) -> Note:
    """Of run `number`, the due of which is at that second."""
    made = Note(what, "job", (T0 + number * SECOND).isoformat(), "1", f"run{number}", str(at), str(100 + number), "n")
    return attrs.evolve(made, **{"due": made.due.isoformat()} | fields)


def run(number: int, state: str = "succeeded", lasts: float = 0.5, **fields: Any) -> Run:
    """Started at its due."""
    due = T0 + number * SECOND
    given: dict[str, Any] = {
        "id": f"run{number}", "job_id": "job", "job_name": "job", "task": "t", "due": due, "created": due,
        "state": state, "reason": "r", "node": "n", "node_id": "n1", "started": due, "ended": due + lasts * SECOND,
    }  # fmt: skip
    return Run(**(given | fields))


def story() -> Story:
    """One after the other: well, failed, killed, never begun, lost with an end, lost without, skipped."""
    notes = [note(what, n, n + part) for n in (1, 2, 5) for what, part in (("start", 0.1), ("end", 0.4))]
    notes += [note("start", 3, 3.1), note("start", 6, 6.1)]
    runs = [
        run(1),
        run(2, "failed", exit_code=FAILS),
        run(3, "cancelled"),
        run(4, "cancelled"),
        run(5, "lost"),
        run(6, "lost"),
        run(7, "skipped", node=None, node_id=None, started=None),
    ]
    return notes, runs


def test_what_fits_together_is_no_contradiction() -> None:
    assert list(contradictions(*story())) == []
    assert list(contradictions([], [])) == []


def without(what: str, number: int) -> Callable[[Story], Story]:
    return lambda told: ([each for each in told[0] if (each.what, each.run_id) != (what, f"run{number}")], told[1])


def also(*notes: Note) -> Callable[[Story], Story]:
    return lambda told: ([*told[0], *notes], told[1])


def changed(number: int, **fields: Any) -> Callable[[Story], Story]:
    return lambda told: (
        told[0],
        [attrs.evolve(each, **fields) if each.id == f"run{number}" else each for each in told[1]],
    )


PLANTED = {
    "started twice": (also(note("start", 1, 9.0, pid="7", node="m")), "started twice: .*run1.* on n; .*run1.* on m"),
    "started twice as two runs": (
        lambda told: (
            [*told[0], note("start", 1, 9, run_id="x"), note("end", 1, 9.2, run_id="x")],
            [*told[1], run(1, id="x")],
        ),
        "started twice: .*run1.*; .*run x",
    ),
    "not recorded": (also(note("start", 8, 8)), "run8: start .* but no such run is recorded"),
    "on another node": (changed(1, node="m"), "run1 .*succeeded on m.* but its script says: .* on n"),
    "another attempt": (changed(1, attempt=2), "but its script says"),
    "another due": (changed(1, due=T0), "but its script says"),
    "skipped, yet started": (changed(1, state="skipped", started=None), "skipped .* but it was started"),
    "no outcome": (changed(1, state="running", ended=None), "it has no outcome"),
    "waits still": (changed(7, state="waiting", ended=None), "it has no outcome"),
    "succeeded, never begun": (lambda told: without("start", 1)(without("end", 1)(told)), "began 0 and ended 0 times"),
    "succeeded, not to the end": (without("end", 1), "began 1 and ended 0 times"),
    "failed, not to the end": (without("end", 2), "began 1 and ended 0 times"),
    "ended twice": (also(note("end", 1, 1.45)), "began 1 and ended 2 times"),
    "two processes": (
        lambda told: also(note("end", 1, 1.45, pid="7"))(without("end", 1)(told)),
        "101 began and 7 ended",
    ),
    "an end alone": (without("start", 5), "ended more often than it began"),
    "killed and ended": (also(note("killed", 5, 5.3)), "ended more often than it began"),
    "killed, yet succeeded": (lambda told: also(note("killed", 1, 1.4))(without("end", 1)(told)), "and ended 0 times"),
    "failed oddly": (changed(2, exit_code=None, signal="SIGTERM"), "nothing here fails like that"),
    "timed out": (changed(3, state="timed_out"), "nothing here fails like that"),
    "beside one that was killed": (
        lambda told: (
            [*without("start", 2)(told)[0], note("killed", 3, 3.6), note("start", 2, 3.5), note("end", 2, 3.7)],
            told[1],
        ),
        "at the same time: .*run3: start .*run2: start",
    ),
    "beside each other": (
        lambda told: also(note("end", 1, 2.2))(without("end", 1)(told)),
        "at the same time: .*run1: start .*run2: start",
    ),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str) -> None:
    plant, words = PLANTED[name]
    said = list(contradictions(*plant(story())))
    assert [line for line in said if re.search(words, line)], said


def test_runs_that_may_overlap_may() -> None:
    notes, runs = also(note("end", 1, 2.2))(without("end", 1)(story()))
    assert list(contradictions(notes, [attrs.evolve(each, overlaps=True) for each in runs])) == []


def test_what_a_dead_node_left_may_go_on_beside_the_next() -> None:
    assert list(contradictions(*also(note("end", 6, 9.0), note("start", 8, 7.0), note("end", 8, 7.5))(
        (story()[0], [*story()[1], run(8)])
    ))) == []  # fmt: skip


def test_a_script_tells_of_its_beginning_and_its_end(tmp_path: Path) -> None:
    file, script = tmp_path / "notes", tmp_path / "script"
    script.write_text(SCRIPT)
    told = {
        "JOBSCHED_JOB_ID": "job", "JOBSCHED_DUE": T0.isoformat(), "JOBSCHED_ATTEMPT": "1", "JOBSCHED_RUN_ID": "run",
        "JOBSCHED_PARAM_SECONDS": "0", "JOBSCHED_PARAM_FAILURES": "1", "WITNESS_FILE": str(file), "WITNESS_NODE": "n",
    }  # fmt: skip
    assert read(file) == []
    assert subprocess.run(["sh", script], env=told, check=False).returncode == FAILS
    assert subprocess.run(["sh", script], env=told | {"JOBSCHED_ATTEMPT": "2"}, check=False).returncode == 0
    again = subprocess.Popen(
        ["sh", script], env=told | {"JOBSCHED_ATTEMPT": "3", "JOBSCHED_PARAM_SECONDS": "60"}, start_new_session=True
    )
    until(lambda: [child.name() for child in psutil.Process(again.pid).children()] == ["sleep"])
    os.killpg(again.pid, signal.SIGTERM)
    assert again.wait() == 143
    found = read(file)
    assert [(each.what, each.attempt) for each in found] == [
        ("start", 1), ("end", 1), ("start", 2), ("end", 2), ("start", 3), ("killed", 3)
    ]  # fmt: skip
    assert {(each.job_id, each.due, each.run_id, each.node) for each in found} == {("job", T0, "run", "n")}
    assert found[0].pid == found[1].pid
    assert found[0].at <= found[1].at


@pytest.mark.parametrize("text", ["start job", "start job x 1 run 1 1 n\n", "begun a b c d e f g\n"])
def test_a_line_that_is_none_is_not_passed_over(tmp_path: Path, text: str) -> None:
    (tmp_path / "notes").write_text(text)
    with pytest.raises(ValueError, match=r"middle of a line|no note|Invalid isoformat"):
        read(tmp_path / "notes")
