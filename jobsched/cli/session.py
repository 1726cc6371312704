"""What all commands have in common: the options that each takes, and what follows from them."""

from __future__ import annotations

import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import click

from .errors import Usage

if TYPE_CHECKING:  # each is imported when it is needed: `--help` needs none of them
    from .client import Client
    from .contexts import Server
    from .output import Output
    from .times import Times

# The options of every command. A token is none of them: other users see the arguments of a process.
OPTIONS: Final = (
    (("-s", "--server"), {"metavar": "URL", "help": "Whom to ask; JOBSCHED_URL, or a context, by default."}),
    (("--context",), {"metavar": "NAME", "help": "Ask the server of this context."}),
    (("-o", "--output"), {"metavar": "FORM", "help": "table, wide, json, jsonl, name or template=TEXT."}),
    (("--no-headers",), {"is_flag": True, "default": None, "help": "Tables without their first line."}),
    (("--utc",), {"is_flag": True, "default": None, "help": "Times in UTC."}),
    (("--zone",), {"metavar": "ZONE", "help": "Times in this zone, such as Europe/Berlin; for a cron job, its own."}),
    (("--curl",), {"is_flag": True, "default": None, "help": "Print the request as a curl line, and send nothing."}),
)

ASKING: Final = ("--server", "--context", "--curl")


class Session:
    """One call of the command: its options, the server, the zone, and where it writes."""

    def __init__(self) -> None:
        self.given: dict[str, Any] = {}  # values of options, as click read them

    @cached_property
    def out(self) -> Output:
        """Where the answer goes."""
        from .output import Output

        return Output(self.given.get("output"), not self.given.get("no_headers"), os.environ)

    @cached_property
    def times(self) -> Times:
        """How times are read and written."""
        if self.given.get("utc") and self.given.get("zone"):
            raise Usage("--utc or --zone, not both")
        from .times import Times

        return Times(self.given.get("zone"), bool(self.given.get("utc")))

    @cached_property
    def server(self) -> Server:
        """Whom this asks."""
        if self.given.get("server") and self.given.get("context"):
            raise Usage("--server or --context, not both")
        from .contexts import choose

        return choose(self.given.get("server"), self.given.get("context"), os.environ)

    @cached_property
    def client(self) -> Client:
        """Speaks to that server."""
        curl = self._print if self.given.get("curl") else None
        from .client import Client

        return Client(self.server, curl=curl, announce=self._announce)

    def for_context(self, name: str) -> Client:
        """Speaks to the server of another context."""
        from .client import Client
        from .contexts import choose

        return Client(choose(None, name, {}))

    def _print(self, line: str) -> None:
        sys.stdout.write(line + "\n")

    def _announce(self) -> None:
        """Say to whom a write goes, once, where that was wished for."""
        if self.server.careful and not self.given.get("announced"):
            self.given["announced"] = True
            self.out.note(f"context {self.server.context}: this changes {self.server.url}", "bold red")


def _keep(context: click.Context, parameter: click.Parameter, value: object) -> None:
    session = context.find_object(Session)
    if session is not None and value is not None:
        session.given[str(parameter.name)] = value


def options(here: bool = False) -> list[click.Parameter]:
    """The options of every command, for one of them. `here`: it asks no server."""
    return [
        click.Option(names, expose_value=False, callback=_keep, **more)
        for names, more in OPTIONS
        if not (here and names[-1] in ASKING)
    ]


pass_session = click.make_pass_decorator(Session)
