"""`jobsched token`: make, list, rotate and revoke tokens, in tokens.cfg."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ... import token
from ...config import tokens
from ...model.caller import SCOPES
from ...model.errors import JobschedError
from ...store import opening
from ..errors import Refused
from ..output import Column
from ..session import Session, pass_session
from ..times import span
from .folders import both, conf_dir, store_of


@click.group("token")
def token_command() -> None:
    """Tokens are printed once; tokens.cfg holds their hashes. The daemon reads it on SIGHUP or POST /catalog/reload."""


@token_command.command("new")
@click.argument("name")
@click.option("--scope", multiple=True, required=True, type=click.Choice(SCOPES), help="What it may do.")
@click.option("--tasks", metavar="PATTERNS", help="The tasks that are there for it, such as 'backup*, report'.")
@click.option("--expires", metavar="SPAN", help="It is good for so long: 90d.")
@conf_dir
def new(name: str, scope: Sequence[str], tasks: str | None, expires: str | None, conf_dir: Path) -> int:
    """Make a token for NAME, and print it."""
    arguments = [name, "--conf-dir", str(conf_dir)]
    for each in scope:
        arguments += ["--scope", each]
    arguments += ["--tasks", tasks] if tasks is not None else []
    arguments += ["--expires", str(span(expires) / 86400)] if expires is not None else []
    return token.main(arguments)


@token_command.command("rotate")
@click.argument("name")
@click.option("--overlap", metavar="SPAN", default="24h", show_default=True, help="The old one is good for so long.")
@conf_dir
def rotate(name: str, overlap: str, conf_dir: Path) -> int:
    """Make another token for NAME, and print it; the old one goes on for a while."""
    return token.main(["--rotate", name, "--overlap", str(span(overlap) / 3600), "--conf-dir", str(conf_dir)])


@token_command.command("revoke")
@click.argument("name")
@conf_dir
def revoke(name: str, conf_dir: Path) -> int:
    """Take a token out."""
    return token.main(["--revoke", name, "--conf-dir", str(conf_dir)])


@token_command.command("list")
@both
@pass_session
def list_tokens(session: Session, conf_dir: Path, state_dir: Path) -> None:
    """Whose tokens there are, what they may do, and when they were used last, to a minute or two."""
    try:
        known = tokens.load(conf_dir / tokens.FILE).known
    except JobschedError as why:
        raise Refused(str(why)) from why
    uses = _uses(session, conf_dir, state_dir) if known else {}
    rows = [
        {
            "name": each.name,
            "scopes": [scope for scope in SCOPES if scope in each.scopes],
            "tasks": list(each.tasks) if each.tasks is not None else None,
            "expires": each.expires.isoformat() if each.expires else None,
            "old_until": each.old_until.isoformat() if each.old_until else None,
            "used": uses.get(each.fingerprint),
            "old_used": uses.get(tokens.fingerprint(each.old_hash)) if each.old_hash else None,
        }
        for each in known
    ]
    times = session.times
    columns = (
        Column("NAME", lambda row: str(row["name"]), keep=None),
        Column("SCOPES", lambda row: " ".join(row["scopes"]), keep=5),
        Column("TASKS", lambda row: ", ".join(row["tasks"]) if row["tasks"] is not None else "all", keep=3, cut=True),
        Column("EXPIRES", lambda row: times.short(row["expires"]), full=lambda row: times.full(row["expires"])),
        Column("LAST USE", lambda row: times.short(row["used"]), keep=4, full=lambda row: times.full(row["used"])),
        Column(
            "OLD ONE UNTIL", lambda row: times.short(row["old_until"]), full=lambda row: times.full(row["old_until"])
        ),
        Column("ITS LAST USE", lambda row: times.short(row["old_used"]), full=lambda row: times.full(row["old_used"])),
    )
    session.out.rows(rows, columns, empty="there are no tokens: nobody is asked for one")


def _uses(session: Session, conf: Path, state: Path) -> dict[str, str]:
    """The last use of each token, by its fingerprint; where the store cannot be read, that is said."""
    try:
        with opening.snapshot(store_of(conf, state)) as view:
            return {fingerprint: instant.isoformat() for fingerprint, instant in view.token_uses().items()}
    except (JobschedError, Refused) as why:
        session.out.note(f"when they were used last is not known: {why}", "yellow")
        return {}
