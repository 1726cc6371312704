"""The queue before the writing thread: the pause, the end, and what goes wrong in the thread."""

import logging
import threading

import pytest

from jobsched.runner.output import HIGH, LOW, Output, OutputWriter
from jobsched.runner.output_file import Printed, log, output_path
from tests.present import present

PLENTY = 1 << 30


class SlowWriter(OutputWriter):
    """A writer whose thread is the test: `work` does one job."""

    def __init__(self, folder, short=0):
        self.in_reactor_calls = []
        super().__init__(self, folder, PLENTY, short)  # type: ignore[arg-type]  # a reactor as far as it is asked

    def _begin(self):
        """There is no other thread."""

    def callFromThread(self, function, *args):
        self.in_reactor_calls.append((function, args))

    def work(self, jobs=1):
        """What the thread would do next."""
        for _ in range(jobs):
            present(self._queue.get_nowait())()

    def turn(self):
        """A turn of the reactor."""
        calls, self.in_reactor_calls = self.in_reactor_calls, []
        for function, args in calls:
            function(*args)


@pytest.fixture
def writer(tmp_path):
    return SlowWriter(tmp_path)


@pytest.fixture
def run_output(writer):
    return Output(writer, "run", "job")


def test_nothing_is_full_until_more_is_under_way_than_should_be(writer, run_output):
    run_output.write(b"x" * HIGH)
    assert not run_output.full
    run_output.write(b"x")
    assert run_output.full
    writer.work()
    assert not run_output.full


def test_who_waits_for_room_is_called_once_in_the_reactor(writer, run_output):
    called = []
    for _ in range(5):
        run_output.write(b"x" * (HIGH // 4))
    run_output.when_room(lambda: called.append(1))
    writer.work(3)
    assert writer.in_reactor_calls == []
    writer.work()  # now `LOW` is under way
    assert run_output._given - run_output._done == LOW
    assert called == []
    writer.turn()
    writer.work()
    writer.turn()

    assert called == [1]


def test_room_that_is_there_already_is_told_of_at_once(writer, run_output):
    called = []
    run_output.write(b"x")
    run_output.when_room(lambda: called.append(1))
    writer.turn()

    assert called == [1]


def test_the_end_is_told_when_all_is_in_the_file(writer, run_output, tmp_path):
    ended: list[Printed] = []
    run_output.write(b"one\n")
    run_output.write(b"two\n")
    run_output.close().addCallback(ended.append)
    writer.work(2)
    writer.turn()
    assert ended == []
    writer.work()
    writer.turn()

    assert ended == [Printed(total=8, kept=8, last_line="two")]
    assert output_path(tmp_path, "run").read_bytes() == b"one\ntwo\n"


def test_of_nothing_there_is_nothing_to_wait_for(run_output):
    ended: list[Printed] = []
    run_output.close().addCallback(ended.append)

    assert ended == [Printed()]


def test_what_comes_after_the_end_is_dropped(writer, run_output, tmp_path):
    """Its file is closed, and the number of it may be another run's by now."""
    run_output.write(b"one\n")
    run_output.close()
    run_output.write(b"late\n")
    run_output.write_patiently(b"x" * 2 * HIGH)
    writer.work(2)

    assert writer._queue.empty()
    assert output_path(tmp_path, "run").read_bytes() == b"one\n"


def test_an_end_in_one_thread_waits_for_what_another_is_writing(tmp_path):
    """Else the file would be opened again by what comes behind its end, and nothing would close it."""
    given, ends = [], []

    class Writer:
        folder, limit, short = tmp_path, PLENTY, 0

        def put(self, output, data):
            ends.append(threading.Thread(target=output.close))
            ends[0].start()
            ends[0].join(0.2)  # as long as it takes, if it does not wait
            given.append(data)

        def finish(self, output):
            given.append("the end")

    Output(Writer(), "0" * 36, "job").write(b"from a task's thread")  # type: ignore[arg-type]  # a fake
    ends[0].join()
    assert given == [b"from a task's thread", "the end"]


def test_what_is_short_is_in_its_file_without_the_thread(tmp_path):
    writer, ended = SlowWriter(tmp_path, short=8), list[Printed]()
    run_output = Output(writer, "0" * 36, "job")
    run_output.write(b"short\n")
    before = output_path(tmp_path, "0" * 36).read_bytes()
    run_output.close().addCallback(ended.append)

    assert before == b"short\n"
    assert [(printed.total, printed.kept, printed.last_line) for printed in ended] == [(6, 6, "short")]
    assert writer._queue.empty()


def test_what_is_no_longer_short_goes_to_the_thread(tmp_path):
    writer, ended = SlowWriter(tmp_path, short=8), list[Printed]()
    run_output = Output(writer, "0" * 36, "job")
    for line in (b"short\n", b"no more\n", b"!\n"):
        run_output.write(line)
    run_output.close().addCallback(ended.append)
    before = output_path(tmp_path, "0" * 36).read_bytes()
    writer.work(3)
    writer.turn()

    assert before == b"short\n"
    assert output_path(tmp_path, "0" * 36).read_bytes() == b"short\nno more\n!\n"
    assert [printed.total for printed in ended] == [16]


def test_a_log_that_raises_does_not_hold_up_the_run_or_its_end(writer, run_output, tmp_path):
    class Broken(logging.Handler):
        def handle(self, record):
            raise RuntimeError("broken")

    broken, called, ended = Broken(), list[int](), list[Printed]()
    log.addHandler(broken)
    log.setLevel(logging.INFO)
    try:
        run_output.write(b"x" * HIGH + b"\ny")
        run_output.when_room(lambda: called.append(1))
        run_output.close().addCallback(ended.append)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                writer.work()
        writer.turn()
    finally:
        log.removeHandler(broken)
        log.setLevel(logging.NOTSET)

    assert called == [1]
    assert (ended[0].total, ended[0].kept) == (HIGH + 2, HIGH + 2)
    assert output_path(tmp_path, "run").stat().st_size == HIGH + 2


def test_the_thread_goes_on_after_an_error_and_ends_when_told(tmp_path):
    class Reactor:
        def callFromThread(self, function, *args):
            function(*args)

    def fails() -> None:
        raise ZeroDivisionError

    writer, done = OutputWriter(Reactor(), tmp_path, PLENTY), list[int]()  # type: ignore[arg-type]  # a fake
    logging.getLogger(OutputWriter.__module__).addHandler(logging.NullHandler())
    logging.getLogger(OutputWriter.__module__).propagate = False
    writer.start()
    writer._queue.put(fails)
    writer._queue.put(lambda: done.append(1))
    writer.stop()
    logging.getLogger(OutputWriter.__module__).propagate = True

    assert done == [1]


def test_an_executor_has_no_thread_for_short_outputs(tmp_path):
    class Reactor:
        def callFromThread(self, function, *args):
            function(*args)

    writer = OutputWriter(Reactor(), tmp_path, PLENTY, short=4)  # type: ignore[arg-type]  # a fake
    writer.start()
    before = set(threading.enumerate())

    def threads():
        return len(set(threading.enumerate()) - before)  # those of other tests may end meanwhile

    short, long = (Output(writer, name, "job") for name in ("short", "long"))
    short.write(b"abcd")
    short.close()
    assert threads() == 0
    writer.stop()  # there is nothing to wait for
    long.write(b"abcde")
    assert threads() == 1
    ended: list[Printed] = []
    long.close().addCallback(ended.append)
    writer.stop()
    assert threads() == 0
    assert [each.kept for each in ended] == [5]
    assert output_path(tmp_path, "short").read_bytes() == b"abcd"
