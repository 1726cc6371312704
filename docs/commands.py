"""What a command takes, made from the command itself when the pages are built, for HTML and for the man page.

`.. command:: jobs`      its usage, what it does, its own options; of a group, each command in it
`.. common-options::`    the options of all commands
"""

from __future__ import annotations

from typing import Any, ClassVar

import click
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jobsched.cli import app
from jobsched.cli.session import OPTIONS, options

COMMON = {names[-1] for names, _ in OPTIONS}


def _row(option: click.Option) -> nodes.definition_list_item:
    metavar = "" if option.is_flag else f" {option.make_metavar(click.Context(click.Command('x')))}"
    default = "" if option.is_flag or option.default in (None, ()) else f" By default: {option.default}."
    shown = bool(option.show_default)
    term = nodes.term("", "", nodes.literal("", ", ".join(option.opts) + metavar))
    text = nodes.paragraph("", (option.help or "") + (default if shown else ""))
    return nodes.definition_list_item("", term, nodes.definition("", text))


def _options(found: list[click.Parameter]) -> list[nodes.Node]:
    rows = [_row(option) for option in found if isinstance(option, click.Option)]
    return [nodes.definition_list("", *rows)] if rows else []


class Command(SphinxDirective):
    """`.. command:: NAME`"""

    required_arguments: ClassVar[int] = 1

    def run(self) -> list[nodes.Node]:
        """Usage, help and options."""
        name = self.arguments[0]
        command = app.load(name)
        self.env.note_dependency(__file__)
        if not isinstance(command, click.Group):
            return _told(name, command)
        inner = [node for each, one in command.commands.items() for node in _told(f"{name} {each}", one)]
        return [nodes.paragraph("", command.help or ""), *inner]


def _told(name: str, command: click.Command) -> list[nodes.Node]:
    context = click.Context(command, info_name=f"jobsched {name}")
    usage = " ".join(["jobsched", name, *command.collect_usage_pieces(context)])
    own = [each for each in command.params if not COMMON & set(each.opts)]
    text = " ".join((command.help or "").split())
    return [nodes.literal_block(usage, usage), nodes.paragraph("", text), *_options(own)]


class CommonOptions(SphinxDirective):
    """`.. common-options::`"""

    def run(self) -> list[nodes.Node]:
        """The options of all commands."""
        return _options(options())


def setup(sphinx: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    sphinx.add_directive("command", Command)
    sphinx.add_directive("common-options", CommonOptions)
    return {"parallel_read_safe": True}
