"""The executors that a daemon has without being asked, its end in a terminal, and places where there can be none."""

from __future__ import annotations

import os
import pty
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.present import present
from tests.system.caller import Caller
from tests.system.daemon import TWISTD, Daemon, daemon_in, is_gone, until

LASTS = "#!/bin/sh\necho begun\nexec sleep 1000\n"
FIRST = ("unshare", "--fork", "--kill-child=KILL", "--pid", "--mount-proc")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.script("lasts", LASTS)
        yield daemon


def begun(daemon: Daemon) -> tuple[str, psutil.Process]:
    """A run that lasts, and its process."""
    ask = Caller(daemon)
    run = ask.run(ask.make("lasts"))
    process = psutil.Process(until(lambda: ask.get(run)["pid"]))
    until(lambda: ask.text(f"{run}/output") == "begun\n")
    return run, process


def score(process: psutil.Process) -> int:
    """How much sooner than others of its size the kernel ends it where memory is short."""
    return int(Path(f"/proc/{process.pid}/oom_score_adj").read_text())


def test_there_is_one_at_once_and_soon_one_for_each_core(daemon: Daemon) -> None:
    daemon.start()
    _, process = begun(daemon)
    executor = process.parent()
    assert executor in daemon.executors
    until(lambda: score(process) == min(score(executor) + 100, 1000))
    assert score(executor) == score(psutil.Process(present(daemon.process).pid))
    usual = min(len(os.sched_getaffinity(0)), 4)
    until(lambda: len(daemon.executors) == usual)
    daemon.kill()
    assert not is_gone(process)
    daemon.start()
    assert "goes on, pid" in until(lambda: "goes on" in daemon.log and daemon.log)
    assert daemon.stop() == 0
    assert is_gone(process)
    assert until(lambda: daemon.alive() == [])


def test_an_interrupt_in_the_terminal_ends_all_in_order(daemon: Daemon) -> None:
    """What a terminal does at Ctrl-C: all in its foreground get the signal, but executors and runs are not there."""
    ours, theirs = pty.openpty()
    twistd = str(Path(sys.executable).with_name(TWISTD[0]))
    in_terminal = "import os, sys; os.setsid(); os.open(sys.argv[1], os.O_RDWR); os.execv(sys.argv[2], sys.argv[2:])"
    try:
        daemon.start(command=("python", "-c", in_terminal, os.ttyname(theirs), twistd, *TWISTD[1:]))
        run, process = begun(daemon)
        for each in daemon.executors:
            assert each.terminal() is None
        os.write(ours, b"\x03")
        assert daemon.wait() == 0
    finally:
        os.close(ours)
        os.close(theirs)
    assert "received SIGINT, stopping" in daemon.log
    assert is_gone(process)
    assert until(lambda: daemon.alive() == [])
    daemon.start()
    assert Caller(daemon).get(run)["reason"] == "shutdown: the daemon was stopped"


@pytest.mark.parametrize("option", ["--on-stop=leave", "ON_STOP = 'leave'", "--on-stop=leave, ON_STOP = 'end'"])
def test_a_stop_leaves_scripts_where_line_or_file_say_so(daemon: Daemon, option: str) -> None:
    words = option.split(", ")
    daemon.options("\n".join(each for each in words if not each.startswith("-")))
    line = [each for each in words if each.startswith("-")]
    daemon.start(*line)
    run, process = begun(daemon)
    assert daemon.stop() == 0
    assert is_gone(process) is ("'end'" in option)
    daemon.start(*line)
    assert Caller(daemon).get(run)["state"] == ("cancelled" if "'end'" in option else "running")


def test_a_word_for_the_stop_that_is_none_is_refused(daemon: Daemon) -> None:
    assert daemon.run("--on-stop=stay") == (1, "jobsched: --on-stop: must be end or leave, not 'stay'\n")


def test_without_sockets_the_daemon_starts_scripts_itself(daemon: Daemon) -> None:
    """As on a file system without sockets."""
    (daemon.folder / "var").mkdir(mode=0o700)
    (daemon.folder / "var" / "executors").touch()
    daemon.start()
    daemon.says("there can be no executors, so scripts end with the daemon: ")
    run, process = begun(daemon)
    assert process.ppid() == present(daemon.process).pid
    daemon.kill()
    daemon.start()
    assert Caller(daemon).ended(run)["state"] == "lost"
    assert is_gone(process)
    assert daemon.stop() == 0
    daemon.options("EXECUTORS = 0")
    said = len(daemon.log)
    daemon.start()
    assert "no executors" not in daemon.log[said:]
    assert daemon.stop() == 0
    daemon.options("EXECUTORS = 1")
    status, said_last = daemon.run()
    assert (status, said_last.count("\n")) == (1, 1)
    assert said_last.startswith("jobsched: EXECUTORS is 1, but there can be none: ")
    assert said_last.endswith("; EXECUTORS = 0 is without\n")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces for certain")
@pytest.mark.parametrize(("option", "level"), [("ON_STOP = 'end'", "INFO"), ("ON_STOP = 'leave'", "WARNING")])
def test_as_process_1_it_says_that_nothing_outlives_it(daemon: Daemon, option: str, level: str) -> None:
    daemon.options(option)
    twistd = str(Path(sys.executable).with_name(TWISTD[0]))
    daemon.start(command=(*FIRST, twistd, *TWISTD[1:]))
    daemon.says("is process 1 of its container")
    said = next(line for line in daemon.log.splitlines() if "is process 1 of its container" in line)
    assert level in said
    [first] = psutil.Process(present(daemon.process).pid).children()
    ask = Caller(daemon)
    run = ask.run(ask.make("lasts"))
    until(lambda: ask.get(run)["pid"])
    first.send_signal(signal.SIGKILL)
    daemon.wait()
    assert until(lambda: daemon.alive() == []), "the kernel ends all with process 1"
    daemon.start()
    assert ask.ended(run)["state"] == "lost"
