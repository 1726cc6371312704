"""Jobs as YAML: documents with `jobs`, with a list or with one job each, and those of Kubernetes among them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Final

from ..model.errors import Invalid
from ..model.printable import hint
from . import kubernetes
from .findings import Findings
from .known_tasks import KnownTasks
from .plain_values import unspoken
from .yaml_values import Lined, LinedList, documents, plain

PLAIN: Final = re.compile("[a-z][a-z0-9_.-]*")
# What some program or other that reads YAML takes for something else than text.
NOT_TEXT: Final = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
ASIDE: Final = "x-"  # names of what is there for aliases to stand for
SHAPE: Final = 'a document is {"jobs": [...]}, a list of jobs, or one job'


def read(text: str, found: Findings, tasks: KnownTasks, manifests: bool = False) -> None:
    """Read a text of YAML; `manifests`: nothing but manifests of Kubernetes is meant to be there."""
    meant = False  # to be a set, be it an empty one
    for line, document in documents(text):
        if document is None:
            continue
        if kubernetes.is_manifest(document):
            kubernetes.read(document, found, tasks)
        elif manifests:
            found.refuse(f"line {line}", "it has no apiVersion and kind")
        else:
            meant = True
            _document(line, document, found)
    if not (meant or found.jobs or found.faults):  # an empty list of Kubernetes may be of another namespace
        found.refuse("line 1", "there is no job in it; an empty set is `jobs: []`")


def _document(line: int, document: object, found: Findings) -> None:
    jobs = document
    if isinstance(document, Lined) and ("jobs" in document or "values" in document):
        name = "jobs" if "jobs" in document else "values"
        for other in sorted(document.keys() - {name, "withheld"}):
            if other.startswith(ASIDE):
                continue
            found.refuse(f"line {document.lines[other]}", f"{other[:80]} is not known here{hint(other, ['jobs'])}")
        line, jobs = document.lines[name], document[name]
    elif isinstance(document, Lined):
        found.add(f"line {line}", plain(document))
        return
    if not isinstance(jobs, LinedList):
        found.refuse(f"line {line}", SHAPE)
        return
    for where, job in zip(jobs.lines, jobs, strict=True):
        if kubernetes.is_manifest(job) or not isinstance(job, Lined):
            found.refuse(f"line {where}", "a job is an object, with id, task and when it is due")
        else:
            found.add(f"line {where}", plain(job))


def unsayable(job: Mapping[str, object]) -> list[Invalid]:
    """Nothing of a job: YAML can say all of it, but keys and values have to be text that can be encoded."""
    return unspoken(job, nulls=True)


def written(jobs: Sequence[Mapping[str, object]], withheld: Mapping[str, Sequence[str]]) -> str:
    """A document; several behind one another are one text again."""
    lines = ["---", "jobs:" if jobs else "jobs: []"]
    for job in jobs:
        lines += [f"# withheld: {pointer}" for pointer in withheld.get(str(job["id"]), ())]
        lead = "- "
        for name, value in sorted(job.items()):
            lines += _lines(name, value, lead)
            lead = "  "
    return "\n".join([*lines, ""])


def _lines(name: str, value: object, lead: str) -> list[str]:
    if isinstance(value, dict) and value:
        return [f"{lead}{_text(name)}:", *(f"    {_text(key)}: {_flow(each)}" for key, each in sorted(value.items()))]
    return [f"{lead}{_text(name)}: {_flow(value)}"]


def _flow(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_flow, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{_text(key)}: {_flow(each)}' for key, each in sorted(value.items()))}}}"
    return _text(value) if isinstance(value, str) else json.dumps(value)


def _text(text: str) -> str:
    """Plain where every reader takes it for text, else in quotes, with escapes for what cannot be seen."""
    if PLAIN.fullmatch(text) and text not in NOT_TEXT:
        return text
    quoted = json.dumps(text, ensure_ascii=False)
    return quoted if quoted.isprintable() else "".join(map(_escaped, quoted))


def _escaped(char: str) -> str:
    return char if char.isprintable() else f"\\U{ord(char):08x}"
