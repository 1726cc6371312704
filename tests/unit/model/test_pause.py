"""What is said of a pause, and when it is over."""

from datetime import UTC, datetime, timedelta

import pytest

from jobsched.model.job import Pause, stopped
from jobsched.model.trigger import TICK

T0 = datetime(2026, 11, 28, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("by", "until", "reason", "words"),
    [
        (None, None, "", "paused"),
        ("alice", None, "", "paused by alice"),
        (None, T0, "", "paused until 2026-11-28T05:00:00Z"),
        ("alice", T0 + TICK, "upgrade", "paused by alice until 2026-11-28T05:00:00.000001Z: upgrade"),
        (None, None, "upgrade", "paused: upgrade"),
    ],
)
def test_it_says_who_until_when_and_why_as_far_as_that_is_known(by, until, reason, words):
    assert Pause(by=by, at=T0 - timedelta(hours=1), until=until, reason=reason).words == words
    assert stopped("on hold", by, until, reason) == words.replace("paused", "on hold")


def test_it_is_over_from_its_end_on_and_never_without_one():
    one = Pause(by=None, at=T0 - timedelta(hours=1), until=T0)
    assert [one.is_over(T0 + by) for by in (-TICK, 0 * TICK, TICK)] == [False, True, True]
    assert not Pause(by=None, at=T0).is_over(T0 + timedelta(days=10_000))
