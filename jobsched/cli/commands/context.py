"""`jobsched context` and `jobsched completion`: the command itself."""

from __future__ import annotations

from pathlib import Path

import click

from .. import contexts
from ..client import Json
from ..errors import Usage
from ..output import Column
from ..session import Session, pass_session


@click.group("context")
def context_command() -> None:
    """Choose which server is asked: contexts are kept in config.toml, tokens in files of their own."""


@context_command.command("use")
@click.argument("name")
@pass_session
def use(session: Session, name: str) -> None:
    """Ask the server of this context from now on."""
    file = contexts.use(name)
    session.out.show(f"{name} is the current context, in {file}")


@context_command.command("list")
@pass_session
def list_contexts(session: Session) -> None:
    """List the contexts."""
    known = contexts.load()
    rows = [{"name": name, "current": name == known.current, **_shown(found)} for name, found in known.known.items()]
    columns = (
        Column("", lambda row: "*" if row["current"] else "", keep=None),
        Column("NAME", lambda row: str(row["name"]), keep=None),
        Column("SERVER", lambda row: str(row["server"]), keep=3, cut=True),
        Column("TOKEN FILE", lambda row: str(row.get("token_file") or "-"), keep=1),
        Column("CAREFUL", lambda row: "yes" if row.get("careful") else "-", keep=2),
    )
    session.out.rows(rows, columns, empty=f"no contexts in {known.path}; make one: jobsched context add NAME URL")


def _shown(found: object) -> Json:
    return dict(found) if isinstance(found, dict) else {}


@context_command.command("show")
@pass_session
def show(session: Session) -> None:
    """Whom a command asks now, and by what."""
    server = session.server
    told = {"server": server.url, "context": server.context, "token": bool(server.token), "careful": server.careful}
    session.out.one(told, lambda: session.out.show(
        f"{server.url}, {f'context {server.context}' if server.context else 'no context'}, "
        f"{'with' if server.token else 'without'} a token{', careful' if server.careful else ''}"
    ))  # fmt: skip


@context_command.command("add")
@click.argument("name")
@click.argument("url")
@click.option("--token-file", type=click.Path(path_type=Path), help="A file with the token, which others cannot read.")
@click.option("--careful", is_flag=True, help="Say in red to whom a change goes.")
@click.option("--ca", type=click.Path(path_type=Path, exists=True), help="Certificates to trust beside the system's.")
@pass_session
def add(session: Session, name: str, url: str, token_file: Path | None, careful: bool, ca: Path | None) -> None:
    """Add a context."""
    fields: dict[str, object] = {"server": contexts.checked(url)}
    if token_file is not None:
        contexts.read_token(token_file)
        fields["token_file"] = str(token_file.absolute())
    fields |= {"careful": True} if careful else {}
    fields |= {"ca": str(ca.absolute())} if ca is not None else {}
    file = contexts.add(name, fields)
    current = contexts.load().current == name
    session.out.show(f"{name} is {'the current context' if current else 'a context'}, in {file}")
    if not current:
        session.out.show(f"ask it from now on: jobsched context use {name}")


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion_command(context: click.Context, shell: str) -> None:
    """Print what completes words in a shell: source <(jobsched completion bash)."""
    from click.shell_completion import get_completion_class

    found = get_completion_class(shell)
    if found is None:
        raise Usage(f"no completion for {shell}")
    root = context.find_root()
    click.echo(found(root.command, {}, "jobsched", "_JOBSCHED_COMPLETE").source())
