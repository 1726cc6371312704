"""Log lines: where logging.cfg sends them, that Twisted's own get there, and that a slow handler holds nobody up."""

import atexit
import io
import json
import logging
import logging.config
import os
import sys
import threading
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from queue import Empty, Queue

import pytest
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure

from jobsched.daemon import log_worker, logs
from jobsched.model.errors import BadConfig
from tests.present import present

SHIPPED = (Path(__file__).parents[3] / "conf" / "logging.cfg").read_text()


@pytest.fixture
def logger():
    """A logger of our own, put back as it was."""
    found = logging.getLogger("jobsched.test_logs")
    yield found
    found.handlers.clear()
    found.propagate = True
    found.setLevel(logging.NOTSET)


class Kept(logging.Handler):
    """Keeps lines; waits for `go` with each, if there is one."""

    def __init__(self, go=None):
        super().__init__()
        self.lines = []
        self.asked = threading.Event()  # it was given a line
        self._go = go

    def emit(self, record):
        self.asked.set()
        if self._go is not None and not self._go.wait(30):
            self._go.set()  # so that whatever waits for this one does not wait again for the next
            raise AssertionError("nobody let it go")
        self.lines.append((record.name, record.levelname, record.getMessage()))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ""),
        ("nonsense", "no section headers"),
        (SHIPPED.replace("[handlers]", "[handler]"), "handlers"),
        (SHIPPED.replace("class = StreamHandler", "class = NoSuchHandler"), "NoSuchHandler"),
        (SHIPPED.replace("class = StreamHandler", "class = no.such.Handler"), "no"),
        (SHIPPED.replace("args = (sys.stdout,)", "args = (sys.stdout"), ""),
        (SHIPPED.replace("args = (sys.stdout,)", "args = (nothing,)"), "nothing"),
        (SHIPPED.replace("args = (sys.stdout,)", "args = (1, 2, 3)"), ""),
        (SHIPPED.replace("level = INFO", "level = LOUD"), "LOUD"),
        (
            SHIPPED.replace("class = StreamHandler", "class = FileHandler").replace("sys.stdout", "'/no/where/x'"),
            "/no/",
        ),
        (SHIPPED.replace("keys = line", "keys = line, other"), "other"),
    ],
)
def test_a_file_that_cannot_be_followed_is_one_line(tmp_path, text, words):
    path = tmp_path / "logging.cfg"
    path.write_text(text)
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        with pytest.raises(BadConfig) as caught:
            logs.load(path)
    finally:
        root.handlers[:], root.level = before[0], before[1]
    line = str(caught.value)

    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert words in line
    assert len(line) > len(f"{path}: ")


def test_a_missing_file_says_what_to_do(tmp_path):
    with pytest.raises(BadConfig, match=r"logging\.cfg: no such file; copy the shipped conf folder"):
        logs.load(tmp_path / "logging.cfg")


@pytest.mark.parametrize(
    ("level", "name"),
    [
        (LogLevel.debug, "DEBUG"),
        (LogLevel.info, "INFO"),
        (LogLevel.warn, "WARNING"),
        (LogLevel.error, "ERROR"),
        (LogLevel.critical, "CRITICAL"),
    ],
)
def test_a_twisted_event_arrives_under_its_namespace_and_level(logger, level, name):
    kept = Kept()
    logger.addHandler(kept)
    logger.setLevel(logging.DEBUG)
    Logger(namespace=logger.name, observer=logs.ToLogging()).emit(
        level, "{count} runs of 100% {what}", count=2, what="{x}"
    )

    assert kept.lines == [(logger.name, name, "2 runs of 100% {x}")]


def test_a_failure_arrives_with_its_traceback(logger):
    kept = Kept()
    logger.addHandler(kept)
    twisted = Logger(namespace=logger.name, observer=logs.ToLogging())
    try:
        raise ValueError("on purpose")
    except ValueError:
        twisted.failure("it went {how}", how="wrong")
    [(_, level, text)] = kept.lines

    assert level == "CRITICAL"
    assert text.startswith("it went wrong\nTraceback")
    assert "ValueError: on purpose" in text


def test_what_nobody_wants_to_hear_is_not_even_put_into_words(logger):
    class Shy:
        def __str__(self):
            raise AssertionError("was asked")

    logger.setLevel(logging.WARNING)
    Logger(namespace=logger.name, observer=logs.ToLogging()).info("{shy}", shy=Shy())


def test_a_slow_handler_holds_up_nobody_and_gets_lines_in_order(logger):
    go = threading.Event()
    kept = Kept(go)
    logger.addHandler(kept)
    logger.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    for number in range(1000):
        logger.warning("line %s", number)
    assert kept.lines == []
    go.set()
    behind.stopService()

    assert [text for _, _, text in kept.lines] == [f"line {number}" for number in range(1000)]
    assert logger.handlers == [kept]


