"""Who was here before: the ids of earlier daemons, kept until what they left is dealt with."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest
from twisted.logger import capturedLogs, formatEvent

from jobsched.daemon.startup import Predecessor

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
