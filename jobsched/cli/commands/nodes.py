"""`jobsched nodes` and `jobsched audit`: the daemons, and who changed what."""

from __future__ import annotations

import json

import click

from .. import find
from ..client import Json
from ..output import Column
from ..session import Session, pass_session
from ..watch import watching

USUAL = 50


@click.command("nodes")
@click.option("-a", "--all", "every", is_flag=True, help="Also those that were stopped, or died.")
@click.option("-w", "--watch", is_flag=True, help="Go on showing the list, whenever something changes.")
@pass_session
def nodes_command(session: Session, every: bool, watch: bool) -> int | None:
    """The daemons that share the store."""
    return watching(session, watch, ("node",), lambda: _show(session, every))


def _show(session: Session, every: bool) -> None:
    times = session.times
    found = session.client.get("/nodes")["values"]
    shown = [node for node in found if every or node["state"] == "alive"]
    columns = (
        Column("STATE", lambda node: str(node["state"]), keep=6, styled=True),
        Column("NAME", lambda node: str(node["name"]), keep=None, cut=True),
        Column("RUNNING", lambda node: f"{node['running']} of {node['running'] + node['slots']}", keep=5),
        Column("SINCE", lambda node: times.short(node["since"]), keep=2, full=lambda node: times.full(node["since"])),
        Column("SEEN", lambda node: times.away(node["seen"]), keep=4, full=lambda node: times.full(node["seen"])),
        Column("VERSION", lambda node: str(node["version"]), keep=1),
        Column("TAGS", lambda node: ",".join(f"{key}={value}" for key, value in node["tags"].items()) or "-", keep=1),
        Column("PROBLEM", lambda node: str(node["problem"] or "-"), keep=3, cut=True),
        Column("URL", lambda node: str(node["url"] or "-"), wide=True),
        Column("ID", lambda node: str(node["id"]), wide=True),
    )
    session.out.rows(shown, columns, empty="no node is alive")
    versions = sorted({str(node["version"]) for node in found if node["state"] == "alive"})
    if session.out.people and len(versions) > 1:
        session.out.note(f"the versions differ: {', '.join(versions)}", "yellow")


@click.command("audit")
@click.argument("job", required=False, type=find.JOB)
@click.option("--who", metavar="NAME", help="Changes by the token of this name.")
@click.option("--action", metavar="ACTION", help="Such as job.change, job.delete, run.start, hold.put.")
@click.option("--since", metavar="TIME", help="Changes from this time on: -8h, 18:00, 2026-11-28.")
@click.option("-n", "--limit", type=click.IntRange(1), help=f"At most so many; {USUAL} by default, in a table.")
@pass_session
def audit_command(
    session: Session, job: str | None, who: str | None, action: str | None, since: str | None, limit: int | None
) -> None:
    """Who changed what, newest first; of JOB, also one that is deleted, and its runs."""
    out, times = session.out, session.times
    query = {"target": job, "who": who, "action": action, "from": times.back(since) if since else None}
    columns = (
        Column("AT", lambda entry: times.short(entry["at"]), keep=5, full=lambda entry: times.full(entry["at"])),
        Column("WHO", lambda entry: str(entry["who"] or "-"), keep=6),
        Column("ACTION", lambda entry: str(entry["action"]), keep=None),
        Column("JOB", lambda entry: str(entry["name"] or entry["target"] or "-"), keep=4, cut=True),
        Column("WHAT", _what, keep=3, cut=True),
        Column("FROM", lambda entry: str(entry["address"]), wide=True),
        Column("NODE", lambda entry: str(entry["node"]), wide=True),
        Column("TARGET", lambda entry: str(entry["target"] or "-"), wide=True),
    )
    most = limit or (USUAL if out.people else None)
    out.rows(session.client.pages("/audit", query, most=most), columns, empty="nobody has changed anything so")


def _what(entry: Json) -> str:
    """The fields that differ, before and after."""
    before, after = entry["before"] or {}, entry["after"] or {}
    if entry["action"] in ("job.create", "job.delete"):
        return ""
    fields = dict.fromkeys([*before, *after])
    return ", ".join(f"{name}: {_text(before, name)} -> {_text(after, name)}" for name in fields)


def _text(values: Json, name: str) -> str:
    return json.dumps(values[name], ensure_ascii=False) if name in values else "-"
