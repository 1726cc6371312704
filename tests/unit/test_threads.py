"""Work of callers: so much at once, so much that waits, in order, and dropped when its caller has gone."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import ref

import pytest
from twisted.internet.defer import CancelledError, Deferred, succeed
from twisted.logger import capturedLogs
from twisted.python.failure import Failure

from jobsched import threads as module
from jobsched.model.errors import Busy, NotFound, Unavailable
from jobsched.threads import Bulkhead, CallerThread, Threads
from tests.fakes import StillReactor
from tests.present import present


class Work:
    """Pieces of work by number; a test says when each is done."""

    def __init__(self) -> None:
        self.begun: list[int] = []
        self.dropped: list[int] = []
        self.done: dict[int, Deferred[Any]] = {}

    def piece(self, number: int) -> tuple[Callable[[], Deferred[Any]], Callable[[], None]]:
        def begin() -> Deferred[Any]:
            self.begun.append(number)
            self.done[number] = Deferred()
            return self.done[number]

        return begin, lambda: self.dropped.append(number)


def failed(what: Deferred[Any]) -> BaseException:
    seen: list[Failure] = []
    what.addErrback(seen.append)
    assert seen, "it did not fail"
    return present(seen[0].value)


@pytest.fixture
def work() -> Work:
    return Work()


def test_so_much_is_begun_at_once_and_the_rest_in_order(work: Work) -> None:
    bulkhead = Bulkhead(2, 3)
    answers = [bulkhead.run(*work.piece(number)) for number in range(5)]
    assert work.begun == [0, 1]
    work.done[1].callback("one")
    assert answers[1].result == "one"
    assert work.begun == [0, 1, 2]
    work.done[0].callback("zero")
    work.done[2].callback("two")
    assert work.begun == [0, 1, 2, 3, 4]


def test_what_is_more_than_may_wait_is_refused_until_room(work: Work) -> None:
    bulkhead = Bulkhead(1, 1)
    for number in range(2):
        bulkhead.run(*work.piece(number))
    with pytest.raises(Busy):
        bulkhead.run(*work.piece(2))
    work.done[0].callback(None)
    bulkhead.run(*work.piece(3))
    assert work.begun == [0, 1]


def test_what_nobody_waits_for_never_begins_and_frees_its_place(work: Work) -> None:
    bulkhead = Bulkhead(1, 1)
    bulkhead.run(*work.piece(0))
    gone = bulkhead.run(*work.piece(1))
    gone.cancel()
    assert isinstance(failed(gone), CancelledError)
    bulkhead.run(*work.piece(2))
    work.done[0].callback(None)
    assert (work.begun, work.dropped) == ([0, 2], [])


def test_what_is_under_way_is_told_and_keeps_its_place(work: Work) -> None:
    bulkhead = Bulkhead(1, 1)
    gone = bulkhead.run(*work.piece(0))
    bulkhead.run(*work.piece(1))
    gone.cancel()
    failed(gone)
    assert (work.begun, work.dropped) == ([0], [0])
    work.done[0].callback("too late")
    assert work.begun == [0, 1]


def test_a_failure_is_the_answer_and_the_next_has_its_turn(work: Work) -> None:
    bulkhead = Bulkhead(1, 1)
    answer = bulkhead.run(*work.piece(0))
    bulkhead.run(*work.piece(1))
    work.done[0].errback(NotFound("no"))
    assert isinstance(failed(answer), NotFound)
    assert work.begun == [0, 1]


@pytest.mark.parametrize(("why", "told"), [(NotFound("no"), False), (ValueError("a fault of ours"), True)])
def test_a_fault_that_nobody_waits_for_is_told_to_the_log(why: Exception, told: bool, work: Work) -> None:
    bulkhead = Bulkhead(1, 1)
    gone = bulkhead.run(*work.piece(0))
    gone.cancel()
    failed(gone)
    with capturedLogs() as log:
        work.done[0].errback(why)
    assert bool(log) == told


def test_work_that_cannot_begin_is_a_failure_too() -> None:
    def begin() -> Deferred[Any]:
        raise OSError("no more threads")

    bulkhead = Bulkhead(1, 1)
    assert isinstance(failed(bulkhead.run(begin)), OSError)
    assert bulkhead.run(lambda: succeed("fine")).result == "fine"


def test_what_was_done_is_not_held_by_its_answer() -> None:
    """It may have looked at many megabytes, and Python looks for circles seldom."""
    gc.collect()
    gc.disable()
    try:
        large = Work()
        seen, work = ref(large), large.piece(0)
        Bulkhead(1, 1).run(*work)
        large.done.pop(0).callback(None)
        del large, work
        assert seen() is None
    finally:
        gc.enable()


def same(begun: Deferred[None]) -> Deferred[None]:
    return begun


def test_where_a_refusal_was_raised_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The frames hold what was looked at, and each other. Of a fault the log has to tell all."""
    cleaned: list[object] = []
    monkeypatch.setattr(Failure, "cleanFailure", lambda failure: cleaned.append(failure.value))
    for why, forgotten in ((NotFound("it is not there"), True), (LookupError("a fault"), False)):
        cleaned.clear()
        begun: Deferred[None] = Deferred()
        answer = Bulkhead(1, 1).run(partial(same, begun))
        seen: list[Failure] = []
        answer.addErrback(seen.append)
        begun.errback(why)
        assert seen[0].value is why
        assert cleaned == [why] * forgotten


