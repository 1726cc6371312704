"""What may be said of a job."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.errors import Invalid
from jobsched.model.labels import (
    LONGEST,
    MOST,
    NAME,
    VALUE,
    About,
    Label,
    are_shown,
    check,
    is_link,
    is_name,
    is_value,
    metric_name,
)  # fmt: skip

names, values = st.from_regex(NAME, fullmatch=True), st.from_regex(VALUE, fullmatch=True)


@pytest.mark.parametrize("name", ["team", "a", "0", "a.b/c_d-e", "x" * LONGEST])
def test_a_name(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize("name", ["", "Team", "-a", ".a", "a b", "a=b", "a,b", "ä", "x" * 64, "a\n", 7, None])
def test_no_name(name: object) -> None:
    assert not is_name(name)


@pytest.mark.parametrize("value", ["", "data", "Data-1", "a@b.example:1/2+3_4", "x" * LONGEST])
def test_a_value(value: str) -> None:
    assert is_value(value)


@pytest.mark.parametrize("value", ["a b", "a,b", "ä", "x" * (LONGEST + 1), "a\n", "a=b", 7, None])
def test_no_value(value: object) -> None:
    assert not is_value(value)


@given(names, values)
def test_what_may_be_said_can_be_asked_for(name: str, value: str) -> None:
    check(About(labels={name: value}))
    assert Label.asked(f"{name}={value}") == Label(name, value)
    assert Label.asked(name) == Label(name)
    assert Label(name, value).fits({name: value})
    assert Label(name).fits({name: value})
    assert not Label(name, value).fits({name: value + "x"})
    assert not Label(name).fits({})


@given(st.text())
def test_what_is_asked_for_is_a_label_or_refused(text: str) -> None:
    name, sign, value = text.partition("=")
    if is_name(name) and is_value(value):
        assert Label.asked(text) == Label(name, value if sign else None)
    else:
        with pytest.raises(Invalid):
            Label.asked(text)


@pytest.mark.parametrize(
    ("said", "pointer"),
    [
        ({"labels": {"Team": "data"}}, "/labels/Team"),
        ({"labels": {"team": "a b"}}, "/labels/team"),
        ({"labels": {"a/b": "ä"}}, "/labels/a~1b"),
        ({"labels": {f"l{n}": "" for n in range(MOST + 1)}}, "/labels"),
        ({"description": "one\n\x1b[31mtwo"}, "/description"),
        ({"description": "one\u2028two"}, "/description"),
        ({"owner": "bob\n"}, "/owner"),
        ({"runbook": "ftp://wiki.example"}, "/runbook"),
    ],
)
def test_what_may_not_be_said(said: dict[str, Any], pointer: str) -> None:
    about = About(**said)
    with pytest.raises(Invalid) as refused:
        check(about)
    assert refused.value.pointer == pointer
    check(about, about)  # it is there already


def test_a_description_has_lines_and_tabs() -> None:
    check(About(description="# Backup\r\n\n\t- look at *db*\n"))


@pytest.mark.parametrize(
    ("text", "sound"),
    [
        ("https://wiki.example/backup?page=1#night", True),
        ("http://[::1]:8080/", True),
        ("https://", False),
        ("wiki.example", False),
        ("javascript:alert(1)", False),
        ("https://user:password@wiki.example/", False),
        ("https://wiki.example/a b", False),
        ("https://wiki.example/<script>", False),
        ("https://wiki.example:0/", False),
        ("https://wiki.example:port/", False),
        ("https://[::1/", False),
        ("https://wiki.example/\u00e4", False),
    ],
)
def test_a_link(text: str, sound: bool) -> None:
    assert is_link(text) is sound


@given(names)
def test_a_metric_takes_every_name(name: str) -> None:
    assert re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", metric_name(name))


@pytest.mark.parametrize(
    ("shown", "sound"),
    [([], True), (["team", "a.b"], True), (["a.b", "a-b"], False), (["Team"], False), ("team", False)],
)
def test_the_labels_that_metrics_may_show(shown: object, sound: bool) -> None:
    assert are_shown(shown) is sound
