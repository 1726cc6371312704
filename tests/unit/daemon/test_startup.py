"""Who was here before: the ids of earlier daemons, kept until what they left is dealt with; and how that is done."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import attrs
import pytest
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent

from jobsched.daemon.folder_lock import FolderLock
from jobsched.daemon.startup import AGAIN, Predecessor, Startup
from jobsched.model.errors import Unavailable
from tests.unit.scheduler.world import done

ONE, TWO, THREE = (f"00000000-0000-4000-8000-00000000000{number}" for number in (1, 2, 3))


def test_there_is_none_at_first(tmp_path: Path) -> None:
    assert Predecessor(tmp_path).ids == []


def test_the_last_one_is_known_to_the_next(tmp_path: Path) -> None:
    first = Predecessor(tmp_path)
    first.keep(ONE)
    first.keep(TWO)  # it was taken for dead meanwhile, and ended its runs itself
    assert Predecessor(tmp_path).ids == [TWO]


def test_one_killed_before_it_dealt_with_the_first_hands_it_on(tmp_path: Path) -> None:
    Predecessor(tmp_path).keep(ONE)
    Predecessor(tmp_path).keep(TWO)
    assert Predecessor(tmp_path).ids == [ONE, TWO]


def test_those_that_were_dealt_with_are_forgotten(tmp_path: Path) -> None:
    Predecessor(tmp_path).keep(ONE)
    second = Predecessor(tmp_path)
    second.keep(TWO)
    second.dealt_with()
    assert second.ids == []
    assert Predecessor(tmp_path).ids == [TWO]


def test_a_copy_on_another_host_names_nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Predecessor(tmp_path).keep(ONE)
    monkeypatch.setattr(socket, "gethostname", lambda: "another host")
    assert Predecessor(tmp_path).ids == []


def test_a_copy_beside_the_original_names_nobody(tmp_path: Path) -> None:
    original, copy, moved = tmp_path / "original", tmp_path / "copy", tmp_path / "moved"
    original.mkdir()
    lock = FolderLock(original)
    lock.sign()
    Predecessor(original).keep(ONE)
    shutil.copytree(original, copy)
    shutil.copytree(original, moved)
    before = FolderLock(copy).before
    assert before == os.getpid()
    with other_process(original / "jobsched.lock") as lives:
        second = Predecessor(copy, lives)
        assert (second.ids, second.original) == ([], original)
        (original / "node").unlink()  # it is another folder's daemon, which was given the process id by now
        assert Predecessor(moved, lives).ids == [ONE]
    assert Predecessor(moved, lives).ids == [ONE]


@contextmanager
def other_process(path: Path) -> Iterator[int]:
    """One that has a file open; its id."""
    with path.open("rb") as file, subprocess.Popen(["sleep", "300"], stdin=file) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize(
    "text", ["", "garbage", f"{socket.gethostname()}\nno id\n", f"{socket.gethostname()}\n{ONE[:9]}"]
)
def test_a_file_that_was_cut_off_names_nobody(tmp_path: Path, text: str) -> None:
    (tmp_path / "node").write_text(text)
    assert Predecessor(tmp_path).ids == []


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "node.new").mkdir()
    with capturedLogs() as logs:
        Predecessor(tmp_path).keep(THREE)
    assert "will not know which runs this one left" in formatEvent(logs[0])


@pytest.mark.parametrize("name", ["node", "node.new"])
@pytest.mark.parametrize("kind", ["link", "fifo"])
def test_what_lies_in_the_files_place_is_not_followed(tmp_path: Path, name: str, kind: str) -> None:
    other, state = tmp_path / "other", tmp_path / "state"
    other.write_text(f"{socket.gethostname()}\n{ONE}\n")
    before = other.read_text()
    state.mkdir()
    (state / name).symlink_to(other) if kind == "link" else os.mkfifo(state / name)
    first = Predecessor(state)
    assert first.ids == []
    first.keep(TWO)
    assert Predecessor(state).ids == [TWO]
    assert (other.read_text(), (state / "node").stat().st_mode & 0o777) == (before, 0o600)


def test_a_file_without_an_end_is_not_read_to_it(tmp_path: Path) -> None:
    with (tmp_path / "node").open("wb") as file:
        file.truncate(1 << 40)
    assert Predecessor(tmp_path).ids == []


@attrs.define
class Beginning:
    """A daemon that begins where an earlier one left runs to executors, on a store that fails at first."""

    folder: Path
    answers: list[Deferred[Any]]
    clock: Clock = attrs.field(factory=Clock)
    store: Mock = attrs.field(factory=Mock)
    runner: Mock = attrs.field(factory=Mock)
    calendar: Mock = attrs.field(factory=Mock)
    startup: Startup = attrs.field(init=False)
    begun: Deferred[None] = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        peers = Mock(entered=succeed(None))
        for each in (peers.declare_dead, self.runner.recover, self.store.runs.left_here):
            each.side_effect = lambda *_: succeed(None)
        self.runner.earlier.return_value = succeed({"b", "a"})
        self.store.counts.return_value = fail(Unavailable("away"))
        self.store.runs.adopt.side_effect = self.answers
        self.calendar.stopService.return_value = succeed(None)
        previous = Predecessor(self.folder)
        previous.ids = [ONE]
        config = Mock(node_name="n", store="sqlite:///x", warnings=())
        holder = Mock()
        holder.catalog.names.return_value = []
        reactor: Any = self.clock  # time is enough
        self.startup = Startup(
            reactor, config, holder, self.store, self.runner, self.calendar, peers, [], previous, Mock()
        )  # fmt: skip
        self.startup.running = True
        self.begun = self.startup._recovery = Deferred.fromCoroutine(self.startup._begin())


def test_the_store_is_asked_until_it_gives_what_executors_have(tmp_path: Path) -> None:
    world = Beginning(tmp_path, [fail(Unavailable("away")), fail(Unavailable("away")), succeed(["a run"])])
    world.clock.advance(AGAIN)
    assert not world.runner.adopt.called, "what is not given is ended"
    assert not world.calendar.startService.called
    world.clock.advance(AGAIN)
    done(world.begun)
    assert [each.args[0] for each in world.store.runs.adopt.call_args_list] == [["a", "b"]] * 3
    world.runner.adopt.assert_called_once_with(["a run"])
    world.calendar.startService.assert_called_once_with()


def test_a_stop_meanwhile_leaves_executors_as_they_are(tmp_path: Path) -> None:
    world = Beginning(tmp_path, [fail(Unavailable("away"))])
    done(world.startup.stopService())
    assert (world.runner.adopt.called, world.calendar.startService.called) == (False, False)
    assert not world.clock.getDelayedCalls()
