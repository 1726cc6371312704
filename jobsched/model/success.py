"""When a run has succeeded: by its exit code, and by what it printed."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import attrs

MOST_MEMORY: Final = 1024 * 1024  # bytes for one pattern, compiled
LONGEST_PATTERN: Final = 1000
LONGEST_LINE: Final = 64 * 1024  # bytes; a longer line is looked at in pieces
QUOTED: Final = 400  # bytes of a line that are kept for the reason
HIGHEST_CODE: Final = 255


@attrs.frozen
class Pattern:
    """A regular expression in RE2's syntax: looking for it takes time in proportion to the text, whatever it says."""

    text: str
    _compiled: object = attrs.field(init=False, eq=False, repr=False)

    @_compiled.default
    def _compile(self) -> object:
        """Raises ValueError in words."""
        if len(self.text) > LONGEST_PATTERN:
            raise ValueError(f"must be a regular expression of at most {LONGEST_PATTERN} characters")
        import re2  # type: ignore[import-untyped]  # it has none; and it takes 2 MB, for what few catalogs ask for

        options = re2.Options()
        options.max_mem = MOST_MEMORY
        options.log_errors = False
        try:
            return re2.compile(self.text.encode(), options=options)
        except re2.error as why:
            told = why.args[0] if why.args else ""
            words = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(told)
            raise ValueError(f"must be a regular expression as RE2 has it: {words}") from None

    def found_in(self, line: bytes) -> bool:
        """Whether some part of the line matches."""
        return self._compiled.search(line) is not None  # type: ignore[attr-defined]  # re2 has no types


@attrs.frozen(kw_only=True)
class Success:
    """What a task counts as a success."""

    codes: tuple[int, ...] = (0,)
    expect: Pattern | None = None  # some line of the output must match
    forbid: Pattern | None = None  # none may

    def check(self) -> OutputCheck | None:
        """Something that looks at the output of one run; None: it may be anything."""
        return None if self.expect is None and self.forbid is None else OutputCheck(self)


PLAIN: Final = Success()


class OutputCheck:
    """Looks at the output of one run as it comes, line by line. What it remembers is one line at most."""

    def __init__(self, success: Success) -> None:
        self._expect = success.expect
        self._forbid = success.forbid
        self._line = b""
        self._expected = False
        self._forbidden: bytes | None = None

    def write(self, data: bytes) -> None:
        """Look at the next bytes of the output."""
        if self._decided:
            return
        *lines, self._line = (self._line + data).split(b"\n")
        for line in lines:
            self._look(line)
        while len(self._line) > LONGEST_LINE:
            self._look(self._line[:LONGEST_LINE])
            self._line = self._line[LONGEST_LINE:]

    def fault(self, shown: Callable[[bytes], str], most: int) -> str:
        """When there is no more: why the run has failed, with `most` characters of the line as it may be shown; "": it
        has not."""
        rest, self._line = self._line, b""
        if rest:  # a last line without a line end counts too
            self._look(rest)
        if self._forbid is not None and self._forbidden is not None:
            line = shown(self._forbidden)[:most]  # first shown, then cut: no half of a secret
            return f'it printed "{line}", which forbid_output ({self._forbid.text}) is for'
        if self._expect is not None and not self._expected:
            return f"no line that was kept of its output matches expect_output ({self._expect.text})"
        return ""

    @property
    def _decided(self) -> bool:
        return self._forbidden is not None or (self._forbid is None and self._expected)

    def _look(self, line: bytes) -> None:
        line = line.removesuffix(b"\r")
        for start in range(0, len(line) or 1, LONGEST_LINE):
            piece = line[start : start + LONGEST_LINE]
            if self._forbidden is None and self._forbid is not None and self._forbid.found_in(piece):
                self._forbidden = piece.strip()[:QUOTED]
            if not self._expected and self._expect is not None and self._expect.found_in(piece):
                self._expected = True


def exit_codes(text: str) -> tuple[int, ...]:
    """The codes that `0, 3, 10-12` stands for, in order. Raises ValueError in words."""
    found: set[int] = set()
    for part in text.split(","):
        match = re.fullmatch(r"\s*([0-9]{1,3})(?:\s*-\s*([0-9]{1,3}))?\s*", part, re.ASCII)
        low, high = (int(match[1]), int(match[2] or match[1])) if match else (1, 0)
        if not low <= high <= HIGHEST_CODE:
            raise ValueError(
                f"must be exit codes from 0 to {HIGHEST_CODE} such as 0, 3, 10-12: {part.strip()!r} is none"
            )
        found.update(range(low, high + 1))
    return tuple(sorted(found))


def codes_in_words(codes: tuple[int, ...]) -> str:
    """The same codes as a person writes them: `0, 3, 10-12`."""
    words: list[str] = []
    first = last = codes[0]
    for code in (*codes[1:], None):
        if code == last + 1:
            last = code
            continue
        words.append(str(first) if first == last else f"{first}-{last}")
        if code is not None:
            first = last = code
    return ", ".join(words)
