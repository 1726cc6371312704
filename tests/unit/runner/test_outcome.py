"""What facts make of a run."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.run import Run
from jobsched.runner.deadline import Stop
from jobsched.runner.outcome import LONGEST, NAMED, ProcessExit, is_busy, named, outcome, plain
from jobsched.runner.output_file import Printed
from jobsched.runner.procfs import Stat

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = START + timedelta(seconds=7)
RUN = Run(id="r", job_id="j", job_name="n", task="t", due=START, created=START, state="running", node_id="x", pid=7)
TIMED_OUT = Stop("timed_out", "ran longer than its 5 s")
CANCELLED = Stop("cancelled", "by a caller")
KILLED = "; did not end by itself and was killed"


@pytest.mark.parametrize(
    ("process_exit", "printed", "codes", "state", "reason"),
    [
        (ProcessExit(exit_code=3), Printed(), (0, 3), "succeeded", "finished: exit code 3 counts as a success"),
        (ProcessExit(exit_code=0), Printed(), (0, 3), "succeeded", "finished"),
        (ProcessExit(exit_code=4), Printed(last_line="x"), (0, 3), "failed", "exit code 4, last line: x"),
        (ProcessExit(exit_code=0), Printed(), (3,), "failed", "exit code 0, which success_codes does not have"),
        (ProcessExit(), Printed(), (3,), "succeeded", "finished"),
        (ProcessExit(exit_code=3), Printed(fault="it printed"), (3,), "failed", "it printed"),
        (ProcessExit(), Printed(fault="it printed", cut="cut"), (0,), "failed", "it printed; cut"),
        (ProcessExit(exit_code=4), Printed(fault="it printed"), (0,), "failed", "exit code 4"),
        (ProcessExit(exit_code=0, stopped=CANCELLED), Printed(fault="it printed"), (0,), "cancelled", "by a caller"),
        (ProcessExit(error="no"), Printed(fault="it printed"), (0,), "failed", "no"),
    ],
)
def test_what_a_task_counts_as_a_success(process_exit, printed, codes, state, reason):
    ended = outcome(RUN, process_exit, printed, NOW, codes=codes)

    assert (ended.state, ended.reason, ended.exit_code) == (state, reason, process_exit.exit_code)


@pytest.mark.parametrize(
    ("process_exit", "printed", "state", "reason"),
    [
        (ProcessExit(exit_code=0), Printed(), "succeeded", "finished"),
        (ProcessExit(), Printed(), "succeeded", "finished"),  # a thread, a coroutine
        (ProcessExit(exit_code=0), Printed(last_line="done"), "succeeded", "finished"),
        (ProcessExit(exit_code=3), Printed(), "failed", "exit code 3"),
        (ProcessExit(exit_code=3), Printed(last_line="no table"), "failed", "exit code 3, last line: no table"),
        (ProcessExit(exit_code=3), Printed(cut="cut"), "failed", "exit code 3; cut"),
        (ProcessExit(signal="SIGSEGV"), Printed(), "failed", "ended by SIGSEGV, which nobody here sent"),
        (
            ProcessExit(signal="SIGKILL"),
            Printed(),
            "failed",
            "ended by SIGKILL, which nobody here sent; if memory was short, the kernel's log (dmesg) tells of it",
        ),
        (ProcessExit(error="ValueError: no"), Printed(last_line="x"), "failed", "ValueError: no"),
        (ProcessExit(error="a\n  b\0c\udcff"), Printed(), "failed", r"a b\u0000c\udcff"),
        (ProcessExit(signal="SIGTERM", stopped=TIMED_OUT), Printed(), "timed_out", "ran longer than its 5 s"),
        (ProcessExit(signal="SIGKILL", stopped=TIMED_OUT), Printed(), "timed_out", "ran longer than its 5 s" + KILLED),
        (ProcessExit(exit_code=0, stopped=TIMED_OUT), Printed(), "timed_out", "ran longer than its 5 s"),
        (ProcessExit(exit_code=143, stopped=CANCELLED), Printed(last_line="x"), "cancelled", "by a caller"),
        (ProcessExit(error="ValueError: no", stopped=CANCELLED), Printed(), "cancelled", "by a caller"),
        (ProcessExit(stopped=CANCELLED), Printed(cut="cut"), "cancelled", "by a caller; cut"),
        (
            ProcessExit(signal="SIGKILL", stopped=CANCELLED),
            Printed(cut="cut"),
            "cancelled",
            f"by a caller{KILLED}; cut",
        ),
        (
            ProcessExit(exit_code=0),
            Printed(cut="output was cut: ENOSPC"),
            "succeeded",
            "finished; output was cut: ENOSPC",
        ),
    ],
)
def test_outcome(process_exit, printed, state, reason):
    ended = outcome(RUN, process_exit, printed, NOW)

    assert (ended.state, ended.reason) == (state, reason)
    assert (ended.exit_code, ended.signal, ended.ended) == (process_exit.exit_code, process_exit.signal, NOW)


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
    ended = outcome(RUN, ProcessExit(exit_code=code, launchers=launchers), Printed(last_line=line), NOW)

    assert (ended.reason, ended.exit_code) == (reason, code)


def process(pid, name="sleep", state="S"):
    return Stat(pid=pid, name=name, state=state, group=1, session=1, began=pid)


ONE, TWO = process(11), process(12, "x\ny\0z")
ASLEEP = process(13, "dd", "D")
NOT_OURS = "belong to another user, whose processes this daemon may not signal: left alone"
STUCK = "process 13 (dd) is in uninterruptible sleep (state D), which KILL does not end: given up"


@pytest.mark.parametrize(
    ("facts", "state", "reason", "left_behind"),
    [
        ({"left": ()}, "succeeded", "finished", 0),
        ({}, "succeeded", "finished", None),
        ({"left": (ONE,)}, "succeeded", "finished; 1 process that it left behind was ended", 1),
        ({"left": (ONE, TWO)}, "succeeded", "finished; 2 processes that it left behind were ended", 2),
        ({"left": (ONE,), "fate": "awaited"}, "succeeded", "finished; 1 process that it left behind was waited for", 1),
        ({"left": (ONE, TWO), "fate": "kept"}, "succeeded", "finished; 2 processes that it left behind go on", 2),
        ({"left": (ONE,), "fate": "kept"}, "succeeded", "finished; 1 process that it left behind goes on", 1),
        ({"left": (ONE,), "exit_code": 3}, "failed", "exit code 3; 1 process that it left behind was ended", 1),
        ({"left": (ASLEEP,), "given_up": (ASLEEP,)}, "succeeded", f"finished; {STUCK}", 1),
        (
            {"left": (ONE, ASLEEP), "given_up": (ASLEEP,)},
            "succeeded",
            f"finished; 1 process that it left behind was ended; {STUCK}",
            2,
        ),
        (
            {"left": (ONE, TWO), "refused": (ONE, TWO)},
            "succeeded",
            f"finished; processes 11 (sleep), 12 (x y\\u0000z) {NOT_OURS}",
            2,
        ),
        (
            {"stopped": TIMED_OUT, "given_up": (ASLEEP,), "exit_code": None},
            "timed_out",
            f"ran longer than its 5 s; {STUCK}",
            None,
        ),
        (
            {"stopped": TIMED_OUT, "given_up": (ONE, ASLEEP), "exit_code": None},
            "timed_out",
            "ran longer than its 5 s; processes 11 (sleep), 13 (dd) are still there after KILL (state S, D): given up",
            None,
        ),
        (
            {"stopped": TIMED_OUT, "left": (ONE,)},
            "timed_out",
            "ran longer than its 5 s; its script had ended with exit code 0; 1 process that it left behind was ended",
            1,
        ),
        (
            {"stopped": TIMED_OUT, "left": (ONE,), "exit_code": None, "signal": "SIGKILL"},
            "timed_out",
            "ran longer than its 5 s; its script had ended with SIGKILL; 1 process that it left behind was ended",
            1,
        ),
        ({"exit_code": 127, "hint": "save it"}, "failed", "exit code 127; save it", None),
    ],
)
def test_what_was_left_behind_is_told(facts, state, reason, left_behind):
    ended = outcome(RUN, ProcessExit(**({"exit_code": 0} | facts)), Printed(), NOW)

    assert (ended.state, ended.reason, ended.left_behind) == (state, reason, left_behind)


def test_of_many_processes_some_are_named():
    assert (
        named([process(n, "a") for n in range(NAMED + 2)])
        == ", ".join(f"{n} (a)" for n in range(NAMED)) + " and 2 more"
    )


BUSY = "Text file busy"


@pytest.mark.parametrize(
    ("opening", "busy"),
    [
        (f"setpriv: failed to execute /srv/x.sh: {BUSY}\n", True),
        (f"/usr/bin/env: '/srv/x.sh': {BUSY}\n", True),
        (f"env: ./x.sh: {BUSY}", True),
        (f"nice: /srv/x.sh: {BUSY}\n", False),  # it was not in front
        (f"env: /srv/y.sh: {BUSY}\n", False),
        (f"one\nenv: /srv/x.sh: {BUSY}\n", False),  # something ran before
        (f"env: /srv/x.sh: {BUSY}\nmore\n", False),
        ("env: /srv/x.sh: Permission denied\n", False),
        (f"/srv/x.sh: {BUSY}\n", False),
        ("", False),
    ],
)
def test_a_program_being_written_is_told_from_other_failures(opening, busy):
    assert is_busy(opening.encode(), ("setpriv", "env"), "/srv/x.sh") == busy


def test_the_end_by_a_limit_is_told():
    ended = outcome(RUN, ProcessExit(signal="SIGXCPU"), Printed(), NOW)

    assert (ended.state, ended.reason) == ("failed", "ended by SIGXCPU, for its limit of CPU seconds was reached")


@pytest.mark.parametrize(
    "process_exit",
    [ProcessExit(error="ValueError: hunter22"), ProcessExit(exit_code=1), ProcessExit(exit_code=127, launchers=("a",))],
)
def test_no_reason_tells_a_secret(process_exit):
    said = Printed(last_line="a: hunter22", cut="no hunter22")
    ended = outcome(RUN, process_exit, said, NOW, lambda text: text.replace("hunter22", "***"))

    assert "***" in ended.reason
    assert "hunter22" not in ended.reason


@pytest.mark.parametrize(("total", "kept", "truncated"), [(0, 0, False), (9, 9, False), (9, 8, True), (9, 0, True)])
def test_output_is_counted(total, kept, truncated):
    ended = outcome(RUN, ProcessExit(exit_code=0), Printed(total=total, kept=kept), NOW)

    assert (ended.output_bytes, ended.output_kept, ended.output_truncated) == (total, kept, truncated)


def test_the_rest_of_the_run_stays_as_it_is():
    changed = {
        "state",
        "reason",
        "ended",
        "exit_code",
        "signal",
        "left_behind",
        "output_bytes",
        "output_kept",
        "output_truncated",
    }
    ended = outcome(RUN, ProcessExit(exit_code=0), Printed(total=1, kept=1), NOW)

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