def test_lines_that_find_no_room_are_counted_and_told(logger, monkeypatch):
    monkeypatch.setattr(logs, "MOST", 10)
    go = threading.Event()
    kept = Kept(go)
    logger.addHandler(kept)
    logger.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    logger.warning("line %s", 0)
    assert kept.asked.wait(30)
    for number in range(1, 50):
        logger.warning("line %s", number)
    go.set()
    behind.stopService()
    told = [f"line {number}" for number in range(11)]  # one on its way, and as many as there is room for

    assert [text for _, _, text in kept.lines] == [*told, "39 log lines were dropped: the handlers were too slow"]


def test_another_thread_waits_for_room_and_loses_nothing(logger, monkeypatch):
    monkeypatch.setattr(logs, "MOST", 10)
    kept = Kept()
    logger.addHandler(kept)
    logger.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    writer = threading.Thread(target=lambda: [logger.warning("line %s", number) for number in range(500)])
    writer.start()
    writer.join(30)
    behind.stopService()

    assert [text for _, _, text in kept.lines] == [f"line {number}" for number in range(500)]


def test_a_failing_handler_tells_stderr_and_not_itself(logger, monkeypatch, capfd):
    class Full(logging.Handler):
        failures = 0

        def emit(self, record):
            Full.failures += 1
            try:
                raise OSError("disk full")
            except OSError:
                self.handleError(record)

    class Feedback:
        def write(self, text):
            logger.error("stderr said: %s", text)

        def flush(self):
            pass

    monkeypatch.setattr(sys, "stderr", Feedback())  # as twistd has it: what goes to stderr is logged
    logger.addHandler(Full())
    logger.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    for _ in range(3):
        logger.warning("lost")
    behind.stopService()
    logger.warning("lost after the end")

    assert Full.failures == 4


def test_a_handler_keeps_its_own_level_behind_the_queue(logger):
    kept = Kept()
    kept.setLevel(logging.ERROR)
    logger.addHandler(kept)
    logger.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    logger.warning("unheard")
    logger.error("heard")
    behind.stopService()

    assert [text for _, _, text in kept.lines] == ["heard"]


def a_record(text):
    return logging.LogRecord("jobsched.test_logs", logging.WARNING, __file__, 1, text, (), None)


def test_a_handler_that_logs_waits_for_no_room_in_its_queue():
    class Echo(logging.Handler):
        def emit(self, record):
            if record.getMessage() == "of the daemon":
                for number in range(3):  # more than there is room for
                    queued.handle(a_record(f"of the handler {number}"))
                done.set()

    done = threading.Event()
    room: Queue[logging.LogRecord | None] = Queue(1)
    queued = log_worker.PatientQueueHandler(room)
    worker = log_worker.LogWorker(room, [Echo()])
    worker.start()
    room.put(a_record("of the daemon"))
    try:
        assert done.wait(10)
        assert queued.dropped == 2
    finally:
        while not done.wait(0.1):
            with suppress(Empty):
                room.get_nowait()
        worker.end(10)
        assert worker.ended(10)


def test_a_thread_that_waits_for_room_leaves_the_reactor_free():
    class Watched(Queue[logging.LogRecord | None]):
        def put(self, item, block=True, timeout=None):
            if block:
                asked.set()
            super().put(item, block, timeout)

    asked = threading.Event()
    room = Watched(1)
    queued = log_worker.PatientQueueHandler(room)
    queued.handle(a_record("fills it"))
    waiting = threading.Thread(target=queued.handle, args=(a_record("waits"),), daemon=True)
    rescue = threading.Timer(10, room.get)  # a reactor that did wait must not do so for ever, nor this test
    try:
        waiting.start()
        rescue.start()
        assert asked.wait(10)
        queued.handle(a_record("from the main thread, which is the reactor's"))

        assert waiting.is_alive()
        assert queued.dropped == 1
    finally:
        rescue.cancel()
        rescue.join(10)
        with suppress(Empty):
            room.get_nowait()
    waiting.join(10)
    assert not waiting.is_alive()
    assert present(room.get_nowait()).getMessage() == "waits"


@pytest.fixture
def at_exit(monkeypatch):
    """What is to be called when the interpreter ends: caught, for it would end pytest by os._exit."""
    calls = []
    monkeypatch.setattr(logs, "STUCK", 0.2)
    monkeypatch.setattr(atexit, "register", lambda *call: calls.append(call))
    return calls


