"""The command line of `jobsched`: its commands, which are imported when they are called, and its exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Final, NoReturn

import click

from .. import __version__
from . import errors
from .session import Session, options

# Group -> command -> (module, what the list of commands says). The command is the function `NAME` of that module.
COMMANDS: Final[Mapping[str, Mapping[str, tuple[str, str]]]] = {
    "Look": {
        "status": ("commands.status", "What needs you, or how one job is"),
        "jobs": ("commands.jobs", "List jobs"),
        "runs": ("commands.runs", "List runs"),
        "ps": ("commands.runs", "What runs now"),
        "why": ("commands.why", "Why a job did, or did not, run"),
        "logs": ("commands.logs", "What a run printed"),
        "next": ("commands.dues", "What will be due"),
        "preview": ("commands.dues", "What a schedule would do"),
        "nodes": ("commands.nodes", "The daemons that share the store"),
        "audit": ("commands.nodes", "Who changed what"),
        "events": ("commands.events", "Follow what changes"),
        "open": ("commands.status", "The live page, in a browser"),
    },
    "Run": {
        "run": ("commands.run", "Run a job now"),
        "rerun": ("commands.run", "Run again what has ended"),
        "cancel": ("commands.run", "End a run, or the runs of a job"),
    },
    "Change": {
        "add": ("commands.change", "Make a job, or replace it"),
        "set": ("commands.change", "Change fields of a job"),
        "edit": ("commands.edit", "Change a job in an editor"),
        "delete": ("commands.change", "Delete jobs"),
        "pause": ("commands.stop", "Pause jobs"),
        "resume": ("commands.stop", "Resume jobs"),
        "hold": ("commands.stop", "Let nothing start, on any node"),
        "release": ("commands.stop", "End the hold"),
        "apply": ("commands.apply", "Make the jobs of files those of a server"),
        "import": ("commands.imports", "Make jobs of a crontab"),
        "export": ("commands.files", "Jobs as files, for git"),
        "diff": ("commands.files", "How the jobs of two servers differ"),
    },
    "This host": {
        "serve": ("local.serve", "Start the daemon"),
        "stop": ("local.stop", "Stop the daemon"),
        "token": ("local.token", "Make, list, rotate and revoke tokens"),
        "lint": ("local.lint", "Check catalog, configuration and scripts"),
        "verify": ("local.store", "Look through the store for what must not be"),
        "backup": ("local.store", "Copy the store, while daemons run"),
        "restore": ("local.store", "Put a copy in the place of the store"),
    },
    "This command": {
        "context": ("commands.context", "Choose which server is asked"),
        "completion": ("commands.context", "Print what completes words in a shell"),
        "doctor": ("commands.doctor", "Look for what will be trouble"),
    },
}
ALL: Final = {name: place for group in COMMANDS.values() for name, place in group.items()}
EPILOG: Final = (
    "Exit status: 0 done; 1 refused or failed by the server; 2 wrong command line; 3 not found; 4 no answer; "
    "5 no permission; 6 differs. That of a run, where it is waited for: its own exit code, 124 timed out, "
    "125 never started, 128+N ended by signal N."
)


class Root(click.Group):
    """The command itself."""

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except BrokenPipeError as why:  # of which click makes the exit status 1
            raise errors.Unread from why

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(ALL)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        return load(cmd_name) if cmd_name in ALL else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        if name not in ALL and not name.startswith("-"):
            from ..model.printable import hint

            raise errors.Usage(f'no command "{name}"{hint(name, ALL) or "; see jobsched --help"}')
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for group, commands in COMMANDS.items():
            with formatter.section(group):
                formatter.write_dl([(name, text) for name, (_, text) in commands.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem

        return [CompletionItem(name, help=text) for name, (_, text) in ALL.items() if name.startswith(incomplete)]


def load(name: str) -> click.Command:
    """A command, with the options that all have."""
    module, _ = ALL[name]
    command = getattr(import_module(f"{__package__}.{module}"), f"{name}_command")
    assert isinstance(command, click.Command)
    _prepare(command, here=module.startswith("local."))
    return command


def _prepare(command: click.Command, here: bool) -> None:
    if isinstance(command, click.Group):
        for each in command.commands.values():
            _prepare(each, here)
    elif not any(option.name == "no_headers" for option in command.params):
        command.params.extend(options(here))


@click.pass_context
def _alone(context: click.Context) -> int | None:
    """Looks after jobs on the Jobsched daemon of a server. Alone: what needs you, what runs, what comes next."""
    if context.invoked_subcommand is not None:
        return None
    from .commands.status import overview

    return overview(context.obj)


root = Root(
    name="jobsched",
    callback=_alone,
    params=options(),
    help=_alone.__doc__,
    epilog=EPILOG,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
click.version_option(__version__, message="jobsched %(version)s")(root)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit status of a command line."""
    session = Session()
    try:
        given = list(sys.argv[1:] if arguments is None else arguments)
        status = root.main(given, prog_name="jobsched", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except errors.Printed:
        return errors.DONE
    except errors.CommandError as why:
        return _failed(session, str(why), why.status)
    except click.UsageError as why:
        where = why.ctx.command_path if why.ctx is not None else "jobsched"
        text = why.format_message().rstrip(".").replace("\n", " ")
        return _failed(session, f"{text[:1].lower()}{text[1:]}; see {where} --help", errors.USAGE)
    except click.ClickException as why:
        return _failed(session, why.format_message(), errors.REFUSED)
    except (KeyboardInterrupt, click.Abort):
        return errors.INTERRUPTED
    except (BrokenPipeError, errors.Unread):  # who reads has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.DONE
    return status if isinstance(status, int) else errors.DONE


def _failed(session: Session, text: str, status: int) -> int:
    from ..model.printable import shown

    sys.stderr.write(f"error: {shown(' '.join(text.split()))}\n")
    return status


def script() -> NoReturn:
    """What the installed script calls."""
    sys.exit(main())
