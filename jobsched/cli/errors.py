"""What ends a command: one line on stderr, and an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

DONE: Final = 0
REFUSED: Final = 1  # by the server, or failed there
USAGE: Final = 2
NOT_FOUND: Final = 3
NO_ANSWER: Final = 4
NOT_ALLOWED: Final = 5
DIFFERS: Final = 6  # a plan has changes
TIMED_OUT: Final = 124  # a run, as timeout(1) has it
NEVER_STARTED: Final = 125  # a run that was skipped, missed or lost
INTERRUPTED: Final = 130


class CommandError(Exception):
    """Ends the command; its text is the line that is shown."""

    status = REFUSED


class Refused(CommandError):
    """The server refused it, or failed; `faults`: what it said, each with its place."""

    def __init__(self, text: str, faults: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(text)
        self.faults = tuple(faults)


class Usage(CommandError):
    """The command line means nothing, or more than one thing."""

    status = USAGE


class NotThere(CommandError):
    """No such job, run or file."""

    status = NOT_FOUND


class NoAnswer(CommandError):
    """The server cannot be reached, or said nothing."""

    status = NO_ANSWER


class NotAllowed(CommandError):
    """The token is wrong, or lacks the scope."""

    status = NOT_ALLOWED


class Changed(Refused):
    """Somebody else has changed what was to be changed."""


class Unread(Exception):
    """No error: nobody reads what the command shows any more."""


class Printed(Exception):
    """No error: --curl has shown the request, and nothing is sent."""