@pytest.mark.parametrize("most", [1, 1000])
def test_a_handler_stuck_for_ever_does_not_hold_up_the_end(logger, monkeypatch, capfd, at_exit, most):
    monkeypatch.setattr(logs, "MOST", most)
    monkeypatch.setattr(logs, "LEAST", 0.1)
    go, kept, other = threading.Event(), Kept(), logging.getLogger("jobsched.test_logs.other")
    stuck = Kept(go)
    logger.handlers[:] = other.handlers[:] = [kept, stuck]
    logger.propagate = other.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    for number in range(10):
        logger.warning("line %s", number)
    behind.stopService()
    logger.warning("nobody waits for this one either")
    other.warning("nor for this one")
    go.set()
    other.handlers.clear()

    said = capfd.readouterr().err
    assert said.startswith("jobsched: a log handler is stuck, the last lines are lost: ")
    assert said.count("\n") == 1
    assert repr(stuck) in said
    assert at_exit == [(os._exit, 1)]


def test_a_handler_beside_a_stuck_one_has_all_its_lines(logger, capfd, at_exit):
    go, kept, other = threading.Event(), Kept(), logging.getLogger("jobsched.test_logs.other")
    logger.addHandler(Kept(go))
    other.addHandler(kept)
    logger.propagate = other.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    logger.warning("never told")
    for number in range(1000):
        other.warning("line %s", number)
    behind.stopService()
    other.warning("goes straight")
    go.set()
    other.handlers.clear()

    assert [text for _, _, text in kept.lines] == [*(f"line {number}" for number in range(1000)), "goes straight"]
    assert at_exit


def test_a_handler_that_raises_gets_the_next_line_too(logger, capfd):
    class Rude(Kept):
        def handle(self, record):
            super().handle(record)
            raise RuntimeError("on purpose")

    rude = Rude()
    logger.addHandler(rude)
    logger.propagate = False
    behind = logs.QueuedLogging()
    behind.startService()
    logger.warning("one")
    logger.warning("two")
    behind.stopService()

    assert [text for _, _, text in rude.lines] == ["one", "two"]
    assert capfd.readouterr().err.count("a log line could not be written: on purpose") == 2


def test_nobody_waits_to_say_the_last_words(monkeypatch):
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    with suppress(BlockingIOError):
        while True:
            os.write(writer, b"x" * 65536)
    os.set_blocking(writer, True)
    monkeypatch.setattr(logs, "STDERR", writer)
    log_worker = threading.Thread(target=logs.last_words, args=("unheard",), daemon=True)
    log_worker.start()
    log_worker.join(10)
    came_back = not log_worker.is_alive()
    os.close(reader)
    os.close(writer)

    assert came_back


def test_json_is_one_object_a_line_whatever_was_logged(tmp_path, logger):
    """As the comment in the shipped file says."""
    text = SHIPPED.replace("formatter = line", "formatter = json").replace("keys = line", "keys = line, json")
    out = tmp_path / "log"
    (tmp_path / "logging.cfg").write_text(text.replace("(sys.stdout,)", f"(open({str(out)!r}, 'w'),)"))
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    try:
        logs.load(tmp_path / "logging.cfg")
        logger.info('two\nlines, "quoted", \udcff %s', "ä")
        try:
            raise ValueError("bad")
        except ValueError:
            logger.exception("it failed")
        [handler] = root.handlers
        assert isinstance(handler, logging.StreamHandler)
        handler.stream.close()
    finally:
        root.handlers[:] = before
        root.setLevel(level)
    first, second = map(json.loads, out.read_text("ascii").splitlines())
    assert first.keys() == {"time", "level", "logger", "message"}
    assert (first["level"], first["logger"]) == ("INFO", "jobsched.test_logs")
    assert first["message"] == 'two\nlines, "quoted", \\udcff ä'  # half of a pair is not JSON to every reader
    assert datetime.fromisoformat(first["time"]).utcoffset() == timedelta(0)
    assert second["message"] == "it failed"
    assert second["exception"].endswith("ValueError: bad")


FORGED = "2026-01-01 00:00:00,000 INFO    jobsched.audit: admin 127.0.0.1 catalog.reload -"
UNSEEN = "\0\x07\x08\r\x1b[2J\x7f\x85\x9b\u2028\u2029\u202e\u2066\ufeff\ud800"


@pytest.fixture
def lines(tmp_path, logger):
    """What the shipped configuration writes into a file, line by line; `change` puts another text into it."""
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    out = tmp_path / "log"

    def load(change=lambda text: text):
        text = SHIPPED.replace("class = StreamHandler", "class = FileHandler")
        (tmp_path / "logging.cfg").write_text(change(text.replace("(sys.stdout,)", f"({str(out)!r}, 'w', 'utf-8')")))
        logs.load(tmp_path / "logging.cfg")

        def read():
            for handler in root.handlers:
                handler.flush()
            return out.read_bytes().decode().split("\n")[:-1]

        return read

    yield load
    for handler in root.handlers:
        (getattr(handler, "target", None) or handler).close()
    root.handlers[:] = before
    root.setLevel(level)


