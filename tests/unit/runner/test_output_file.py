"""The lines and the limit: the same whatever pieces the output comes in."""

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobsched.model.redaction import LONGEST, Secrets
from jobsched.runner import output_file
from jobsched.runner.output_file import LONGEST_LINE, TAIL, OutputFile, Printed, output_path

PLENTY = 1 << 30


class Lines(logging.Handler):
    """Keeps what was logged, without the title."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        title, _, line = record.getMessage().partition(" | ")
        assert title == "job run"
        self.lines.append(line)


class Heard:
    """The logger `jobsched.output` with a handler; without, it is deaf."""

    def __init__(self, deaf=False):
        self.handler = Lines()
        self.deaf = deaf

    def __enter__(self):
        self.before = output_file.log.level, output_file.log.propagate
        output_file.log.addHandler(self.handler)
        output_file.log.setLevel(logging.CRITICAL if self.deaf else logging.INFO)
        output_file.log.propagate = False
        return self.handler.lines

    def __exit__(self, *_):
        output_file.log.removeHandler(self.handler)
        output_file.log.level, output_file.log.propagate = self.before
        output_file.log.setLevel(self.before[0])


class MemoryFile(OutputFile):
    """Its bytes stay in memory."""

    def __init__(self, limit, secrets=()):
        super().__init__(Path("/nowhere"), "run", "job", limit, Secrets(secrets), None)
        self.data = b""

    def _keep(self, data):
        self.data += data
        self._kept += len(data)


def taken(chunks, limit=PLENTY, deaf=False):
    """What becomes of output in those pieces: lines, bytes in the file, and the counts."""
    file = MemoryFile(limit)
    with Heard(deaf) as lines:
        for chunk in chunks:
            file.write(chunk)
        file.close()
    return lines, file.data, file.printed()


@pytest.mark.parametrize("deaf", [False, True])
def test_the_last_line_so_far_is_a_whole_one(deaf):
    told, file = [], MemoryFile(PLENTY)
    with Heard(deaf):
        for piece in (b"", b"one", b"\n", b"two\npass", b"word\n", b"\n \n", b"x" * 3 * TAIL + b"y\n"):
            file.write(piece)
            told.append(file.last_line)
    assert told == ["", "", "one", "two", "password", "password", "x" * (TAIL - 1) + "y"]


LONG = "x" * LONGEST_LINE


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"a\n", ["a"]),
        (b"a", ["a"]),
        (b"a\nb", ["a", "b"]),
        (b"\n\n", ["", ""]),
        (b"a\r\nb\rc\n", ["a\r", "b\rc"]),
        (b"\xff\n\xc3\xa4\xc3\n", ["\ufffd", "ä\ufffd"]),
        (LONG.encode() + b"\n", [LONG]),
        (LONG.encode(), [LONG]),
        (LONG.encode() + b"y\nz", [LONG, "y", "z"]),
        (2 * LONG.encode() + b"\n", [LONG, LONG]),
        (3 * LONG.encode() + b"y", [LONG, LONG, LONG, "y"]),
    ],
)
@pytest.mark.parametrize("size", [1, 7, 1000, LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, PLENTY])
def test_lines_are_the_same_in_any_pieces(data, lines, size):
    if size < 1000 and len(data) > 1000:
        size = 1000 + size
    found, kept, printed = taken([data[at : at + size] for at in range(0, len(data), size)])

    assert (found, kept) == (lines, data)
    assert (printed.total, printed.kept, printed.cut) == (len(data), len(data), "")


def pieces(data, cuts):
    """`data` cut at those places."""
    places = sorted({cut % (len(data) + 1) for cut in cuts})
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


ODD = st.lists(st.sampled_from([b"\n", b"a", b" ", b"\xff", b"\xc3\xa4", b"\0", b"\r", b"x" * 70])).map(b"".join)
CUTS = st.lists(st.integers(0, 10_000), max_size=20)


@pytest.mark.slow
@given(data=st.binary() | ODD, cuts=CUTS, limit=st.integers(1, 300), longest=st.integers(1, 50))
def test_pieces_do_not_matter(data, cuts, limit, longest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(output_file, "LONGEST_LINE", longest)
        whole = taken([data], limit)
        cut = taken(pieces(data, cuts), limit)

        assert cut == whole
        lines, kept, printed = whole
        assert kept == data[:limit]
        assert (printed.total, printed.kept, bool(printed.cut)) == (len(data), min(len(data), limit), len(data) > limit)
        assert all(len(line) <= longest for line in lines if not line.startswith("[output beyond"))
        text = b"".join(data[:limit].split(b"\n")).decode("utf-8", "replace")
        if text.isascii():
            assert "".join(line for line in lines if not line.startswith("[output beyond")) == text


@given(data=st.binary() | ODD, cuts=CUTS, limit=st.integers(1, 300))
def test_a_log_nobody_reads_changes_neither_file_nor_counts(data, cuts, limit):
    lines, kept, printed = taken(pieces(data, cuts), limit, deaf=True)
    _, heard_kept, heard_printed = taken([data], limit)

    assert (lines, kept) == ([], heard_kept)
    assert (printed.total, printed.kept, printed.cut) == (heard_printed.total, heard_printed.kept, heard_printed.cut)


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize(
    ("data", "last"),
    [
        (b"", ""),
        (b"a\nb\n", "b"),
        (b"a\nb", "b"),
        (b"a\n\n  \n", "a"),
        (b"a\n  b  \n", "b"),
        (b"a\n" + b"y" * 1000 + b"\n", "y" * TAIL),
        (b"a\n\xff\n", "\ufffd"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, PLENTY])
def test_the_last_line_that_says_something_is_remembered(data, last, size, deaf):
    _, _, printed = taken([data[at : at + size] for at in range(0, len(data), size)], deaf=deaf)

    assert printed.last_line == last


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize("before", [0, LONGEST_LINE - 100])
@pytest.mark.parametrize("after", [0, 50, TAIL - 1])
def test_no_end_of_a_secret_is_in_the_last_line(before, after, deaf):
    secret = "s" * 1000
    file, told = MemoryFile(PLENTY, [secret]), []
    data = b"-" * before + secret.encode() + b"." * after + b"\n"
    with Heard(deaf):
        for at in range(0, len(data), 333):
            file.write(data[at : at + 333])
            told.append(file.last_line)
    assert set(told[:-1]) <= {""}, "only whole lines are told"
    assert told[-1].endswith("***" + "." * after if after < TAIL - 3 else "." * after)
    assert "s" not in told[-1]


@given(
    words=st.lists(st.sampled_from(["hunter2", "hunt", "er2", "h", "ä", "hunhunter2", "-"]), max_size=40), cuts=CUTS,
    longest=st.integers(16, 40),
)  # fmt: skip
def test_pieces_of_a_long_line_divide_no_secret(words, cuts, longest):
    text = "".join(words)
    file = MemoryFile(PLENTY, ["hunter2"])
    with pytest.MonkeyPatch.context() as patch, Heard(deaf=False) as lines:
        patch.setattr(output_file, "LONGEST_LINE", longest)
        for piece in pieces(text.encode(), cuts):
            file.write(piece)
        file.close()
    assert "".join(lines) == text.replace("hunter2", "***")


@pytest.mark.parametrize("before", [LONGEST_LINE - 50, 3 * LONGEST_LINE - LONGEST, 2])
def test_a_secret_of_many_characters_is_whole_in_one_piece(before):
    file = MemoryFile(PLENTY, ["s" * LONGEST])
    with Heard(deaf=False) as lines:
        file.write(b"-" * before + b"s" * LONGEST + b"\n")
    assert "".join(lines) == "-" * before + "***"


def test_a_line_of_nothing_but_a_secret_over_and_over_is_hidden():
    file = MemoryFile(PLENTY, ["aaaa", "a" * LONGEST])
    with Heard(deaf=False) as lines:
        file.write(b"a" * (2 * LONGEST_LINE + 2) + b"\n")
    assert lines == ["***", "***", "aa"]


@pytest.mark.parametrize("deaf", [False, True])
@pytest.mark.parametrize(("limit", "last"), [(8, "is ***"), (6, "is hun"), (10, "is ***"), (3, "is")])
def test_the_limit_shows_no_half_of_a_secret(limit, last, deaf):
    file = MemoryFile(limit, ["hunter2"])
    with Heard(deaf) as lines:
        file.write(b"is hunt")
        file.write(b"er2\n")
    assert file.last_line == last
    assert lines[: 1 - deaf] == ([] if deaf else [f"is {last[3:]}"])


def test_the_cut_is_logged_once_after_the_last_kept_line():
    lines, kept, printed = taken([b"one\ntwo\n", b"three\n", b"four\n"], limit=10)

    assert lines == ["one", "two", "th", "[output beyond 10 bytes is not kept]"]
    assert kept == b"one\ntwo\nth"
    assert printed == Printed(total=19, kept=10, cut="output beyond 10 bytes is not kept", last_line="th")


def test_runs_are_spread_over_folders():
    assert output_path(Path("/o"), "0190-abcd") == Path("/o/cd/0190-abcd.log")
