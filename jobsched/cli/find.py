"""Which job, or which run, is meant: by id, name, glob or the begin of an id; JOB~1 and JOB@03:00."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from fnmatch import fnmatchcase
from typing import Final

import click

from ..model.printable import many
from .client import Client, Json, one
from .errors import CommandError, NotThere, Usage
from .session import Session

SHORT: Final = 13  # characters of an id that tables show: its milliseconds
MOST_NAMED: Final = 8
_BEGIN: Final = re.compile(r"[0-9a-f]{4}[0-9a-f-]{0,32}")
_BACK: Final = re.compile(r"(.+)~(\d{1,4})")
_AT: Final = re.compile(r"(.+)@([^@]+)")
_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def short(identity: str) -> str:
    """An id for a table: a UUID is cut to what tells it from the others."""
    return identity[:SHORT] if _UUID.fullmatch(identity) else identity


def job(client: Client, ref: str) -> Json:
    """The job that is meant. Raises NotThere, or Usage where several are."""
    found = _exact(client, ref)
    if found is not None:
        return found
    every = names(client)
    begun = [each for each in every if _BEGIN.fullmatch(ref) and str(each["id"]).startswith(ref)]
    if len(begun) == 1:
        return _shown(client, begun[0])
    if begun:
        raise Usage(f"{len(begun)} jobs have ids that begin with {ref}: {_named(begun)}")
    raise NotThere(f'no job "{ref}"{_meant(ref, every)}')


def _exact(client: Client, ref: str) -> Json | None:
    """The job with this id or, where only one has it, of this name."""
    if not ref or ref in (".", ".."):
        raise Usage("a job is named by its id or its name")
    try:
        return dict(client.get(one("jobs", ref), lookup=True))
    except NotThere:
        pass
    named = list(client.pages("/jobs", {"name": ref}, most=MOST_NAMED + 1, lookup=True))
    if len(named) > 1:
        raise Usage(f'several jobs have the name "{ref}"; give an id: {_named(named)}')
    return named[0] if named else None


def _shown(client: Client, begun: Json) -> Json:
    return dict(client.get(one("jobs", str(begun["id"])), lookup=True))


def names(client: Client) -> list[Json]:
    """The id and the name of every job."""
    return list(client.pages("/jobs", {"fields": "name"}, lookup=True))


def _named(found: Sequence[Json]) -> str:
    told = [str(each["id"]) for each in found[:MOST_NAMED]]
    return ", ".join(told) + (" and others" if len(found) > MOST_NAMED else "")


def _meant(ref: str, every: Iterable[Json]) -> str:
    import difflib

    words = {str(word).lower(): str(word) for each in every for word in (each["id"], each["name"])}
    near = difflib.get_close_matches(ref.lower(), words, n=1)
    return f"; did you mean {words[near[0]]}?" if near else ""


def is_glob(ref: str) -> bool:
    """Whether it may mean several."""
    return "*" in ref or "?" in ref


def fits(found: Json, glob: str) -> bool:
    """Whether a job is meant by a glob of ids or names, as the server reads it."""
    plain = glob.replace("[", "[[]")
    return any(fnmatchcase(str(found.get(field, "")), plain) for field in ("id", "name"))


def jobs(client: Client, refs: Sequence[str]) -> list[Json]:
    """The jobs that are meant by names, ids and globs, each once. Raises NotThere, also for a glob without any."""
    found: dict[str, Json] = {}
    every = names(client) if any(map(is_glob, refs)) else []
    for ref in refs:
        its = [each for each in every if fits(each, ref)] if is_glob(ref) else [job(client, ref)]
        if not its:
            raise NotThere(f'no job fits "{ref}"')
        found |= {str(each["id"]): each for each in its}
    return list(found.values())


def run(session: Session, ref: str) -> Json:
    """The run that is meant. Raises NotThere, or Usage where several are."""
    client = session.client
    if _BEGIN.fullmatch(ref) and (found := _begun(client, ref)) is not None:
        return found
    try:
        return _of_job(client, job(client, ref), 0)
    except CommandError as why:
        if (back := _BACK.fullmatch(ref)) is not None:
            return _of_job(client, job(client, back[1]), int(back[2]))
        if (at := _AT.fullmatch(ref)) is not None:
            return _at(session, job(client, at[1]), at[2])
        if isinstance(why, NotThere) and _BEGIN.fullmatch(ref):
            raise NotThere(f'no run and no job "{ref}"') from None
        raise


def _begun(client: Client, ref: str) -> Json | None:
    """The run whose id begins so. Newer runs have greater ids, and the list goes down from a place in it."""
    if _UUID.fullmatch(ref):
        try:
            return dict(client.get(one("runs", ref), lookup=True))
        except NotThere:
            return None
    highest = ref + "ffffffff-ffff-ffff-ffff-ffffffffffff"[len(ref) :]
    found = [
        each
        for each in client.pages("/runs", {"after": highest}, most=MOST_NAMED + 1, lookup=True)
        if str(each["id"]).startswith(ref)
    ]
    if len(found) > 1:
        raise Usage(f"several runs have ids that begin with {ref}: {_named(found)}")
    return found[0] if found else None


def _of_job(client: Client, found: Json, back: int) -> Json:
    its = list(client.pages(one("jobs", str(found["id"]), "runs"), most=back + 1, lookup=True))
    if len(its) <= back:
        told = "has not run yet" if not its else f"has {many(len(its), 'kept run')}, and no {back} before its last"
        raise NotThere(f"{found['name']} {told}")
    return its[back]


def _at(session: Session, found: Json, at: str) -> Json:
    asked = {"at": at, "zone": session.given.get("zone") or ("UTC" if session.given.get("utc") else None)}
    said = session.client.get(one("jobs", str(found["id"]), "why"), asked, lookup=True)
    if said["run"] is None:
        raise NotThere(f"{found['name']} has no run at {at}: {said['sentence']}")
    return dict(session.client.get(one("runs", str(said["run"])), lookup=True))


class _Completed(click.ParamType[str]):
    """A word that the server knows; a shell completes it."""

    name = "text"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[click.shell_completion.CompletionItem]:
        from click.shell_completion import CompletionItem

        session = ctx.find_object(Session) or Session()
        try:
            return [CompletionItem(word) for word in self.words(session.client, incomplete)]
        except CommandError:
            return []  # a shell has no place for an error

    def words(self, client: Client, begin: str) -> Iterator[str]:
        """What begins so."""
        raise NotImplementedError


class JobRef(_Completed):
    """A job."""

    def words(self, client: Client, begin: str) -> Iterator[str]:
        for each in names(client):
            word = each["name"] if str(each["name"]).startswith(begin) else each["id"]
            if str(word).startswith(begin):
                yield str(word)


class TaskRef(_Completed):
    """A task of the catalog."""

    def words(self, client: Client, begin: str) -> Iterator[str]:
        yield from (str(name) for name in client.get("/catalog")["tasks"] if str(name).startswith(begin))


JOB: Final = JobRef()
TASK: Final = TaskRef()