def test_the_text_log_holds_nothing_unseen_whoever_says_it(lines, logger):
    read = lines()
    logger.info("%s | %s", f"a job {UNSEEN}", f"printed\tthis {UNSEEN}")
    logger.info("harmless\r%s", FORGED)
    Logger("jobsched.test_logs").info("of {who}", who=UNSEEN)
    said = read()
    escaped = r"\u0000\u0007\b\r\u001b[2J\u007f\u0085\u009b\u2028\u2029\u202e\u2066\ufeff\ud800"
    assert [line.partition("jobsched.test_logs: ")[2] for line in said[:2]] == [
        f"a job {escaped} | printed\tthis {escaped}",
        rf"harmless\r{FORGED}",
    ]
    assert all(line.replace("\t", "").isprintable() for line in said)


def test_no_text_begins_a_line_of_the_log(lines, logger):
    read = lines()
    logger.info("one\n%s", FORGED)
    try:
        raise ValueError(f"no\n{FORGED}\rand {UNSEEN}")
    except ValueError:
        logger.exception("it failed")
        event = {"log_namespace": "jobsched.test_logs", "log_level": LogLevel.error, "log_format": "that failed"}
        logs.ToLogging()({**event, "log_failure": Failure(), "log_time": 0.0})
    said = read()
    begins = [line for line in said if not line.startswith("    ")]
    assert [line.partition("jobsched.test_logs: ")[2] for line in begins] == ["one", "it failed", "that failed"]
    assert said[1] == f"    {FORGED}"
    assert sum(line.startswith(f"    {FORGED}\\rand ") for line in said) == 2
    assert all(line.isprintable() for line in said)


def test_a_handler_behind_another_or_without_format_escapes_too(lines, logger):
    def change(text):
        text = text.replace("keys = stdout", "keys = stdout, held").replace("handlers = stdout", "handlers = held")
        held = "[handler_held]\nclass = logging.handlers.MemoryHandler\nargs = (1, 10)\ntarget = stdout\n"
        return text.replace("formatter = line\n", "") + "\n" + held

    read = lines(change)
    logger.info("a%s", UNSEEN)
    assert read()[0].startswith(r"a\u0000\u0007")


def test_a_format_of_somebody_elses_that_is_json_stays_json(lines, logger):
    def change(text):
        shape = '{"message": "%(message)s"}'
        return text.replace("format = %(asctime)s %(levelname)-7s %(name)s: %(message)s", f"format = {shape}")

    read = lines(change)
    logger.info("a\x85\x9b\u2028\u202e\ufeff\U000e0041b")
    assert json.loads(read()[0]) == {"message": "a\x85\x9b\u2028\u202e\ufeff\U000e0041b"}


def test_what_cannot_be_written_is_told_without_the_unseen(capsys, monkeypatch):
    monkeypatch.setattr(sys, "__stderr__", sys.stderr)
    try:
        raise ValueError(UNSEEN)
    except ValueError:
        log_worker.unsaid(a_record("what cannot be written"))
    assert capsys.readouterr().err.rstrip("\n").isprintable()


class Counted(io.StringIO):
    """Counts what is written to it."""

    writes = 0

    def write(self, text):
        self.writes += 1
        return super().write(text)


def written_together(monkeypatch, formatter, *texts):
    """The stream of a handler to which a worker has written these lines, which it found in its queue."""
    stream, room = Counted(), Queue[logging.LogRecord | None]()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(formatter)
    monkeypatch.setattr(handler, "handleError", log_worker.unsaid)  # as `QueuedLogging` has it
    for text in texts:
        room.put(a_record(text))
    worker = log_worker.LogWorker(room, [handler])
    worker.start()
    worker.end(30)
    assert worker.ended(30)
    return stream


def test_lines_that_wait_are_written_together(monkeypatch):
    stream = written_together(monkeypatch, logging.Formatter(), "one", "two", "three")

    assert (stream.getvalue(), stream.writes) == ("one\ntwo\nthree\n", 1)


def test_a_line_that_cannot_be_written_takes_no_other_along(monkeypatch, capfd):
    class Choosy(logging.Formatter):
        def format(self, record):
            if record.getMessage() == "two":
                raise RuntimeError("on purpose")
            return super().format(record)

    assert written_together(monkeypatch, Choosy(), "one", "two", "three").getvalue() == "one\nthree\n"
    assert capfd.readouterr().err.count("a log line could not be written: on purpose") == 1
