"""How the parts are put together, where no whole daemon shows it."""

from __future__ import annotations

from twisted.logger import capturedLogs, formatEvent

from jobsched.service import _all


def test_a_part_that_fails_at_a_step_of_the_clock_keeps_no_other_from_hearing_of_it() -> None:
    """The timers of each wait for times of the old clock."""
    heard: list[str] = []

    def broken() -> None:
        raise LookupError("a fault of ours")

    with capturedLogs() as logs:
        _all([lambda: heard.append("one"), broken, lambda: heard.append("another")])(60.0)
    assert heard == ["one", "another"]
    assert [formatEvent(event) for event in logs] == ["a part could not set its timers anew"]
