"""Whether a failed run is tried again, and when."""

from datetime import UTC, datetime, timedelta

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.draft import Draft
from jobsched.model.job import Policy
from jobsched.model.retry import LONGEST, OTHER_TASK, SPREAD, delay, final, follows
from jobsched.model.run import Run

T0 = datetime(2026, 1, 1, tzinfo=UTC)
RUN = Run(id="r", job_id="j", job_name="n", task="task", due=T0, created=T0, state="failed", reason="exit code 1")


def job(retries, task="task"):
    draft = Draft(task=task, name="n", every=timedelta(hours=1), policy=Policy(retries=retries))
    return draft.job("j", T0)


@pytest.mark.parametrize(
    ("its", "attempt", "again", "reason"),
    [
        (None, 1, False, "exit code 1"),  # the job was deleted
        (job(0), 1, False, "exit code 1"),
        (job(1), 1, True, "exit code 1"),
        (job(1), 2, False, "exit code 1"),
        (job(0, "other"), 1, False, "exit code 1"),  # there was to be none anyway
        (job(1, "other"), 1, False, f"exit code 1; {OTHER_TASK}"),
        (job(1, "other"), 2, False, "exit code 1"),
        (job(3, "other"), 2, False, f"exit code 1; {OTHER_TASK}"),
        (job(1, "Task"), 1, False, f"exit code 1; {OTHER_TASK}"),
    ],
)
def test_a_run_is_tried_again_while_its_job_has_its_task(its, attempt, again, reason):
    run = attrs.evolve(RUN, attempt=attempt)
    assert follows(its, run) is again
    assert final(its, run) == attrs.evolve(run, reason=reason)


@given(st.integers(1, 1000), st.just(0) | st.floats(0.01, 86_400), st.floats(0, 1))
def test_the_pause_doubles_up_to_an_hour_and_a_quarter_more(attempt, seconds, chance):
    policy = Policy(retries=1000, retry_delay=timedelta(seconds=seconds))
    pause = delay(policy, attempt, chance)
    least = delay(policy, attempt, 0.0)
    assert least <= pause <= least * (1 + SPREAD) + timedelta.resolution
    assert least <= max(LONGEST, policy.retry_delay)
    assert delay(policy, 1, 0.0) == policy.retry_delay
    assert delay(policy, attempt + 1, 0.0) == min(2 * least, max(LONGEST, policy.retry_delay))