def test_a_long_queue_of_what_is_done_at_once_is_no_deep_one(work: Work) -> None:
    bulkhead = Bulkhead(1, 5000)
    bulkhead.run(*work.piece(0))
    answers = [bulkhead.run(partial(succeed, number)) for number in range(5000)]
    work.done[0].callback(None)
    assert [answer.result for answer in answers] == list(range(5000))


def test_at_its_end_what_waits_is_refused_the_rest_waited_for(work: Work) -> None:
    bulkhead = Bulkhead(1, 1)
    under_way, waits = (bulkhead.run(*work.piece(number)) for number in range(2))
    closed = bulkhead.close(Unavailable("it ends"))
    assert isinstance(failed(waits), Unavailable)
    with pytest.raises(Unavailable):
        bulkhead.run(*work.piece(2))
    assert not closed.called
    work.done[0].callback("done")
    assert (under_way.result, closed.called, work.begun) == ("done", True, [0])


def test_at_the_end_of_an_idle_one_nothing_is_waited_for() -> None:
    assert Bulkhead(1, 1).close(Unavailable("it ends")).called


# With threads


class Reactor(StillReactor):
    """Keeps what threads have to say until it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.said = threading.Semaphore(0)
        self.calls_from_threads: list[Any] = []

    def callFromThread(self, function: Any, *args: Any, **kwargs: Any) -> None:
        self.calls_from_threads.append((function, args, kwargs))
        self.said.release()

    def hear(self) -> None:
        """Wait for one."""
        assert self.said.acquire(timeout=30)
        function, args, kwargs = self.calls_from_threads.pop(0)
        function(*args, **kwargs)


@pytest.fixture
def begun() -> threading.Event:
    return threading.Event()


def endless(begun: threading.Event) -> Callable[[Callable[[], None]], None]:
    """Work that ends when it is not wanted any more."""

    def work(wanted: Callable[[], None]) -> None:
        begun.set()
        while True:
            wanted()
            threading.Event().wait(0.001)

    return work


def test_a_caller_who_goes_ends_the_work_under_way(begun: threading.Event) -> None:
    reactor = Reactor()
    callers = CallerThread(reactor, waiting=2)  # type: ignore[arg-type]  # a fake
    callers.startService()
    gone = callers.run(endless(begun))
    after = callers.run(lambda _: threading.current_thread())
    assert begun.wait(30)
    gone.cancel()
    assert isinstance(failed(gone), CancelledError)
    reactor.hear()
    reactor.hear()
    assert after.result is not threading.current_thread()
    assert callers.stopService().called


def test_the_end_of_the_daemon_waits_for_no_caller(begun: threading.Event) -> None:
    reactor = Reactor()
    callers = CallerThread(reactor, waiting=2)  # type: ignore[arg-type]  # a fake
    callers.startService()
    under_way, waits = callers.run(endless(begun)), callers.run(endless(begun))
    assert begun.wait(30)
    ended = callers.stopService()
    assert isinstance(failed(waits), Unavailable)
    reactor.hear()
    assert isinstance(failed(under_way), Unavailable)
    assert ended.called


def test_while_callers_may_order_no_thread_keeps_the_lock_long() -> None:
    before = sys.getswitchinterval()
    callers = CallerThread(Reactor())  # type: ignore[arg-type]  # a fake
    callers.startService()
    assert sys.getswitchinterval() == pytest.approx(module.SWITCH)
    callers.stopService()
    assert sys.getswitchinterval() == before


def test_a_chore_that_hangs_does_not_hold_up_the_end(begun: threading.Event) -> None:
    gate = threading.Event()

    def hang() -> str:
        begun.set()
        gate.wait(60)
        return threading.current_thread().name

    reactor = Reactor()
    threads = Threads(reactor, "files")  # type: ignore[arg-type]  # a fake
    threads.startService()
    hanging = threads.run(hang)
    assert begun.wait(30)
    threads.stopService()
    assert not hanging.called
    late = threads.run(hang)
    reactor.hear()
    assert isinstance(failed(late), Unavailable), "it would never be done, and somebody would wait for it"
    gate.set()
    reactor.hear()
    assert "files" in str(hanging.result)


ALLOCATE = """
import ctypes, sys, threading
from jobsched.threads import share_memory
share_memory()
libc = ctypes.CDLL(None)
libc.fdopen.restype = ctypes.c_void_p
together = threading.Barrier(8)
def work():
    together.wait()
    libc.malloc(100_000)
    together.wait()
threads = [threading.Thread(target=work) for _ in range(8)]
for each in threads: each.start()
for each in threads: each.join()
out = ctypes.c_void_p(libc.fdopen(1, b"w"))
libc.malloc_info(0, out)
libc.fflush(out)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("own", "shared"), [(None, True), ("8", False)])
def test_threads_take_memory_from_one_place(own: str | None, shared: bool) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "MALLOC_ARENA_MAX"}
    environment |= {} if own is None else {"MALLOC_ARENA_MAX": own}
    told = subprocess.run([sys.executable, "-c", ALLOCATE], env=environment, check=True, capture_output=True, text=True)
    assert (told.stdout.count("<heap nr=") == 1) == shared, told.stdout[:2000]
