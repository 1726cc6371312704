"""`jobsched open`: the live page."""

from __future__ import annotations

import webbrowser

import click

from .. import find
from ..client import one
from ..session import Session, pass_session


@click.command("open")
@click.argument("job", required=False, type=find.JOB)
@pass_session
def open_command(session: Session, job: str | None) -> None:
    """Say where the live page is, or that of JOB. In a terminal a browser is asked to open it: the one that $BROWSER
    names, or the first that is found."""
    path = "/" if job is None else one("jobs", str(find.job(session.client, job)["id"]))
    address = f"{session.server.url}/ui{path}"
    session.out.show(address)
    if session.out.terminal and not webbrowser.open(address):
        session.out.note("no browser could be started here", "yellow")
