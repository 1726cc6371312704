"""Whose the processes of a run are."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from jobsched.runner import keeper, procfs


@pytest.mark.parametrize(("looks", "found"), [(1, True), (procfs.LOOKS - 1, True), (procfs.LOOKS, False)])
def test_one_about_to_run_another_program_is_looked_at_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: int, found: bool
) -> None:
    told = iter([procfs.BETWEEN] * looks + [str(tmp_path)])
    monkeypatch.setattr(procfs, "variable", lambda pid, name: next(told))
    monkeypatch.setattr(keeper, "holder_of", lambda folder: 1)
    monkeypatch.setattr(keeper, "_has_open", lambda pid, folder: True)
    process = cast(Any, SimpleNamespace(pid=1))

    assert keeper.keeper([process]) == (str(tmp_path) if found else None)
