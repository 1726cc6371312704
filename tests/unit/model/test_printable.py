"""One rule for names, log lines and answers: what is seen stays, what is not is escaped."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.printable import JOINERS, printable, quoted, shown, unprintable

ANY = st.text(st.characters())  # lone surrogates too
ODD = st.text(st.characters(categories=["Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp", "Zs", "Lu"]))

UNSEEN = {
    "\0": r"\u0000",
    "\a": r"\u0007",
    "\b": r"\b",
    "\t": r"\t",
    "\n": r"\n",
    "\r": r"\r",
    "\x1b": r"\u001b",
    "\x7f": r"\u007f",
    "\x85": r"\u0085",  # the end of a line, for some
    "\x9b": r"\u009b",  # begins an escape sequence, as ESC [ does
    "\xad": r"\u00ad",
    "\u200b": r"\u200b",
    "\u200e": r"\u200e",
    "\u2028": r"\u2028",
    "\u2029": r"\u2029",
    "\u202a": r"\u202a",
    "\u202e": r"\u202e",
    "\u2066": r"\u2066",
    "\u2069": r"\u2069",
    "\ufeff": r"\ufeff",
    chr(0xD800): r"\ud800",
    chr(0xDFFF): r"\udfff",
    "\uffff": r"\uffff",
    "\ue000": r"\ue000",
    "\U000e0041": r"\udb40\udc41",
}


@pytest.mark.parametrize(("char", "escaped"), UNSEEN.items(), ids=ascii)
def test_what_is_not_seen_is_escaped_and_named(char, escaped):
    assert shown(char) == escaped
    assert shown(f"a{char}b") == f"a{escaped}b"
    assert not printable(f"a{char}b")
    assert unprintable(f"a{char}b\0") == f"U+{ord(char):04X}"


@pytest.mark.parametrize(
    "text",
    [
        "", "nightly", "a b", "a\u00a0b", "夜間\u3000バッチ", "Ünïcödé", "e\u0301", "مهم", "नमस्ते",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645",
        "\U0001f469\u200d\U0001f4bb", "\\u0000", "100 %", '"quoted"', "\ufffd",
    ],
)  # fmt: skip
def test_what_people_write_stays(text):
    assert (shown(text), printable(text), unprintable(text)) == (text, True, "")


@given(ANY | ODD)
def test_what_is_shown_is_seen_and_says_the_same(text):
    found = shown(text)
    assert printable(found)
    assert (found == text) == printable(text) == (unprintable(text) == "")
    assert shown(found) == found
    found.encode()  # no half of a surrogate pair is left
    if "\\" not in text and '"' not in text:
        assert json.loads(f'"{found}"') == text.encode("utf-16", "surrogatepass").decode("utf-16", "surrogatepass")


@given(ANY | ODD)
def test_a_tab_may_stay_and_nothing_else(text):
    assert shown(text, tabs=True) == "\t".join(map(shown, text.split("\t")))


@given(ANY | ODD, st.integers(1, 300))
def test_a_quotation_has_an_end(text, most):
    found = quoted(text, most)
    assert len(found) <= most + 3
    assert printable(found)
    assert shown(text).startswith(found.removesuffix("..."))
    assert (found == shown(text)) == (len(shown(text)) <= most)


def test_most_is_200():
    assert quoted("x" * 200) == "x" * 200
    assert quoted("x" * 201) == "x" * 200 + "..."
    assert quoted("\0" * 100_000) == r"\u0000" * 33 + r"\u" + "..."


@pytest.mark.slow
def test_what_is_kept_of_the_rule_does_not_grow():
    from jobsched.model import printable as module

    shown("\t" + "".join(map(chr, range(0x110000))))
    assert len(module._PLAIN) == 256


@pytest.mark.parametrize("char", JOINERS)
def test_joiners_are_seen_by_what_they_do(char):
    assert printable(f"a{char}b")
