"""Places in texts of the catalog, and what may be put into them."""

import json
from urllib.parse import parse_qs, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.config import template

VALUES = st.text(st.characters(codec="utf-8")) | st.integers() | st.booleans()


@given(VALUES)
def test_in_a_query_a_value_stays_one_value(value):
    filled = template.query("a=1&b={x}&c=2", {"x": value})
    assert parse_qs(filled, keep_blank_values=True) == {"a": ["1"], "b": [words(value)], "c": ["2"]}


@given(VALUES)
def test_in_a_path_a_value_stays_in_its_segment(value):
    if words(value) in {"", ".", ".."}:
        with pytest.raises(ValueError, match="in a path"):
            template.path("/a/{x}/b", {"x": value})
    else:
        first, second, third, fourth = template.path("/a/{x}/b", {"x": value}).split("/")
        assert (first, second, unquote(third), fourth) == ("", "a", words(value), "b")


@pytest.mark.parametrize("values", [{"a": ".", "b": "."}, {"a": "", "b": ".."}, {"a": "", "b": ""}])
def test_two_values_together_climb_no_higher_than_one(values):
    with pytest.raises(ValueError, match="in a path"):
        template.path("/x/{a}{b}/y", values)


@given(VALUES)
def test_in_json_a_value_stays_in_its_string_or_stands_alone(value):
    fill = template.body('{"{x}": ["\\"{x}\\\\", {x}], "{y}": {}}', "application/vnd.a+json", ["x"])
    assert json.loads(fill({"x": value})) == {words(value): [f'"{words(value)}\\', value], "{y}": {}}


@given(VALUES)
def test_in_a_form_a_value_stays_one_value(value):
    fill = template.body("a={x}&b={y}", "application/x-www-form-urlencoded", ["x"])
    assert parse_qs(fill({"x": value}), keep_blank_values=True) == {"a": [words(value)], "b": ["{y}"]}


def test_a_value_is_not_looked_through_for_places():
    assert template.body("{a}{b}", "text/plain", ["a", "b"])({"a": "{b}", "b": "{a}"}) == "{b}{a}"


def test_what_is_no_json_and_what_cannot_be_filled_is_refused():
    with pytest.raises(ValueError, match="is no JSON: Expecting value: line 1 column 1"):
        template.body("<a/>", "application/json", [])
    with pytest.raises(ValueError, match="JSON, a form or text/plain only"):
        template.body("<a>{x}</a>", "text/xml", ["x"])
    assert template.body("<a>{x}</a>", "text/xml", ["y"])({}) == "<a>{x}</a>"


def test_a_value_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="the job does not set the parameter x"):
        template.query("a={x}", {"y": 1})
    with pytest.raises(ValueError, match="the job does not set the parameter x"):
        template.body("{x}", "application/json", ["x"])({})


def words(value):
    return str(value).lower() if isinstance(value, bool) else str(value)
