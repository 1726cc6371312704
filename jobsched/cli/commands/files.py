"""`jobsched export` and `jobsched diff`: jobs as files that are fit for git, and as they are on two servers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

import click

from ...model.printable import many
from .. import find
from ..client import Client, Json
from ..errors import DIFFERS, DONE, NotThere, Usage
from ..fields import told
from ..output import Column
from ..session import Session, pass_session

FORMS = ("json", "toml", "yaml", "crontab")  # the last three are written by the server


@click.command("export")
@click.argument("glob", required=False, type=find.JOB)
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Jobs with this label.")
@click.option("--task", type=find.TASK, help="Jobs of this task.")
@click.option(
    "--as", "form", type=click.Choice(FORMS), default="json", show_default=True, help="A GLOB goes with json alone."
)
@pass_session
def export_command(session: Session, glob: str | None, label: Sequence[str], task: str | None, form: str) -> None:
    """Jobs as the shortest requests that make them, by id: as long as no job changes, neither does a byte."""
    query = {"label": list(label) or None, "task": task}
    if form != "json":
        if glob is not None:
            raise Usage(f"a GLOB does not go with --as {form}; --label and --task do")
        for text in session.client.texts("/jobs", query | {"format": form}):
            session.out.show(text.removesuffix("\n"))
        return
    found = requests(session.client, query, glob)
    if glob is not None and not found:
        raise NotThere(f'no job fits "{glob}"')
    session.out.show(json.dumps({"jobs": found}, indent=2, ensure_ascii=False))
    secret = [str(job["id"]) for job in found if "***" in (job.get("parameters") or {}).values()]
    if secret:
        session.out.note(f"secrets are withheld, and shown as ***: {', '.join(secret)}", "yellow")


def requests(client: Client, query: Json, glob: str | None = None) -> list[Json]:
    """The requests that make jobs, by id."""
    found = client.pages("/jobs", query | {"as": "request"})
    return [job for job in found if glob is None or find.fits({"name": job["id"]} | job, glob)]


@click.command("diff")
@click.argument("glob", required=False, type=find.JOB)
@click.option("--from", "source", required=True, metavar="CONTEXT", help="How the jobs are there.")
@click.option("--to", "target", required=True, metavar="CONTEXT", help="What would change here.")
@click.option("--label", multiple=True, metavar="NAME[=VALUE]", help="Jobs with this label.")
@click.option("--check", is_flag=True, help="Exit with 6 if anything differs.")
@pass_session
def diff_command(
    session: Session, glob: str | None, source: str, target: str, label: Sequence[str], check: bool
) -> int:
    """What would have to change in the jobs of one server for them to be those of another."""
    if source == target:
        raise Usage("--from and --to are the same context")
    query = {"label": list(label) or None}
    there, here = (
        {str(job["id"]): job for job in requests(session.for_context(name), query, glob)} for name in (source, target)
    )
    rows = list(_differences(there, here))
    columns = (
        Column("", lambda row: str(row["sign"]), keep=None, styled=True),
        Column("JOB", lambda row: str(row["id"]), keep=None, cut=True),
        Column("WHAT", lambda row: ", ".join(row["fields"]), keep=3, cut=True),
    )
    session.out.rows(rows, columns, empty=f"{many(len(here), 'job')} {'is' if len(here) == 1 else 'are'} the same")
    return DIFFERS if check and rows else DONE


def _differences(there: dict[str, Json], here: dict[str, Json]) -> Iterable[Json]:
    for name in sorted(there.keys() | here.keys()):
        new, old = there.get(name), here.get(name)
        if new == old:
            continue
        if old is None or new is None:
            yield {"id": name, "sign": "+" if old is None else "-", "fields": []}
            continue
        fields = [
            f"{field}: {told(old.get(field))} -> {told(new.get(field))}"
            for field in sorted(old.keys() | new.keys())
            if old.get(field) != new.get(field)
        ]
        yield {"id": name, "sign": "~", "fields": fields}
