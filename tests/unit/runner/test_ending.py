"""What facts make of a run."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.run import Run
from jobsched.runner.deadline import Stop
from jobsched.runner.ending import LONGEST, Ending, outcome, plain
from jobsched.runner.output import Printed

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(seconds=7)
RUN = Run(id="r", job_id="j", job_name="n", task="t", due=START, created=START, state="running", node_id="x", pid=7)
TIMED_OUT = Stop("timed_out", "ran longer than its 5 s")
CANCELLED = Stop("cancelled", "by a caller")
KILLED = "; did not end by itself and was killed"


@pytest.mark.parametrize(
    ("ending", "printed", "state", "reason"),
    [
        (Ending(exit_code=0), Printed(), "succeeded", "finished"),
        (Ending(), Printed(), "succeeded", "finished"),  # a thread, a coroutine
        (Ending(exit_code=0), Printed(last_line="done"), "succeeded", "finished"),
        (Ending(exit_code=3), Printed(), "failed", "exit code 3"),
        (Ending(exit_code=3), Printed(last_line="no table"), "failed", "exit code 3, last line: no table"),
        (Ending(exit_code=3), Printed(cut="cut"), "failed", "exit code 3; cut"),
        (Ending(signal="SIGSEGV"), Printed(), "failed", "ended by SIGSEGV, which nobody here sent"),
        (Ending(signal="SIGKILL"), Printed(), "failed", "ended by SIGKILL, which nobody here sent"),
        (Ending(error="ValueError: no"), Printed(last_line="x"), "failed", "ValueError: no"),
        (Ending(error="a\n  b\0c\udcff"), Printed(), "failed", "a b\ufffdc\ufffd"),
        (Ending(signal="SIGTERM", stopped=TIMED_OUT), Printed(), "timed_out", "ran longer than its 5 s"),
        (Ending(signal="SIGKILL", stopped=TIMED_OUT), Printed(), "timed_out", "ran longer than its 5 s" + KILLED),
        (Ending(exit_code=0, stopped=TIMED_OUT), Printed(), "timed_out", "ran longer than its 5 s"),
        (Ending(exit_code=143, stopped=CANCELLED), Printed(last_line="x"), "cancelled", "by a caller"),
        (Ending(error="ValueError: no", stopped=CANCELLED), Printed(), "cancelled", "by a caller"),
        (Ending(stopped=CANCELLED), Printed(cut="cut"), "cancelled", "by a caller; cut"),
        (Ending(signal="SIGKILL", stopped=CANCELLED), Printed(cut="cut"), "cancelled", f"by a caller{KILLED}; cut"),
        (Ending(exit_code=0), Printed(cut="output was cut: ENOSPC"), "succeeded", "finished; output was cut: ENOSPC"),
    ],
)
def test_outcome(ending, printed, state, reason):
    ended = outcome(RUN, ending, printed, NOW)

    assert (ended.state, ended.reason) == (state, reason)
    assert (ended.exit_code, ended.signal, ended.ended) == (ending.exit_code, ending.signal, NOW)


NO_USER = "setpriv: uid 9 not found"
FOUND = "env: 'x': No such file"


@pytest.mark.parametrize(
    ("launchers", "code", "line", "reason"),
    [
        (("prlimit", "setpriv"), 1, NO_USER, "could not start: uid 9 not found"),
        (("setpriv",), 127, "setpriv: failed to execute /x: no", "could not start: failed to execute /x: no"),
        (("setpriv",), 126, "setpriv: failed to execute /x: no", "could not start: failed to execute /x: no"),
        (("nice",), 125, "nice: no", "could not start: no"),
        (("setpriv",), 125, "env: cannot change directory", "could not start: cannot change directory"),
        ((), 127, FOUND, "could not start: 'x': No such file"),  # of a #! line
        ((), 127, f"/usr/bin/{FOUND}", "could not start: 'x': No such file"),
        (("nice",), 126, "/bin/nice: x: no", "could not start: x: no"),
        # What a script itself says, of programs that it calls.
        ((), 1, NO_USER, f"exit code 1, last line: {NO_USER}"),
        (("nice",), 127, NO_USER, f"exit code 127, last line: {NO_USER}"),
        (("setpriv",), 2, NO_USER, f"exit code 2, last line: {NO_USER}"),
        (("setpriv",), 1, "setpriv", "exit code 1, last line: setpriv"),
        (("setpriv",), 1, FOUND, f"exit code 1, last line: {FOUND}"),
        (("setpriv",), 0, NO_USER, "finished"),
    ],
)
def test_what_could_not_be_started_is_told_from_what_failed(launchers, code, line, reason):
    ended = outcome(RUN, Ending(exit_code=code, launchers=launchers), Printed(last_line=line), NOW)

    assert (ended.reason, ended.exit_code) == (reason, code)


def test_the_end_by_a_limit_is_told():
    ended = outcome(RUN, Ending(signal="SIGXCPU"), Printed(), NOW)

    assert (ended.state, ended.reason) == ("failed", "ended by SIGXCPU, for its limit of CPU seconds was reached")


@pytest.mark.parametrize(
    "ending", [Ending(error="ValueError: hunter22"), Ending(exit_code=1), Ending(exit_code=127, launchers=("a",))]
)
def test_no_reason_tells_a_secret(ending):
    said = Printed(last_line="a: hunter22", cut="no hunter22")
    ended = outcome(RUN, ending, said, NOW, lambda text: text.replace("hunter22", "***"))

    assert "***" in ended.reason
    assert "hunter22" not in ended.reason


@pytest.mark.parametrize(("total", "kept", "truncated"), [(0, 0, False), (9, 9, False), (9, 8, True), (9, 0, True)])
def test_output_is_counted(total, kept, truncated):
    ended = outcome(RUN, Ending(exit_code=0), Printed(total=total, kept=kept), NOW)

    assert (ended.output_bytes, ended.output_kept, ended.output_truncated) == (total, kept, truncated)


def test_the_rest_of_the_run_stays_as_it_is():
    changed = {"state", "reason", "ended", "exit_code", "signal", "output_bytes", "output_kept", "output_truncated"}
    ended = outcome(RUN, Ending(exit_code=0), Printed(total=1, kept=1), NOW)

    before, after = attrs.asdict(RUN), attrs.asdict(ended)
    assert {name for name in before if before[name] != after[name]} <= changed
    assert not ended.active


@given(st.text(alphabet=st.characters(exclude_categories=())))
def test_any_words_become_one_line_that_every_database_takes(text):
    words = plain(text)

    assert words.isprintable()
    words.encode()  # no half of a character in it
    assert "  " not in words
    assert len(words) <= LONGEST + 3


def test_a_novel_is_cut():
    assert plain("x" * 99_999) == "x" * LONGEST + "..."
    assert plain("x" * LONGEST) == "x" * LONGEST
