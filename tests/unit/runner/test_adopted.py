"""Runs that executors went on with: a runner that hears of their ends late records the true times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from unittest.mock import Mock

import pytest
from twisted.internet.defer import Deferred

from jobsched import clock as clock_module
from jobsched.config.catalog import Catalog
from jobsched.model.ids import Ids
from jobsched.model.run import Run
from jobsched.reactor_types import Reactor
from jobsched.runner.calls import Limits
from jobsched.runner.elsewhere import ExecutorCall
from jobsched.runner.outcome import ProcessExit
from jobsched.runner.output_file import Printed
from jobsched.runner.runner import Runner
from tests.fakes import StillReactor

BEGAN = datetime(2030, 1, 1, tzinfo=UTC)
LIMITS = Limits(livetime=60, grace=1, max_running=1, threads=1, output=1000)


def test_an_end_has_its_time_however_late_it_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, store, executors = StillReactor(BEGAN.timestamp()), Mock(), Mock()
    monkeypatch.setattr(clock_module, "elapsed", clock.seconds)
    store.runs.record.return_value = Deferred()
    reactor = cast(Reactor, clock)
    runner = Runner(reactor, clock, store, Ids(), lambda: Catalog({}), tmp_path, LIMITS, executors=executors)
    call = executors.take.return_value = ExecutorCall("run", lambda why: None)
    sent, over = BEGAN - timedelta(seconds=20), BEGAN - timedelta(seconds=10)
    call.end(ProcessExit(exit_code=0, at=over.timestamp()), Printed(), [("TERM", sent.timestamp())])
    clock.advance(30)
    runner.adopt([Run(id="run", job_id="job", job_name="job", task="task", due=BEGAN, created=BEGAN, state="running")])
    clock.advance(1)
    (ended,) = store.runs.record.call_args.args[0]
    assert (ended.state, ended.exit_code, ended.term_at, ended.ended) == ("succeeded", 0, sent, over)
