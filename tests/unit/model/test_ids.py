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

from jobsched.model.errors import Invalid
from jobsched.model.ids import BACK, DRAWN, EPOCH, WORD, Ids, check_job_id, is_made, is_word, least, made_at, parts_of
from jobsched.model.page import Cursor

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


def test_instants_of_one_maker_go_back_by_hours_or_not_at_all() -> None:
    ids, second = Ids(), timedelta(seconds=1)
    told = [ids.onward(T0 + step) for step in (second, -second, -BACK + second, 2 * second, -BACK, -second)]
    assert told == [T0 + step for step in (second, second, second, 2 * second, -BACK, -second)]


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


@pytest.mark.parametrize("count", [0, 1, DRAWN, 2 * DRAWN + 1, 10_000])
def test_ids_of_parts_sort_and_are_ids(count: int) -> None:
    whole = Ids().make(T0)
    found = list(parts_of(whole, count))
    assert len(set(found)) == count
    assert found == sorted(found)
    assert all(is_made(each) and each[:13] == whole[:13] for each in found)


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


WORDS = ["a", "nightly-report", "a.b_c-9", "a" * 63, "deadbeef", "f47ac10b-58cc-4372-a567-0e02b2c3d47", "a--.."]
UUID4 = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
NO_WORDS = ["", "a" * 64, "A", "aB", "9a", "-a", ".a", "_a", "a b", "a/b", "a~", "\xe4", "a\n", "a\0", UUID4]


@pytest.mark.parametrize("text", WORDS)
def test_a_word_may_be_the_id_of_a_job(text: str) -> None:
    assert is_word(text)
    assert not is_made(text)
    check_job_id(text)


@pytest.mark.parametrize("text", [*NO_WORDS, UUID4.upper(), "{" + UUID4 + "}"])
def test_what_is_neither_a_word_nor_made_is_no_id(text: str) -> None:
    assert not is_word(text)
    with pytest.raises(Invalid) as refused:
        check_job_id(text)
    assert refused.value.pointer == "/id"


@given(instants)
def test_what_is_made_is_an_id_and_no_word(instant: datetime) -> None:
    made = Ids().make(instant)
    assert is_made(made)
    assert not is_word(made)
    check_job_id(made)


@given(instants)
def test_a_made_id_tells_its_instant_to_the_microsecond(instant: datetime) -> None:
    instant = max(instant, EPOCH + timedelta(milliseconds=1))  # a maker begins to count there
    assert made_at(Ids().make(instant)) == instant


def test_the_last_id_of_all_is_of_the_last_instant() -> None:
    assert made_at("ffffffff-ffff-7fff-bfff-ffffffffffff") == datetime.max.replace(tzinfo=UTC)


@given(instants, st.one_of(st.from_regex(WORD, fullmatch=True), instants.map(Ids().make)))
def test_a_place_in_the_list_comes_back_from_its_link(created: datetime, job_id: str) -> None:
    place = Cursor(job_id, created)
    assert Cursor.of(place.text) == place
    assert len(place.text) <= 100


@given(st.text(max_size=100))
def test_any_text_of_a_link_is_a_place_or_the_begin(text: str) -> None:
    place = Cursor.of(text)
    assert (place is None) == (text == "")
    assert place is None or (place.created is not None) or place.job_id == text


def test_a_place_without_an_instant_has_that_of_its_id() -> None:
    assert Cursor.of("word") == Cursor("word")
    assert Cursor("word").otherwise is None
    assert Cursor(Ids().make(T0)).otherwise == T0
