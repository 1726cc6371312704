"""A daemon that is started on a copy of a state folder, beside the original's, leaves alone what that one runs."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from tests.servers import Server
from tests.system.caller import Caller
from tests.system.daemon import Daemon, daemon_in, is_executor, is_gone, until

SCRIPT = '#!/bin/sh\necho begun\n(setsid sleep 300) &\nwhile [ ! -e "open" ]; do sleep 0.05; done\nexit 3\n'


def prepared(daemon: Daemon, executors: int) -> Daemon:
    daemon.options(f"EXECUTORS = {executors}\nON_STOP = 'leave'\n")
    daemon.script("gated", SCRIPT)
    return daemon


@pytest.fixture(params=[0, 2])
def executors(request: pytest.FixtureRequest) -> int:
    return int(request.param)


@pytest.fixture
def original(tmp_path: Path, executors: int) -> Iterator[Daemon]:
    with daemon_in(tmp_path / "original") as daemon:
        yield prepared(daemon, executors).start()


@pytest.fixture
def copy(tmp_path: Path, executors: int) -> Iterator[Daemon]:
    with daemon_in(tmp_path / "copy") as daemon:
        yield prepared(daemon, executors)


def begun(ask: Caller) -> tuple[str, list[psutil.Process]]:
    """A run, and its processes that last: the script, and the one that left its session."""
    run = ask.run(ask.make("gated", 3600))
    process = psutil.Process(until(lambda: ask.get(run)["pid"]))
    return run, [process, *until(lambda: [each for each in process.children(recursive=True) if sleeps_long(each)])]


def sleeps_long(process: psutil.Process) -> bool:
    with suppress(psutil.Error):  # it has just gone, as the short sleeps of the script do
        return bool(process.cmdline() == ["sleep", "300"])
    return False


def copied(of: Daemon, to: Daemon, whole: bool) -> None:
    """The state folder, file by file; or a backup of the store alone."""
    (to.folder / "var").mkdir(mode=0o700)
    store = to.folder / "var" / "jobsched.sqlite"
    if whole:
        for name in ("jobsched.lock", "executors", "output"):
            source = of.folder / "var" / name
            if source.is_file():
                shutil.copy2(source, to.folder / "var" / name)
            elif source.is_dir():
                ignored = shutil.ignore_patterns("*.sock")
                shutil.copytree(source, to.folder / "var" / name, ignore=ignored)
    with (
        closing(sqlite3.connect(of.folder / "var" / "jobsched.sqlite")) as live,
        closing(sqlite3.connect(store)) as new,
    ):
        live.backup(new)


@pytest.mark.parametrize("whole", [False, True])
def test_what_the_original_runs_goes_on(original: Daemon, copy: Daemon, whole: bool) -> None:
    run, processes = begun(Caller(original))
    copied(original, copy, whole)
    copy.start()

    lost = until(lambda: (found := Caller(copy).get(run))["state"] == "lost" and found)
    place = original.folder / "var"
    assert lost["reason"] == f"the daemon of {place} lives and goes on with it: this store is a copy of that one's"
    assert not any(map(is_gone, processes))
    (original.folder / "open").touch()
    ended = until(lambda: (found := Caller(original).get(run))["state"] == "failed" and found)
    assert ended["exit_code"] == 3


def test_a_copy_that_follows_the_original_ends_its_runs(original: Daemon, copy: Daemon) -> None:
    run, processes = begun(Caller(original))
    original.kill()
    for process in original.alive():
        if is_executor(process):
            process.kill()
            process.wait(30)
    copied(original, copy, whole=True)
    copy.start()

    lost = until(lambda: (found := Caller(copy).get(run))["state"] == "lost" and found)
    assert lost["reason"].startswith("the daemon that ran it is gone; its processes (")
    until(lambda: all(map(is_gone, processes)))


def test_a_copy_among_others_is_a_node_of_its_own(tmp_path: Path, running: Callable[[str], Server]) -> None:
    server = running("postgresql")
    url = server.create_database("copied")
    with daemon_in(tmp_path / "original") as original, daemon_in(tmp_path / "copy") as copy:
        for each in (original, copy):
            prepared(each, 0).options(f"SCHED_CONFIG['store'] = {url!r}\nNODE_NAME = {each.folder.name!r}")
        run, processes = begun(ask := Caller(original.start()))
        shutil.copytree(original.folder / "var", copy.folder / "var")
        copy.start()

        until(lambda: f"this state folder is a copy of {original.folder / 'var'}, whose daemon lives" in copy.log)
        until(lambda: [each["state"] for each in ask.get("/nodes")["values"]] == ["alive", "alive"])
        until(lambda: Caller(copy).ask("GET", "/health/ready").status == 200)
        assert not any(map(is_gone, processes))
        (original.folder / "open").touch()
        assert ask.ended(run)["exit_code"] == 3
        assert "was taken for dead" not in original.log
    server.drop_database("copied")


@pytest.mark.parametrize("executors", [2], indirect=True)
def test_executors_whose_daemon_is_away_keep_their_runs(tmp_path: Path, copy: Daemon) -> None:
    with daemon_in(tmp_path / "original") as original:
        run, processes = begun(Caller(prepared(original, 2).start()))
        original.stop()
        copied(original, copy, whole=True)
        copy.start()

        until(lambda: Caller(copy).get(run)["state"] == "lost")
        assert not any(map(is_gone, processes))
        original.start()
        assert Caller(original).get(run)["state"] == "running"
