"""Looking ahead: the dues that a job would have, at the edges of the calendar too, and as long as somebody waits."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from jobsched.model.draft import Draft
from jobsched.model.preview import fires, look_ahead
from jobsched.model.trigger import LONGEST

FIRST, LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
TICK = timedelta(microseconds=1)


def asked(**more: Any) -> Draft:
    return Draft(task="", name="", **more)


@pytest.mark.parametrize("timezone", ["UTC", "America/New_York", "Asia/Tokyo", "Africa/Monrovia"])
@pytest.mark.parametrize(
    ("draft", "after", "due"),
    [
        ({"every": timedelta(seconds=1), "start": FIRST}, FIRST, FIRST + timedelta(seconds=1)),
        ({"at": FIRST + TICK}, FIRST, FIRST + TICK),
        ({"at": LAST}, datetime(2030, 1, 1, tzinfo=UTC), LAST),
    ],
)
def test_a_due_at_the_edge_of_the_calendar_is_shown(
    timezone: str, draft: dict[str, object], after: datetime, due: datetime
) -> None:
    (fire,) = fires(asked(timezone=timezone, **draft), after, 1)
    assert fire.utc == fire.at == due


def test_nothing_more_is_looked_for_when_nobody_waits_any_more() -> None:
    looks: list[int] = []

    class GoneError(Exception):
        """The caller has hung up."""

    def wanted() -> None:
        looks.append(len(looks))
        if len(looks) == 10:
            raise GoneError

    with pytest.raises(GoneError):
        look_ahead(asked(cron="@daily"), FIRST, 1000, wanted)
    assert len(looks) == 10


@pytest.mark.usefixtures("untraced")
@pytest.mark.parametrize("jitter", [timedelta(0), timedelta(seconds=30), LONGEST])
@pytest.mark.parametrize("cron", ["0 0 0 29 2 *", "0 0 29 2 *", "0 0 0 29 2 MON#5", "* * * 29 2 *"])
def test_a_thousand_dues_are_cheap_however_far_apart_they_are(cron: str, jitter: timedelta) -> None:
    draft = asked(cron=cron, timezone="Africa/Casablanca", jitter=jitter)
    took = []
    for _ in range(3):
        begun = time.thread_time()
        assert len(look_ahead(draft, datetime(2026, 1, 1, tzinfo=UTC), 1000, lambda: None)) == 1000
        took.append(time.thread_time() - begun)
    assert min(took) < 0.1, "some 30 ms by itself: the rest is for a machine that has others to serve"
