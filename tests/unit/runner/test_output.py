"""The lines, the limit, and the pause: the same whatever pieces the output comes in."""

import logging
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.runner import output
from jobsched.runner.output import HIGH, LONGEST_LINE, LOW, TAIL, Output, OutputWriter, Printed, output_path
from tests.present import present

PLENTY = 1 << 30


class Lines(logging.Handler):
    """Keeps what was logged, without the title."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        title, _, line = record.getMessage().partition(" | ")
        assert title == "job run"
        self.lines.append(line)


class Heard:
    """The logger `jobsched.output` with a handler; without, it is deaf."""

    def __init__(self, deaf=False):
        self.handler = Lines()
        self.deaf = deaf

    def __enter__(self):
        self.before = output.log.level, output.log.propagate
        output.log.addHandler(self.handler)
        output.log.setLevel(logging.CRITICAL if self.deaf else logging.INFO)
        output.log.propagate = False
        return self.handler.lines

    def __exit__(self, *_):
        output.log.removeHandler(self.handler)
        output.log.level, output.log.propagate = self.before
        output.log.setLevel(self.before[0])


class MemorySink(output._Sink):
    """Its file is a list."""

    def __init__(self, limit, redact=str):
        super().__init__(Path("/nowhere"), "run", "job", limit, redact, None)
        self.data = b""

    def _keep(self, data):
        self.data += data
        self._kept += len(data)


def taken(chunks, limit=PLENTY, deaf=False):
    """What becomes of output in those pieces: lines, bytes in the file, and the counts."""
    sink = MemorySink(limit)
    with Heard(deaf) as lines:
        for chunk in chunks:
            sink.write(chunk)
        sink.close()
    return lines, sink.data, sink.printed()


@pytest.mark.parametrize("deaf", [False, True])
def test_the_last_line_so_far_is_a_whole_one(deaf):
    told, sink = [], MemorySink(PLENTY)
    with Heard(deaf):
        for piece in (b"", b"one", b"\n", b"two\npass", b"word\n", b"\n \n", b"x" * 3 * TAIL + b"y\n"):
            sink.write(piece)
            told.append(sink.last_line)
    assert told == ["", "", "one", "two", "password", "password", "x" * (TAIL - 1) + "y"]


LONG = "x" * LONGEST_LINE


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n", ["a"]),
        (b"a", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"\n\n", ["", ""]),
        (b"a\r\nb\rc\n", ["a\r", "b\rc"]),
        (b"\xff\n\xc3\xa4\xc3\n", ["\ufffd", "ä\ufffd"]),
        (LONG.encode() + b"\n", [LONG]),
        (LONG.encode(), [LONG]),
        (LONG.encode() + b"y\nz", [LONG, "y", "z"]),
        (2 * LONG.encode() + b"\n", [LONG, LONG]),
        (3 * LONG.encode() + b"y", [LONG, LONG, LONG, "y"]),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000, LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, PLENTY])
def test_lines_are_the_same_in_any_pieces(data, lines, size):
    if size < 1000 and len(data) > 1000:
        size = 1000 + size
    found, kept, printed = taken([data[at : at + size] for at in range(0, len(data), size)])

    assert (found, kept) == (lines, data)
    assert (printed.total, printed.kept, printed.cut) == (len(data), len(data), "")


def pieces(data, cuts):
    """`data` cut at those places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


ODD = st.lists(st.sampled_from([b"\n", b"a", b" ", b"\xff", b"\xc3\xa4", b"\0", b"\r", b"x" * 70])).map(b"".join)
CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@pytest.mark.slow
@given(data=st.binary() | ODD, cuts=CUTS, limit=st.integers(1, 300), longest=st.integers(1, 50))
def test_pieces_do_not_matter(data, cuts, limit, longest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output, "LONGEST_LINE", longest)
        whole = taken([data], limit)
        cut = taken(pieces(data, cuts), limit)

        assert cut == whole
        lines, kept, printed = whole
        assert kept == data[:limit]
        assert (printed.total, printed.kept, bool(printed.cut)) == (len(data), min(len(data), limit), len(data) > limit)
        assert all(len(line) <= longest for line in lines if not line.startswith("[output beyond"))
        text = b"".join(data[:limit].split(b"\n")).decode("utf-8", "replace")
        if text.isascii():
            assert "".join(line for line in lines if not line.startswith("[output beyond")) == text


