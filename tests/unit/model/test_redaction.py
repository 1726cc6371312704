"""Parameters whose values nobody is shown."""

import pytest

from jobsched.model.errors import Invalid
from jobsched.model.job import Job
from jobsched.model.redaction import LONGEST, Redaction, Secrets
from jobsched.model.run import Run

GIVEN = {"password": "hunter22", "Token": 123456, "secrets": "no", "target": "nas"}


def test_values_are_hidden_by_the_names_in_whatever_case():
    assert Redaction().shown(GIVEN) == {"password": "***", "Token": "***", "secrets": "no", "target": "nas"}
    assert Redaction(["TARGET"]).shown(GIVEN) == GIVEN | {"target": "***"}
    assert Redaction([]).shown(GIVEN) == GIVEN


def test_what_was_shown_can_be_sent_back_for_what_was_hidden():
    redaction = Redaction()
    asked = redaction.shown(GIVEN) | {"target": "***", "secret": "new", "token": None}

    assert redaction.meant(asked, GIVEN) == GIVEN | {"target": "***", "secret": "new", "token": None}
    assert redaction.meant({}, GIVEN) == {}
    with pytest.raises(
        Invalid, match=r"^\*\*\* stands for a value that is kept and not shown, and there is none$"
    ) as why:
        redaction.meant({"password": "***"}, {"Password": "a"})
    assert why.value.pointer == "/parameters/password"


@pytest.mark.parametrize("asked", [{}, {"password": "***"}, {"Token": 7}])
def test_a_secret_does_not_come_along_to_another_task(asked):
    with pytest.raises(Invalid, match=r"^was given for another task and is not shown: give it again$") as refused:
        Redaction().meant(asked, GIVEN, True)
    assert refused.value.pointer == "/parameters/password"
    given = asked | {"password": "again", "Token": None}
    assert Redaction().meant(given, GIVEN, True) == given


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exit code 1, last line: bad password hunter22", "exit code 1, last line: bad password ***"),
        ("hunter22hunter22", "******"),
        ("token 123456!", "token ***!"),
        ("no for nas", "no for nas"),
        ("hunter2", "hunter2"),
    ],
)
def test_a_text_is_told_without_the_values(text, expected):
    assert Redaction().redact(GIVEN)(text) == expected


@pytest.mark.parametrize(
    ("value", "text", "expected"),
    [
        ("line one\nline two", "line two, line one", "***, ***"),
        ("a\tbcd", r"ValueError: 'a\tbcd'", "ValueError: '***'"),
        ("abcd\\", "'abcd\\\\'", "'***'"),
        (True, "it is True and true", "it is True and true"),
        ("abc", "abc", "abc"),  # so short that no text would be left
        ("", "any", "any"),
        ("***", "***", "***"),
    ],
)
def test_a_value_is_found_as_it_is_printed(value, text, expected):
    assert Redaction().redact({"secret": value})(text) == expected


def test_the_longer_of_two_values_is_taken_out_first():
    assert Redaction().redact({"token": "abcd", "secret": "abcdefgh"})("abcdefgh abcd") == "*** ***"


def test_no_record_tells_its_parameters_by_accident():
    for record in (Job, Run):
        assert [field.name for field in record.__attrs_attrs__ if not field.repr] == ["parameters"]


@pytest.mark.parametrize(
    ("text", "begun"),
    [
        ("", 0),
        ("a", 1),
        ("ab", 2),
        ("aba", 3),
        ("abab", 4),
        ("abab-", 0),
        ("-ab", 2),
        ("abaa", 1),
        ("aab", 2),
        ("b", 0),
        ("xy", 2),
        ("yzab", 4),
    ],
)
def test_what_may_be_the_beginning_of_a_value(text: str, begun: int) -> None:
    assert Secrets(["abab", "yzab", "xyz"]).begun(text) == begun


def test_a_beginning_has_an_end() -> None:
    assert Secrets(["s" * 3 * LONGEST]).begun("s" * 2 * LONGEST) == LONGEST
