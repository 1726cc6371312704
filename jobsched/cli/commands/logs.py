"""`jobsched logs`: what a run printed, or prints."""

from __future__ import annotations

import codecs
import re
import sys
from collections.abc import Iterator

import click

from ...model.printable import shown
from .. import find
from ..client import Json, one
from ..errors import INTERRUPTED, Usage
from ..session import Session, pass_session
from ..words import ACTIVE, outcome, signals, status_of

COLOURS = re.compile(r"(\x1b\[[0-9;]{0,20}m)")
LONGEST_WAIT = 25.0  # seconds of one request that waits for the end of a run


@click.command("logs")
@click.argument("run", type=find.JOB)
@click.option("-f", "--follow", is_flag=True, help="Go on until the run has ended; exit as the run did.")
@click.option("-n", "--tail", type=click.IntRange(0), metavar="N", help="Only the last N lines.")
@click.option("--grep", metavar="RE", help="Only lines in which this regular expression is found.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before it: JOB~1.")
@click.option("--raw", is_flag=True, help="Byte by byte, also on a terminal.")
@pass_session
def logs_command(
    session: Session, run: str, follow: bool, tail: int | None, grep: str | None, previous: bool, raw: bool
) -> int | None:
    """What a run printed. RUN is the begin of its id, a job (its last run), JOB~1 (the one before) or JOB@03:00."""
    found = find.run(session, f"{run}~1" if previous else run)
    return show(session, found, follow=follow, tail=tail, grep=grep, raw=raw)


def show(
    session: Session, run: Json, *, follow: bool, tail: int | None = None, grep: str | None = None, raw: bool = False
) -> int | None:
    """Write the output of a run to stdout, and what became of it to stderr; with `follow` its exit status."""
    try:
        wanted = None if grep is None else re.compile(grep)
    except re.error as why:
        raise Usage(f"--grep: {why}") from why
    path = one("runs", str(run["id"]), "output")
    following = follow and run["state"] in ACTIVE
    parts = session.client.stream(path, {"tail": tail, "follow": 1 if following else None})
    try:
        for text in lines(parts) if wanted or (session.out.terminal and not raw) else _whole(parts):
            if isinstance(text, bytes):
                sys.stdout.buffer.write(text)
            elif wanted is None or wanted.search(text):
                sys.stdout.write((_safe(session, text) if session.out.terminal and not raw else text) + "\n")
            if following:
                sys.stdout.flush()
        sys.stdout.flush()
        ended = finished(session, run) if following else run
    except KeyboardInterrupt:
        name = find.short(str(run["id"]))
        session.out.note(f"\nthe run goes on: jobsched logs {name} -f        end it: jobsched cancel {name}")
        return INTERRUPTED
    tell(session, ended)
    return status_of(ended) if follow else None


def lines(parts: Iterator[bytes]) -> Iterator[str]:
    """The lines of a text that comes in parts, each as soon as it is whole."""
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    left = ""
    for part in parts:
        *whole, left = (left + decoder.decode(part)).split("\n")
        yield from whole
    if left:
        yield left


def _whole(parts: Iterator[bytes]) -> Iterator[bytes | str]:
    return iter(parts)


def _safe(session: Session, line: str) -> str:
    """A line for a terminal: its colours stay, where colours are wanted; whatever else is an order to it is shown."""
    pieces = COLOURS.split(line.removesuffix("\r"))
    plain = [shown(piece, tabs=True) if number % 2 == 0 else piece for number, piece in enumerate(pieces)]
    if not session.out.coloured:
        return "".join(plain[::2])
    return "".join(plain) + ("\x1b[0m" if len(plain) > 1 else "")


def finished(session: Session, run: Json) -> Json:
    """The run, once it has ended; meanwhile it is said what keeps the daemon from recording that. Raises
    KeyboardInterrupt through."""
    told = None
    while run["state"] in ACTIVE:
        query = {"wait": LONGEST_WAIT}
        run = session.client.get(one("runs", str(run["id"])), query, lookup=True, patience=LONGEST_WAIT + 30)
        if run["state"] in ACTIVE and (why := session.client.trouble()) not in (None, told):
            session.out.note(f"its end is not recorded yet: {why}", "yellow")
            told = why
    return run


def tell(session: Session, run: Json) -> None:
    """What became of a run, on stderr, with what may be done after a failure."""
    out = session.out
    if run["state"] == "succeeded":
        out.note(outcome(run), "green")
    elif run["state"] in ACTIVE:
        out.note(f"{run['state']}: {run['reason']} (run {find.short(str(run['id']))})", "blue")
    else:
        again = f"        again: jobsched rerun {find.short(str(run['id']))}" if run["count"] == 1 else ""
        out.note(outcome(run) + signals(run, session) + again, "yellow" if run["state"] == "skipped" else "red")
