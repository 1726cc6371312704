"""Log lines: where logging.cfg sends them, that Twisted's own get there, and that a slow handler holds nobody up."""

import logging
import logging.config
import sys
import threading
from pathlib import Path

import pytest
from twisted.logger import Logger, LogLevel

from jobsched import logs
from jobsched.model.errors import BadConfig

SHIPPED = (Path(__file__).parents[2] / "conf" / "logging.cfg").read_text()


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
        self._go = go

    def emit(self, record):
        if self._go is not None:
            assert self._go.wait(30)
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
def test_what_twisted_logs_arrives_under_its_namespace_and_level(logger, level, name):
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


def test_a_slow_handler_holds_nobody_up_and_gets_every_line_in_order(logger):
    go = threading.Event()
    kept = Kept(go)
    logger.addHandler(kept)
    logger.propagate = False
    behind = logs.Behind()
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
    behind = logs.Behind()
    behind.startService()
    for number in range(50):
        logger.warning("line %s", number)
    go.set()
    behind.stopService()
    texts = [text for _, _, text in kept.lines]

    assert texts[-1] == f"{51 - len(texts)} log lines were dropped: the handlers were too slow"
    assert texts[:-1] == [f"line {number}" for number in range(len(texts) - 1)]
    assert 10 <= len(texts) - 1 <= 12


def test_another_thread_waits_for_room_and_loses_nothing(logger, monkeypatch):
    monkeypatch.setattr(logs, "MOST", 10)
    kept = Kept()
    logger.addHandler(kept)
    logger.propagate = False
    behind = logs.Behind()
    behind.startService()
    writer = threading.Thread(target=lambda: [logger.warning("line %s", number) for number in range(500)])
    writer.start()
    writer.join(30)
    behind.stopService()

    assert [text for _, _, text in kept.lines] == [f"line {number}" for number in range(500)]


def test_a_handler_that_fails_says_so_to_the_real_stderr_and_does_not_feed_itself(logger, monkeypatch, capfd):
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
    behind = logs.Behind()
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
    behind = logs.Behind()
    behind.startService()
    logger.warning("unheard")
    logger.error("heard")
    behind.stopService()

    assert [text for _, _, text in kept.lines] == ["heard"]
