"""How many executors there are, and places where there can be none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from jobsched.executor import possible
from jobsched.executor.possible import how_many
from jobsched.model.errors import BadConfig


@pytest.mark.parametrize(("cores", "count"), [(1, 1), (2, 2), (4, 4), (64, 4)])
def test_there_is_one_for_each_core_at_most_four(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cores: int, count: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _pid: set(range(cores)))
    assert how_many(None, tmp_path) == (count, "")
    assert how_many(7, tmp_path) == (7, "")
    assert list((tmp_path / "executors").iterdir()) == [], "what was tried is gone"


def test_a_long_path_holds_no_executor_up(tmp_path: Path) -> None:
    state = tmp_path / ("long" * 30)
    state.mkdir()
    assert how_many(1, state) == (1, "")


def test_what_a_killed_daemon_left_of_a_try_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / "executors").mkdir()
    (tmp_path / "executors" / possible.TRIAL).touch()
    assert how_many(1, tmp_path) == (1, "")


def test_where_there_can_be_none_they_are_refused_or_absent(tmp_path: Path) -> None:
    (tmp_path / "executors").touch()
    assert how_many(None, tmp_path) == (0, f"{tmp_path}/executors: File exists")
    assert how_many(0, tmp_path) == (0, "")
    with pytest.raises(BadConfig, match=r"EXECUTORS is 2, but there can be none: .*; EXECUTORS = 0 is without"):
        how_many(2, tmp_path)


def test_a_kernel_that_does_not_tell_who_speaks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(possible, "_peer", lambda _path: 0)
    assert how_many(None, tmp_path) == (0, "this kernel does not tell which process speaks on a socket")


def test_a_folder_without_sockets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_path: str) -> int:
        raise PermissionError(1, "Operation not permitted")  # as vfat does

    monkeypatch.setattr(possible, "_peer", refuse)
    words = f"a socket in {tmp_path}/executors cannot be used: Operation not permitted"
    assert how_many(None, tmp_path) == (0, words)