@given(data=st.binary() | ODD, cuts=CUTS, limit=st.integers(1, 300))
def test_a_log_nobody_reads_changes_neither_file_nor_counts(data, cuts, limit):
    lines, kept, printed = taken(pieces(data, cuts), limit, deaf=True)
    _, heard_kept, heard_printed = taken([data], limit)

    assert (lines, kept) == ([], heard_kept)
    assert (printed.total, printed.kept, printed.cut) == (heard_printed.total, heard_printed.kept, heard_printed.cut)


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b"", ""),
        (b"a\nb\n", "b"),
        (b"a\nb", "b"),
        (b"a\n\n  \n", "a"),
        (b"a\n  b  \n", "b"),
        (b"a\n" + b"y" * 1000 + b"\n", "y" * TAIL),
        (b"a\n\xff\n", "\ufffd"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, PLENTY])
def test_the_last_line_that_says_something_is_remembered(data, last, size, deaf):
    _, _, printed = taken([data[at : at + size] for at in range(0, len(data), size)], deaf=deaf)

    assert printed.last_line == last


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("before", [0, LONGEST_LINE - 100])
@pytest.mark.parametrize("after", [0, 50, TAIL - 1])
def test_no_end_of_a_secret_is_in_the_last_line(before, after, deaf):
    secret = "s" * 1000
    sink, told = MemorySink(PLENTY, lambda text: text.replace(secret, "***")), []
    data = b"-" * before + secret.encode() + b"." * after + b"\n"
    with Heard(deaf):
        for at in range(0, len(data), 333):
            sink.write(data[at : at + 333])
            told.append(sink.last_line)
    assert set(told[:-1]) <= {""}, "only whole lines are told"
    assert told[-1].endswith("***" + "." * after if after < TAIL - 3 else "." * after)
    assert "s" not in told[-1]


def test_the_cut_is_logged_once_after_the_last_kept_line():
    lines, kept, printed = taken([b"one\ntwo\n", b"three\n", b"four\n"], limit=10)

    assert lines == ["one", "two", "th", "[output beyond 10 bytes is not kept]"]
    assert kept == b"one\ntwo\nth"
    assert printed == Printed(total=19, kept=10, cut="output beyond 10 bytes is not kept", last_line="th")


def test_runs_are_spread_over_folders():
    assert output_path(Path("/o"), "0190-abcd") == Path("/o/cd/0190-abcd.log")


class SlowWriter(OutputWriter):
    """A writer whose thread is the test: `work` does one job."""

    def __init__(self, folder):
        self.in_reactor_calls = []
        super().__init__(self, folder, PLENTY)  # type: ignore[arg-type]  # a reactor as far as it is asked

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
        folder, limit = tmp_path, PLENTY

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


def test_a_log_that_raises_does_not_hold_up_the_run_or_its_end(writer, run_output, tmp_path):
    class Broken(logging.Handler):
        def handle(self, record):
            raise RuntimeError("broken")

    broken, called, ended = Broken(), list[int](), list[Printed]()
    output.log.addHandler(broken)
    output.log.setLevel(logging.INFO)
    try:
        run_output.write(b"x" * HIGH + b"\ny")
        run_output.when_room(lambda: called.append(1))
        run_output.close().addCallback(ended.append)
        for _ in range(2):
            with pytest.raises(RuntimeError):
                writer.work()
        writer.turn()
    finally:
        output.log.removeHandler(broken)
        output.log.setLevel(logging.NOTSET)

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
    logging.getLogger(output.__name__).addHandler(logging.NullHandler())
    logging.getLogger(output.__name__).propagate = False
    writer.start()
    writer._queue.put(fails)
    writer._queue.put(lambda: done.append(1))
    writer.stop()
    logging.getLogger(output.__name__).propagate = True

    assert done == [1]
