"""Pages of the docs that are played: their commands are typed as they stand, in their order, in one folder.

A block of `console` is a session. With a `:caption:` it is one in a terminal of that name: its command goes on, until
another one is typed in that terminal; a block without a command says what is seen there by then. Any other block with
a caption is a file, which is written, or added to where it is a `.cfg`. Where `...` is shown, there may be any lines.

`tests.cli.night` writes into the pages what their commands show now.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

import attrs

from tests.cli.person import COLOURS, read
from tests.system.daemon import GENEROUS, LOOK, ROOT, until

DOCS = ROOT / "docs"
COLUMNS = 110
SURE = 40  # of a line that is cut somewhere: where it is depends on how wide its times are
# Of `faketime`, by which pages are recorded: what is started from here gets the same.
CLOCK = {name: text for name, text in os.environ.items() if name.startswith("FAKETIME") or name == "LD_PRELOAD"}
BLOCK = re.compile(r"^\.\. code-block:: (\w+)\n(?:   :caption: (.+)\n)?\n((?:   .*\n|\n)+)", re.MULTILINE)
# What differs from run to run. Tables are as wide as what stands in them, and two things of one instant have no order.
PASSING = (
    (r"(?m)^.*the job was made by somebody.*$", ""),  # told where it was in the minute of the due
    (r"\b[0-9a-f]{8}-[0-9a-f]{4}(-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?\b", "ID"),
    (r"jobsched_[0-9]_\S{43}", "TOKEN"),
    (r'"[0-9a-f]{16}-[0-9a-f]{16}"', "ETAG"),
    (r"(?:[A-Z][a-z]{2} )?\d\d? [A-Z][a-z]{2}(?: \d{4})? \d\d:\d\d(?::\d\d)?(?: GMT)?", "TIME"),
    (r"\b\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?", "TIME"),
    (r"\b\d\d:\d\d(?::\d\d(?:\.\d+)?)?\b", "TIME"),
    (r"(?:\b\d+(?:\.\d+)? (?:ms|s|min|h|d)\b ?)+|(?<!\S)-(?!\S)", "SPAN "),
    (r"\b\d+(?: \d+){4,5}(?: \d+)?(?= \*|\b)|\b\d+ \d+(?: \d+)? \* \* \*", "CRON"),
    (r"\b(alpha +|pid )\d+", r"\1N"),
    (r"\b\d+\.\d+\b(?!\.)|\b\d{4,}\b", "N"),
    (r"[ \t]+", " "),
    (r"(?m)^(?=deploy|ci )(.*)", lambda line: line[0].replace("TIME", "SPAN")),  # uses of tokens are kept each minute
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
    terminal: str = ""


def steps(text: str) -> Iterator[File | Typed]:
    """What a page has one do, in its order."""
    for kind, path, body in BLOCK.findall(text):
        plain = textwrap.dedent(body).strip("\n") + "\n"
        if kind != "console":
            if path:
                yield File(path, plain)
            continue
        if not plain.startswith("$ "):
            yield Typed("", plain.strip("\n"), path)
        for part in re.split(r"(?m)^\$ ", plain)[1:]:
            command, shown = _parted(part)
            yield Typed(command, shown, path)


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
    terminals: dict[str, Terminal] = attrs.field(factory=dict)

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
        form = _in_terminal if command.startswith("jobsched") else _in_pipe
        return self._plain(form(self.here(command), self.folder, self._environment()))

    def watch(self, step: Typed) -> str:
        """What is seen in a terminal that goes on, when it is what the page shows, or after long."""
        if step.command:
            self.close(step.terminal)
            command = self.here(step.command)
            log = self.folder / f".{step.terminal}.log"
            self.terminals[step.terminal] = Terminal(command, self.folder, self._environment(), log)
        terminal = self.terminals[step.terminal]
        end = time.monotonic() + GENEROUS
        while not same(step.shown, said := self._plain(terminal.shown())) and time.monotonic() < end:
            time.sleep(LOOK)
        return said

    def close(self, *names: str) -> None:
        """Ctrl-C in these terminals, or in all."""
        for name in names or tuple(self.terminals):
            if name in self.terminals:
                self.terminals.pop(name).close()

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "LANG": "C.UTF-8",
            "TZ": "UTC", "TERM": "xterm", "COLUMNS": str(COLUMNS), "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / ".config"),
            **CLOCK, **self.environment,
        }  # fmt: skip

    def _plain(self, said: str) -> str:
        lines = COLOURS.sub("", said).replace("\r", "").strip("\n").splitlines()
        return self.there("\n".join(line.rstrip() for line in lines))


class Terminal:
    """A program that goes on; with a daemon in it, one that answers."""

    def __init__(self, command: str, folder: Path, environment: Mapping[str, str], log: Path) -> None:
        self._log = log
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                ["env", "--default-signal=INT", "bash", "-c", f"exec {command}"], cwd=folder, env=environment,
                stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT,
            )  # fmt: skip
        for port in re.findall(r"tcp:(\d+)", command):
            until(partial(_listens, int(port)))

    def shown(self) -> str:
        """All that it has said."""
        return self._log.read_text("utf-8", "replace")

    def close(self) -> None:
        """Ctrl-C, and wait."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(GENEROUS)


def _listens(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) == 0


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
    lines = (" ".join(line.split()) for line in text.splitlines() if line.strip())
    return sorted(f"{line[:SURE]}…" if "…" in line else line for line in lines)


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
        said = place.watch(step) if step.terminal else place.type(step.command)
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
            said = place.watch(step) if step.terminal else place.type(step.command)
            if not step.command:
                return head + textwrap.indent(said, "   ") + "\n\n"
            if "..." in step.shown.splitlines():
                assert same(step.shown, said), f"$ {step.command}\n{said}"
                said = step.shown
            head += textwrap.indent(f"$ {step.command}\n{said}".rstrip("\n") + "\n", "   ")
        return head + "\n" if block[1] == "console" else block[0]

    return BLOCK.sub(again, text).rstrip("\n") + "\n"
