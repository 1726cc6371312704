"""A run that an executor has, as its runner sees it."""

from __future__ import annotations

from jobsched.runner.elsewhere import ExecutorCall
from jobsched.runner.outcome import ProcessExit


def a_call() -> tuple[ExecutorCall, list[tuple[int, float | None]]]:
    """A call, and the processes that it has later on."""
    call, again = ExecutorCall("run", lambda why: None), list[tuple[int, float | None]]()
    call.begun_again.subscribe(lambda pid, pid_started: again.append((pid, pid_started)))
    return call, again


def test_what_is_told_again_changes_nothing() -> None:
    call, again = a_call()
    call.begin(7, 1.5)
    call.begin(7, 1.5)
    assert (call.pid, call.pid_started, call.begun.called, again) == (7, 1.5, True, [])


def test_of_several_tries_the_last_process_counts() -> None:
    call, again = a_call()
    call.begin(7, 1.5)
    call.begin(8, 2.5)
    assert (call.pid, call.pid_started, again) == (8, 2.5, [(8, 2.5)])


def test_an_end_without_a_process_keeps_the_one_before() -> None:
    call, again = a_call()
    call.begin(7, 1.5)
    call.end(ProcessExit(exit_code=0))
    assert (call.pid, again) == (7, [])


def test_an_end_tells_of_a_process_that_nobody_knew() -> None:
    call, again = a_call()
    call.end(ProcessExit(exit_code=0), pid=7)
    assert (call.pid, call.pid_started, call.begun.called, again) == (7, None, True, [])
