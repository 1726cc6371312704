"""What nodes ask for and what is in force: nobody is taken for dead while it counts on being taken for alive."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.lease import FIXED, LONGEST, SHORTEST, agreed, answer, gives_up, in_force


def s(seconds: float | None) -> timedelta | None:
    return None if seconds is None else timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("kept", "asked", "others", "then"),
    [
        (None, 30, [], 30),  # the first of all
        (None, 30, [None], 30),  # beside a release that does not ask
        (None, 30, [60], 30),
        (30, 60, [], 60),  # no other lives
        (30, 60, [30], 30),
        (30, 60, [60, 30], 30),
        (30, 60, [60, 60], 60),  # the last that was told
        (30, 60, [60, None], 30),
        (30, 30, [60, 60], 30),  # two that differ from it do not outvote what is kept
    ],
)
def test_what_the_store_keeps_when_a_node_starts(
    kept: float | None, asked: float, others: list[float | None], then: float
) -> None:
    assert agreed(s(kept), timedelta(seconds=asked), map(s, others)) == s(then)


@pytest.mark.parametrize(
    ("others", "lease"), [([], 30), ([30], 30), ([60, 10], 30), ([None], 10), ([30, None, 30], 10)]
)
def test_what_is_in_force_beside_those_that_know_no_other(others: list[float | None], lease: float) -> None:
    assert in_force(timedelta(seconds=30), map(s, others)) == s(lease)


LEASES = st.timedeltas(SHORTEST, LONGEST)


@given(lease=LEASES)
def test_there_is_time_to_end_runs_and_for_three_tries_before(lease: timedelta) -> None:
    rest = lease.total_seconds() - gives_up(lease)
    assert rest >= 3, "TERM, a second later KILL, and a machine that is busy"
    assert answer(lease) * 1.5 <= gives_up(lease), "one answer that never comes, and another try"
    assert 4 <= answer(lease) <= 20


def test_ten_seconds_are_as_they_always_were() -> None:
    assert (FIXED.total_seconds(), gives_up(FIXED)) == (10, 7)
