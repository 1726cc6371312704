"""An executor that ends begins nothing."""

from __future__ import annotations

from pathlib import Path
from unittest.mock import Mock

from twisted.internet.defer import Deferred

from jobsched.executor.executor import Executor
from jobsched.executor.frames import Start
from jobsched.executor.journal import Journal


def test_what_is_told_while_it_ends_is_not_begun(tmp_path: Path) -> None:
    executor = Executor(Mock(), tmp_path, 1000, Journal(tmp_path, "it"), Mock(), Mock())
    Deferred.fromCoroutine(executor.end())
    executor.heard(Start(run_id="r", job_name="job", argv=[b"true"], env={}, grace=1.0))
    assert executor.runs() == []
