"""Pages of the docs that are played: their commands are typed as they stand, in their order, in one folder.

A block of `console` is a session; any other block with a `:caption:` is a file, which is written; what goes to
conf/catalog.cfg is added to it. In what is shown, a line `...` stands for any lines.

`tests.cli.night` writes into the pages what their commands show now.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from tests.cli.person import COLOURS, read
from tests.system.daemon import GENEROUS, ROOT

DOCS = ROOT / "docs"
COLUMNS = 110
# Of `faketime`, by which pages are recorded: what is started from here gets the same.
CLOCK = {name: text for name, text in os.environ.items() if name.startswith("FAKETIME") or name == "LD_PRELOAD"}
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n(?:   :caption: (\S+)\n)?\n((?:   .*\n|\n)+)", re.MULTILINE)
# What differs from run to run. Tables are as wide as what stands in them, and two things of one instant have no order.
PASSING = (
    (r"(?m)^.*the job was made by somebody.*$", ""),  # told where it was in the minute of the due
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?\b", "ID"),
    (r"jobsched_[0-9]_\S{43}", "TOKEN"),
    (r'"[0-9a-f]{16}-[0-9a-f]{16}"', "ETAG"),
    (r"(?:[A-Z][a-z]{2} )?\d\d? [A-Z][a-z]{2}(?: \d{4})? \d\d:\d\d(?::\d\d)?(?: GMT)?", "TIME"),
    (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?", "TIME"),
    (r"\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?\b", "TIME"),
    (r"(?:\b\d+(?:\.\d+)? (?:s|min|h|d)\b ?)+|(?<!\S)-(?!\S)", "SPAN "),
    (r"\b\d+(?: \d+){4,5}(?: \d+)?(?= \*|\b)|\b\d+ \d+(?: \d+)? \* \* \*", "CRON"),
    (r"\b\d+\.\d+\b(?!\.)|\b\d{4,}\b", "N"),
    (r"\s*…", "…"),
    (r"[ \t]+", " "),
)  # fmt: skip


@attrs.frozen
class File:
    """What a page has one write."""

    path: str
    text: str


@attrs.frozen
class Typed:
    """A command, and what the page shows below it."""

    command: str
    shown: str


def steps(text: str) -> Iterator[File | Typed]:
    """What a page has one do, in its order."""
    for kind, path, body in BLOCK.findall(text):
        plain = textwrap.dedent(body).strip("\n") + "\n"
        if kind != "console":
            if path:
                yield File(path, plain)
            continue
        for part in re.split(r"(?m)^\$ ", plain)[1:]:
            command, shown = _parted(part)
            yield Typed(command, shown)


def _parted(part: str) -> tuple[str, str]:
    """A command, with its lines that end in a backslash, and what is shown below."""
    lines = part.splitlines()
    last = next(number for number, line in enumerate(lines) if not line.endswith("\\"))
    return "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).strip("\n")


@attrs.frozen
class Place:
    """Where a page is played. `words`: what stands in the page, and what stands for it here, such as a port."""

    folder: Path
    words: Mapping[str, str] = attrs.field(factory=dict)
    environment: Mapping[str, str] = attrs.field(factory=dict)

    def write(self, file: File) -> None:
        """Put a file where its caption says."""
        path = self.folder / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a" if file.path.endswith((".cfg", "crontab")) else "w", encoding="utf-8") as out:
            out.write(f"\n{self.here(file.text)}" if file.path.endswith(".cfg") else self.here(file.text))
        if file.text.startswith("#!"):
            path.chmod(0o755)

    def here(self, text: str) -> str:
        """The words of a page, as they are here."""
        for word, ours in self.words.items():
            text = text.replace(word, ours)
        return text

    def there(self, text: str) -> str:
        """What was shown here, in the words of the page."""
        for word, ours in self.words.items():
            text = text.replace(ours, word)
        return text.replace(str(self.folder), "/srv/jobs")

    def type(self, command: str) -> str:
        """Type a command; what it shows. `jobsched` gets a terminal, all else a pipe."""
        environment = {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
            "TZ": "UTC", "TERM": "xterm", "COLUMNS": str(COLUMNS), "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / ".config"),
            **CLOCK, **self.environment,
        }  # fmt: skip
        form = _in_terminal if command.startswith("jobsched") and not command.endswith("&") else _in_pipe
        said = form(self.here(command), self.folder, environment)
        lines = COLOURS.sub("", said).replace("\r", "").strip("\n").splitlines()
        return self.there("\n".join(line.rstrip() for line in lines))


def _in_pipe(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, text=True, timeout=2 * GENEROUS, check=False,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    ).stdout  # fmt: skip


def _in_terminal(command: str, folder: Path, environment: Mapping[str, str]) -> str:
    master, slave = os.openpty()
    process = subprocess.Popen(
        ["setsid", "-c", "-w", "bash", "-c", f"stty cols {COLUMNS}; {command}"], cwd=folder, env=environment,
        stdin=slave, stdout=slave, stderr=slave,
    )  # fmt: skip
    os.close(slave)
    shown, end = b"", time.monotonic() + 2 * GENEROUS
    try:
        while (part := read(master, GENEROUS)) is not None:
            assert part, f"nothing more comes after {shown!r}"
            assert time.monotonic() < end, shown
            shown += part
        assert process.wait(GENEROUS) is not None
    finally:
        os.close(master)
        if process.poll() is None:
            process.kill()
            process.wait()
    return shown.decode()


def shape(text: str) -> list[str]:
    """The lines without what differs from run to run."""
    for pattern, word in PASSING:
        text = re.sub(pattern, word, text)
    return sorted(" ".join(line.split()) for line in text.splitlines() if line.strip())


def same(shown: str, said: str) -> bool:
    """Whether the page shows what was said; where it leaves lines out, all that it has must be there."""
    wanted, came = shape(shown), shape(said)
    if "..." not in wanted:
        return wanted == came
    return all(line in came for line in wanted if line != "...")


def listed(folder: str) -> list[str]:
    """The pages of a folder of the docs, in the order of its index."""
    named = re.findall(r"(?m)^   ([a-z0-9-]+)$", (DOCS / folder / "index.rst").read_text("utf-8"))
    assert set(named) == {path.stem for path in (DOCS / folder).glob("*.rst")} - {"index"}
    return [f"{folder}/{name}" for name in named]


def play(text: str, place: Place) -> int:
    """Do what a page says, and see that it shows what comes of it. How many commands there were."""
    typed = 0
    for step in steps(text):
        if isinstance(step, File):
            place.write(step)
            continue
        said = place.type(step.command)
        assert same(step.shown, said), (
            f"$ {step.command}\n{said}\n--- is shown as:\n{step.shown}\n--- {shape(said)}\n--- {shape(step.shown)}"
        )
        typed += 1
    return typed


def recorded(text: str, place: Place) -> str:
    """The page, with what its commands show now; what has a line `...` is left as it is."""

    def again(block: re.Match[str]) -> str:
        head = text[block.start() : block.start(3)]
        for step in steps(block[0]):
            if isinstance(step, File):
                place.write(step)
                return block[0]
            said = place.type(step.command)
            if "..." in step.shown.splitlines():
                assert same(step.shown, said), f"$ {step.command}\n{said}"
                said = step.shown
            head += textwrap.indent(f"$ {step.command}\n{said}".rstrip("\n") + "\n", "   ")
        return head + "\n" if block[1] == "console" else block[0]

    return BLOCK.sub(again, text).rstrip("\n") + "\n"
