"""When a run has succeeded, by exit code and output."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.success import LONGEST_LINE, Pattern, Success, codes_in_words, exit_codes


@pytest.mark.parametrize(
    ("text", "codes", "shown"),
    [
        ("0", (0,), "0"),
        ("0,3", (0, 3), "0, 3"),
        (" 3 , 0, 10 - 12 ", (0, 3, 10, 11, 12), "0, 3, 10-12"),
        ("1, 2, 2-3", (1, 2, 3), "1-3"),
        ("255", (255,), "255"),
    ],
)
def test_exit_codes_are_read_and_shown(text: str, codes: tuple[int, ...], shown: str) -> None:
    assert exit_codes(text) == codes
    assert codes_in_words(codes) == shown


@pytest.mark.parametrize("text", ["", "x", "0,", "-1", "256", "0-256", "3-2", "0;3", "1.0", "٣"])
def test_what_are_no_exit_codes_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="exit codes from 0 to 255 such as 0, 3, 10-12"):
        exit_codes(text)


@given(st.frozensets(st.integers(0, 255), min_size=1))
def test_codes_that_are_shown_can_be_read(codes: frozenset[int]) -> None:
    assert set(exit_codes(codes_in_words(tuple(sorted(codes))))) == codes


@pytest.mark.parametrize("text", ["(", "(?=x)", r"(a)\1", "(a{1000}){1000}", "x" * 1001, "(((a{100}){100}){10})"])
def test_what_is_no_pattern_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match="must be a regular expression"):
        Pattern(text)


def checked(data: list[bytes], expect: str | None = None, forbid: str | None = None) -> str:
    made = Success(expect=expect and Pattern(expect), forbid=forbid and Pattern(forbid)).check()  # type: ignore[arg-type]
    assert made is not None
    for piece in data:
        made.write(piece)
    return made.fault(lambda line: line.decode("latin-1"), 1000)


@pytest.mark.parametrize(
    ("data", "expect", "forbid", "missing", "forbidden"),
    [
        (b"", "done", None, True, None),
        (b"all done\n", "done", None, False, None),
        (b"all done", "done", None, False, None),
        (b"all done\r\n", "^all done$", None, False, None),
        (b"all\ndone\n", "all.done", None, True, None),
        (b"all\ndone\n", r"all\sdone", None, True, None),
        (b"all\ndone\n", "(?s)all.done", None, True, None),
        (b"first\nlast\n", r"\Alast\z", None, False, None),
        (b"a\n\nb\n", "^$", None, False, None),
        (b"a\nb\n", "^$", None, True, None),
        (b"ok\n  ERROR: disk\nERROR: net\n", None, "ERROR", False, b"ERROR: disk"),
        (b"error\n", None, "ERROR", False, None),
        (b"error\n", None, "(?i)ERROR", False, b"error"),
        ("grün\n".encode(), "gr.n", None, False, None),
        (b"gr\xffn\n", "n$", None, False, None),
        (b"done\nERROR\n", "done", "ERROR", False, b"ERROR"),
    ],
)
def test_each_line_is_looked_at(
    data: bytes, expect: str | None, forbid: str | None, missing: bool, forbidden: bytes | None
) -> None:
    for pieces in ([data], [data[n : n + 1] for n in range(len(data))]):
        found = checked(pieces, expect, forbid)
        if forbidden is not None:
            assert found == f'it printed "{forbidden.decode()}", which forbid_output ({forbid}) is for'
        elif missing:
            assert found == f"no line that was kept of its output matches expect_output ({expect})"
        else:
            assert found == ""


@given(st.lists(st.binary(max_size=8)), st.sampled_from(["a", "^$", r"\s", "[^a]$", "a.a"]))
def test_it_does_not_matter_in_which_pieces_output_comes(pieces: list[bytes], pattern: str) -> None:
    whole = b"".join(pieces)
    assert checked([whole], pattern) == checked(pieces, pattern)
    assert checked([whole], None, pattern) == checked(pieces, None, pattern)


def test_a_line_without_an_end_takes_no_memory_and_no_time() -> None:
    made = Success(expect=Pattern("(x+x+)+y"), forbid=Pattern("(a|a)*$z")).check()
    assert made is not None
    begun = time.perf_counter()
    for _ in range(100):
        made.write(b"x" * LONGEST_LINE)
        assert len(made._line) <= LONGEST_LINE
    assert "expect_output" in made.fault(repr, 100)
    assert time.perf_counter() - begun < 20  # a backtracking engine would not end before the sun does
