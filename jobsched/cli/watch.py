"""`--watch`: a list that is shown again whenever something changes, as /events tells."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator

from .client import Client, Query
from .errors import INTERRUPTED, NoAnswer, Usage
from .session import Session

CLEAR = "\x1b[H\x1b[2J\x1b[3J"
SILENCE = 40.0  # seconds; the server says something every 15


def events(client: Client, query: Query) -> Iterator[tuple[str, str]]:
    """Kind and data of each change, for ever; ("", "") once in a while when there is none."""
    buffer = b""
    for part in client.stream("/events", query, patience=SILENCE):
        *whole, buffer = (buffer + part).split(b"\n\n")
        for text in whole:
            fields = dict(line.split(": ", 1) for line in text.decode().splitlines() if ": " in line[1:])
            yield fields.get("event", ""), fields.get("data", "")


def watching(session: Session, watch: bool, kinds: tuple[str, ...], show: Callable[[], None]) -> int | None:
    """Show once, or with `watch` again and again until the person has seen enough."""
    if not watch:
        show()
        return None
    if not session.out.people:
        raise Usage("--watch shows tables; for programs there is: jobsched events -o jsonl")
    follower = Client(session.server)
    try:
        for kind, _data in _once_first(events(follower, {"kind": ",".join(kinds)})):
            if kind is not None:
                sys.stdout.write(CLEAR if session.out.terminal else "\n")
                show()
                sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        follower.close()
    raise NoAnswer(f"{session.server.url} has ended the stream of events")


def _once_first(found: Iterator[tuple[str, str]]) -> Iterator[tuple[str | None, str]]:
    """The list is shown at once, and then when there was a change."""
    for number, (kind, data) in enumerate(found):
        yield (kind or ("" if number == 0 else None)), data
