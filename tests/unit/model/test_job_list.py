"""The orders of lists of jobs, places in them, and what is looked for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.errors import Invalid
from jobsched.model.job_list import SORTS, WORDS, Activity, JobOrder, ListPlace, words


@pytest.mark.parametrize("sort", SORTS)
def test_each_order_can_be_turned_round(sort: str) -> None:
    assert JobOrder.of(sort) == JobOrder(sort=sort)  # type: ignore[arg-type]  # one of them
    assert JobOrder.of(f"-{sort}") == JobOrder(sort=sort, back=True)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", ["", "-", "--name", "+name", "Name", "id", "name "])
def test_there_is_no_other(text: str) -> None:
    with pytest.raises(Invalid) as refused:
        JobOrder.of(text)
    assert refused.value.pointer == "?sort"


values = st.lists(st.text(max_size=9) | st.integers(-(2**63) + 1, 2**63 - 1), max_size=3)


@given(values, st.text(min_size=1, max_size=40))
def test_a_place_comes_back(found: list[str | int], job_id: str) -> None:
    place = ListPlace(tuple(found), job_id)
    assert ListPlace.of(str(place), len(found)) == place


@given(st.text(max_size=30), st.integers(0, 2))
def test_any_text_is_a_place_or_refused(text: str, number: int) -> None:
    try:
        place = ListPlace.of(text, number)
    except Invalid as why:
        assert why.pointer == "?after"  # noqa: PT017  # both ways are right
        return
    assert len(place.values) == number


@pytest.mark.parametrize(
    ("text", "found"),
    [("", ()), ("  ", ()), (" A b\tA ", ("A", "b")), ("team=Data", ("team=Data",))],
)
def test_words(text: str, found: tuple[str, ...]) -> None:
    assert words(text) == found


def test_there_are_not_too_many_words() -> None:
    assert len(words(" ".join(map(str, range(WORDS))))) == WORDS
    with pytest.raises(Invalid):
        words(" ".join(map(str, range(WORDS + 1))))


@pytest.mark.parametrize(
    ("ran", "median"),
    [
        ([], None),
        ([("failed", 9.0)], None),
        ([("succeeded", 1.0), ("succeeded", 4.0), ("failed", 99.0), ("succeeded", None)], 2.5),
    ],
)
def test_the_median_is_of_those_that_succeeded(ran: list[tuple[str, float | None]], median: float | None) -> None:
    assert Activity.of([], ran).median == median
