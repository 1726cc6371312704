"""Output as a terminal would show it: colours are classes, nothing of it is markup or a control character."""

from __future__ import annotations

import re
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.ui import terminal
from jobsched.ui.output import LINES, read

RED = '<span class="a-red">'


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (b"plain", "plain"),
        (b"a <b> & c", "a &lt;b&gt; &amp; c"),
        (b"\x1b[31mred\x1b[0m not", f"{RED}red</span> not"),
        (b"\x1b[1;31mboth\x1b[22mred", '<span class="a-b a-red">both</span>' + f"{RED}red</span>"),
        (b"\x1b[31;32mgreen\x1b[39m", '<span class="a-green">green</span>'),
        (b"\x1b[38;5;196mmany\x1b[38;2;1;2;3mmore", "manymore"),
        (b"\x1b[2K\x1b[1A\x1b]0;title\x07text", "text"),
        (b"10 %\r20 %\r", "20 %"),
        (b"\x1b[31", "31"),
        (b"\x1b[99999999999999999999m!", "!"),
        (b"\xff\x00", "\N{REPLACEMENT CHARACTER}" * 2),
        ("\N{RIGHT-TO-LEFT OVERRIDE}txt".encode(), "\N{REPLACEMENT CHARACTER}txt"),
    ],
)
def test_a_line_is_shown(data: bytes, shown: str) -> None:
    assert terminal.line(data) == shown


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: f"\x1b[1m<{text}".encode("utf-8", "replace")))
def test_no_line_is_markup_of_its_own(data: bytes) -> None:
    text = terminal.line(data)
    assert re.sub('<span class="(a-[a-z]+ ?)+">|</span>', "", text).count("<") == 0
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", text)


def test_a_long_line_is_cut() -> None:
    assert terminal.line(b"x" * 5000, 7).endswith('<em class="rel">and 1,007 more bytes</em>')


@given(st.lists(st.binary(max_size=6).filter(lambda line: b"\n" not in line), max_size=40), st.booleans())
def test_a_window_counts_lines_as_a_reader_does(lines: list[bytes], whole: bool) -> None:
    data = b"\n".join(lines) + (b"\n" if whole and lines else b"")
    window = read(BytesIO(data), 1, lambda: None)
    assert window.total == data.count(b"\n") + (not data.endswith(b"\n") and data != b"")
    assert len(window.lines) == min(window.total, LINES)


def test_a_window_goes_to_any_line() -> None:
    data = b"".join(b"%d\n" % number for number in range(1, 2001))
    last = read(BytesIO(data), None, lambda: None)
    assert (last.first, last.last, last.total, last.earlier, last.later) == (1501, 2000, 2000, 1001, None)
    some = read(BytesIO(data), 42, lambda: None)
    assert (some.lines[0], some.first, some.later) == ("42", 42, 542)
