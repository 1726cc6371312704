"""The form of a calendar and of a badge, whatever a name holds."""

from __future__ import annotations

import re
from xml.etree import ElementTree as ET

from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.printable import printable
from jobsched.rest.badge import STATE, badge, shortened, width
from jobsched.rest.calendar import OCTETS, escaped, folded

NAMES = st.text(min_size=1, max_size=200).filter(printable)


@given(NAMES)
def test_a_folded_line_has_room_and_is_whole_again(text: str) -> None:
    parts = folded(text).removesuffix(b"\r\n").split(b"\r\n")
    assert all(len(part) <= OCTETS for part in parts)
    assert "".join([parts[0].decode(), *(part[1:].decode() for part in parts[1:])]) == text
    assert all(part.startswith(b" ") for part in parts[1:])


@given(st.text(alphabet="a\\;,\n:"))
def test_an_escaped_text_reads_as_it_was(text: str) -> None:
    said = escaped(text)
    assert "\n" not in said
    assert re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], said) == text
    assert not re.search(r"(?<!\\)(?:\\\\)*[;,]", said)


@given(NAMES)
def test_a_badge_is_an_svg_that_says_the_name_and_the_state(name: str) -> None:
    svg = ET.fromstring(badge(name, "timed_out"))
    assert svg.get("aria-label") == f"{shortened(name)}: timed out"
    assert svg.get("width") == str(width(shortened(name)) + 12 + STATE)
    texts = [each.text for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [shortened(name), "timed out"]


def test_every_state_has_room_in_a_badge() -> None:
    assert all(width(word) < STATE for word in ("succeeded", "timed out", "cancelled", "scheduled"))
    assert width("日本") == 2 * width("ab")
