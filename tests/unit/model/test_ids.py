"""Ids sort by the time they were made."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.ids import BACK, EPOCH, Ids, least

T0 = datetime(2024, 1, 1, tzinfo=UTC)

instants = st.datetimes(datetime(1960, 1, 1), datetime(9999, 1, 1), timezones=st.just(UTC))


@given(instants)
def test_an_id_is_a_uuid_of_version_7_with_the_millisecond(instant: datetime) -> None:
    made = uuid.UUID(Ids().make(instant))
    assert (made.version, made.variant) == (7, uuid.RFC_4122)
    assert made.int >> 80 == max((instant - EPOCH) // timedelta(milliseconds=1), 0)


@given(instants, st.lists(st.timedeltas(timedelta(0), BACK), min_size=2, max_size=50))
def test_ids_of_one_maker_only_go_up_whatever_the_clock_does(begin: datetime, spans: list[timedelta]) -> None:
    ids = Ids()
    made = [ids.make(begin + span) for span in spans]
    assert made == sorted(set(made))


@given(st.lists(instants, min_size=2, max_size=50))
def test_ids_are_of_their_time_but_for_hours_at_most(times: list[datetime]) -> None:
    ids = Ids()
    made = [(instant, ids.make(instant)) for instant in times]
    assert len({each for _, each in made}) == len(made)
    for instant, each in made:
        assert least(instant) <= each <= least(max(instant, EPOCH) + BACK + timedelta(seconds=1))


def test_ids_made_in_one_microsecond_are_different_and_in_order() -> None:
    ids = Ids()
    made = [ids.make(T0) for _ in range(10_000)]
    assert made == sorted(set(made))


@pytest.fixture
def hasty() -> Iterator[None]:
    """Threads take turns as often as Python lets them."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty")
def test_threads_with_one_maker_get_no_id_twice_and_none_older() -> None:
    ids = Ids(bytes)  # without chance, only what counts up tells them apart
    with ThreadPoolExecutor(8) as threads:
        made = list(threads.map(lambda _: [ids.make(T0) for _ in range(3000)], range(8)))
    assert len({each for of_thread in made for each in of_thread}) == 8 * 3000
    assert all(of_thread == sorted(of_thread) for of_thread in made)


@given(instants, st.timedeltas(timedelta(microseconds=1), timedelta(days=9)))
def test_a_later_instant_gives_a_later_id_on_another_node_too(instant: datetime, later: timedelta) -> None:
    if instant < EPOCH:
        instant += timedelta(days=4000)
    one, other = Ids(), Ids()
    assert one.make(instant)[:18] <= other.make(instant + later)[:18]
    if later >= timedelta(milliseconds=1):
        assert one.make(instant) < Ids().make(instant + later)


def test_two_nodes_that_make_an_id_at_one_instant_make_two() -> None:
    assert Ids().make(T0) != Ids().make(T0)


def test_the_random_bits_come_from_the_given_source() -> None:
    made = uuid.UUID(Ids(lambda size: b"\xff" * size).make(T0))
    assert made.int & (1 << 62) - 1 == (1 << 62) - 1
    assert Ids(lambda size: b"\0" * size).make(T0) == Ids(lambda size: b"\0" * size).make(T0)


def test_an_id_has_the_usual_text_form() -> None:
    made = Ids().make(T0)
    assert len(made) == 36
    assert made == str(uuid.UUID(made))


@given(instants, st.timedeltas(timedelta(milliseconds=1), timedelta(days=9)))
def test_the_least_id_of_an_instant_divides_earlier_from_later(instant: datetime, gap: timedelta) -> None:
    if instant - gap < EPOCH:
        instant = EPOCH + gap
    assert Ids().make(instant - gap) < least(instant) <= Ids().make(instant)


@pytest.mark.parametrize("instant", [EPOCH, EPOCH - timedelta(days=1)])
def test_nothing_sorts_before_the_least_id_of_the_beginning(instant: datetime) -> None:
    assert least(instant) == str(uuid.UUID(int=0))
