"""A hold that one node is told keeps another from starting anything, from the answer on until its instant."""

from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from tests.system.caller import instant, still
from tests.system.daemon import until
from tests.system.pair import pair_in

PROMPT = 15.0  # seconds within which a due at its end has started; generous: tests share the machine


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
def test_no_due_slips_through_on_another_node(tmp_path, running, kind):
    with pair_in(tmp_path, running(kind)) as pair:
        pair.start()
        start = (datetime.now(UTC) + timedelta(seconds=1)).replace(microsecond=0)
        every = {"require": {"role": "worker"}, "overlap": "allow", "start": start.isoformat()}
        jobs = [pair.ask.make("few", 1, **every) for _ in range(5)]
        for job in jobs:
            pair.ask.run_in(job, "succeeded", at_least=2)
        end = (datetime.now(UTC) + timedelta(seconds=6)).replace(microsecond=0)
        held = pair.ask.ask("PUT", "/hold", {"until": end.isoformat(), "reason": "why"})
        assert held.status == 201, held
        since = datetime.now(UTC)

        def later(job):
            """Runs of dues after the answer."""
            return [run for run in pair.ask.runs(job, "running", "succeeded") if instant(run["due"]) > since]

        still(lambda: not any(map(later, jobs)) or datetime.now(UTC) >= end, 2)
        for job in jobs:
            run = until(partial(later, job))[0]
            assert (instant(run["due"]), run["node"]) == (end, "worker")
            assert instant(run["started"]) - end < timedelta(seconds=PROMPT)
            skipped = pair.ask.runs(job, "skipped")
            assert len(skipped) == 1
            assert skipped[0]["reason"] == f"on hold until {end:%FT%TZ}: why"
        until(lambda: pair.ask.ask("GET", "/hold").status == 404)
