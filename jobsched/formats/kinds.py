"""The kinds of texts that jobs come in, by name and by media type, and the two ways: `read` and `write`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, Literal, get_args

import attrs

from ..model.errors import Invalid, place
from . import crontab, crontab_writing, json_text, systemd_timers, toml_text, yaml_text
from .findings import MOST_FAULTS, BadJobs, Fault, Findings, Jobs, Unsayable
from .known_tasks import KnownTask, KnownTasks

Kind = Literal["json", "toml", "yaml", "crontab", "system-crontab", "kubernetes", "systemd"]
Written = Literal["json", "toml", "yaml", "crontab"]
READ: Final[tuple[Kind, ...]] = get_args(Kind)
WRITTEN: Final[tuple[Written, ...]] = get_args(Written)

MOST_BYTES: Final = 32 * 1024 * 1024  # of JSON
MOST_OF_OTHERS: Final = 8 * 1024 * 1024  # their readers are slower; 10,000 jobs have some 4 MiB

# What a text that comes or goes under a media type is; a parameter `user=1` of text/crontab: a column of users.
BY_MEDIA_TYPE: Final[Mapping[str, Kind]] = {
    "application/json": "json",
    "application/vnd.jobsched.jobs+json": "json",
    "application/toml": "toml",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "text/crontab": "crontab",
    "application/vnd.kubernetes+yaml": "kubernetes",
    "text/x-systemd-unit": "systemd",
}
MEDIA_TYPES: Final[Mapping[Written, str]] = {
    "json": "application/json",
    "toml": "application/toml",
    "yaml": "application/yaml",
    "crontab": "text/crontab",
}


@attrs.frozen
class _Format:
    """How jobs are written: why one cannot be, and the text of all."""

    unsayable: Callable[[Mapping[str, Any]], Iterable[Invalid]]
    written: Callable[[Sequence[Mapping[str, Any]], Mapping[str, Sequence[str]]], str]


FORMATS: Final[Mapping[Written, _Format]] = {
    "json": _Format(json_text.unsayable, json_text.written),
    "toml": _Format(toml_text.unsayable, toml_text.written),
    "yaml": _Format(yaml_text.unsayable, yaml_text.written),
    "crontab": _Format(crontab_writing.unsayable, crontab_writing.written),
}


def media_type(header: str) -> Kind | None:
    """The kind that a Content-Type names; None: none of ours."""
    name, _, parameters = header.partition(";")
    kind = BY_MEDIA_TYPE.get(name.strip().lower())
    given = {each.replace(" ", "").replace('"', "").lower() for each in parameters.split(";")}
    return "system-crontab" if kind == "crontab" and given & {"user=1", "user=yes", "user=true"} else kind


def read(
    kind: Kind, text: str | bytes, tasks: Iterable[KnownTask] = (), labels: Mapping[str, str] | None = None
) -> Jobs:
    """The jobs of a text, each as the body of `PUT /jobs/ID` with its id. Fields are not looked at, but for the id.

    `tasks`: what commands may ask for; `labels`: what each job gets, and may not have otherwise. Raises BadJobs with
    everything that is wrong.
    """
    found = Findings(labels or {})
    try:
        _read(kind, _decoded(kind, text), found, tasks)
    except BadJobs:
        raise
    except Invalid as why:  # behind it nothing was looked at
        raise BadJobs([*found.faults_so_far, *why.all]) from None
    return found.finish()


def _read(kind: Kind, text: str, found: Findings, tasks: Iterable[KnownTask]) -> None:
    match kind:
        case "json":
            json_text.read(text, found)
        case "toml":
            toml_text.read(text, found)
        case "yaml":
            yaml_text.read(text, found, KnownTasks(tasks))
        case "kubernetes":
            yaml_text.read(text, found, KnownTasks(tasks), manifests=True)
        case "systemd":
            systemd_timers.read(text, found, KnownTasks(tasks))
        case _:
            crontab.read(text, found, KnownTasks(tasks), users=kind == "system-crontab")


def _decoded(kind: Kind, text: str | bytes) -> str:
    """The text, whose lines end with LF. Raises Invalid."""
    most = MOST_BYTES if kind == "json" else MOST_OF_OTHERS
    if len(text) > most:
        raise Invalid(f"as {kind} a set has at most {most:,} bytes")
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8")
        except UnicodeDecodeError as why:
            line = why.object.count(b"\n", 0, why.start) + 1
            raise Fault(f"it is not UTF-8 at byte {why.start}", f"line {line}") from None
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def write(
    kind: Written, jobs: Iterable[Mapping[str, object]], withheld: Mapping[str, Sequence[str]] | None = None,
    wanted: Callable[[], object] = lambda: None,
) -> str:  # fmt: skip
    """The text of jobs, each as `GET /jobs?as=request` gives it: the same text for the same jobs, by id, names sorted.

    `withheld`: for the id of a job the places of what is secret in it, told in comments. `read` gives back the same
    jobs. `wanted` is called now and then, and raises when the text is wanted no more. Raises Unsayable with each
    job and field that the kind cannot say.
    """
    found = FORMATS[kind]
    ordered = sorted(jobs, key=lambda job: str(job["id"]))
    wrong: list[Invalid] = []
    for job in ordered:
        wanted()
        wrong += [Invalid(each.detail, place(str(job["id"])) + each.pointer) for each in found.unsayable(job)]
        if len(wrong) >= MOST_FAULTS:
            break
    if wrong:
        raise Unsayable(kind, wrong)
    return found.written(ordered, withheld or {})
