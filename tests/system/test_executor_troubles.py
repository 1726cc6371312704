"""What goes wrong with what outlives others: a copied folder, a daemon that does not read, slots that are taken."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.system.caller import Caller, instant
from tests.system.daemon import TWISTD, Daemon, daemon_in, is_gone, until

MIB = 1024 * 1024
LASTS = "#!/bin/sh\nexec sleep 1000\n"
CHATS = """#!/bin/sh
echo begun
until [ -e go ]; do sleep 0.05; done
i=0; while [ $i -lt 400000 ]; do echo "line $i, which is about as long as lines of a log are"; i=$((i+1)); done
touch over
"""
ELSEWHERE = ("unshare", "--fork", "--kill-child=KILL", "--pid", "--mount-proc")


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with daemon_in(tmp_path / "daemon") as daemon:
        daemon.script("lasts", LASTS)
        daemon.script("chats", CHATS)
        yield daemon


def begun(daemon: Daemon, task: str = "lasts") -> tuple[str, psutil.Process]:
    """A run, and its process."""
    ask = Caller(daemon)
    run = ask.run(ask.make(task))
    return run, psutil.Process(until(lambda: ask.get(run)["pid"]))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make namespaces for certain")
def test_a_copied_state_folder_elsewhere_finds_no_executor(daemon: Daemon, tmp_path: Path) -> None:
    """On another host, or after a restore there: the runs of the copy are not those that go on here."""
    daemon.start()
    run, process = begun(daemon)
    daemon.kill()
    with daemon_in(tmp_path / "copy") as copy:
        copy.script("lasts", LASTS)
        shutil.copytree(
            daemon.folder / "var",
            copy.folder / "var",
            ignore=shutil.ignore_patterns("*.sock"),
            copy_function=shutil.copy2,
        )
        twistd = str(Path(sys.executable).with_name(TWISTD[0]))
        copy.start(command=(*ELSEWHERE, twistd, *TWISTD[1:]))
        assert Caller(copy).ended(run)["state"] == "lost"
        assert Caller(copy).ended(Caller(copy).run(Caller(copy).make("lasts", timeout=0.2)))["state"] == "timed_out"
    assert not is_gone(process)
    daemon.start()
    assert Caller(daemon).get(run)["state"] == "running"


def test_a_daemon_that_does_not_read_holds_up_no_run(daemon: Daemon) -> None:
    daemon.start()
    ask = Caller(daemon)
    run, process = begun(daemon, "chats")
    executor = process.parent()
    assert executor is not None
    daemon.signal(signal.SIGSTOP)
    (daemon.folder / "go").touch()
    until((daemon.folder / "over").exists, 60)
    until(lambda: is_gone(process))
    (output,) = daemon.folder.glob("var/output/*/*.log")
    until(lambda: output.read_bytes().count(b"\n") == 400_001)  # no line follows
    assert executor.memory_info().rss < 64 * MIB, "what nobody reads is not kept"
    daemon.signal(signal.SIGCONT)
    ended = ask.ended(run)
    assert (ended["state"], ended["output"]["truncated"]) == ("succeeded", False)
    assert ask.text(f"{run}/output").count("\n") == 400_001
    daemon.says(" of runs: it did not take them")


def test_runs_that_were_taken_over_take_slots(daemon: Daemon) -> None:
    daemon.options("SCHED_CONFIG['max_running'] = 1")
    daemon.start()
    run, process = begun(daemon)
    daemon.kill()
    daemon.start()
    ask = Caller(daemon)
    other = ask.run(ask.make("lasts", name="another", timeout=0.2))
    first = ask.run_in(ask.make("lasts", 0.2, name="a third", overlap="queue"), "waiting")
    until(lambda: "max_running" in ask.get(f"/runs/{first['id']}")["reason"])
    process.terminate()
    before, after = ask.ended(run), ask.ended(other)
    assert (before["signal"], after["state"]) == ("SIGTERM", "timed_out")
    assert instant(before["ended"]) <= instant(after["started"])
