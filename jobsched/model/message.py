"""A notification for people: as text, and in the shapes that chats take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal, TypedDict

from .job import Event, Format
from .printable import shown

HAS: Final[Mapping[Event, str]] = {
    "failed": "has failed",
    "timed_out": "was ended: it took too long",
    "lost": "is lost",
    "missed": "was missed",
    "overdue": "is overdue",
    "recovered": "works again",
    "started": "has started",
    "succeeded": "has succeeded",
}
ABOUT: Final[Sequence[Literal["runbook", "owner", "description"]]] = ("runbook", "owner", "description")
LONGEST: Final = 2000  # characters of a line


class JobTold(TypedDict, total=False):
    """What a notification says of its job."""

    id: str
    name: str
    task: str
    overdue: str | None
    runbook: str | None
    owner: str | None
    description: str | None
    labels: dict[str, str]


class RunTold(TypedDict, total=False):
    """What it says of the run, or of several that are told as one."""

    id: str
    due: str
    until: str
    count: int
    attempt: int


class Told(TypedDict, total=False):
    """What `delivery.body` made, and the node that tells it."""

    id: str
    event: Event
    at: str
    node: str
    reason: str
    retry: bool
    job: JobTold
    run: RunTold | None


def title(body: Told) -> str:
    """One line: which job, and what happened."""
    return _line(f"{body['job']['name']} {HAS[body['event']]}")


def details(body: Told) -> list[str]:
    """The lines below it."""
    job, run = body["job"], body.get("run") or RunTold()
    said = [body["reason"]]
    if run.get("count", 1) > 1:
        said.append(f"{run['count']} dues from {run['due']} to {run['until']}")
    elif run:
        said.append(f"due {run['due']}, attempt {run['attempt']}")
    if body.get("retry"):
        said.append("it is tried again")
    about = {name: job.get(name) for name in ABOUT}
    said += [f"{name}: {text}" for name, text in about.items() if text]
    if job.get("labels"):
        said.append("labels: " + ", ".join(f"{name}={value}" for name, value in sorted(job["labels"].items())))
    said.append(f"task {job['task']}, job {job['id']}" + (f", run {run['id']}" if run else ""))
    said.append(f"told by {body['node']} of {body['at']}")
    return [_line(each) for each in said]


def formatted(body: Told, form: Format | None) -> Mapping[str, object]:
    """The JSON that the receiver takes."""
    if form == "slack":
        return {"text": "\n".join([f"*{_escaped(title(body))}*", *map(_escaped, details(body))])}
    if form == "teams":
        return _card(title(body), details(body))
    return body


def _escaped(line: str) -> str:
    """Text in which Slack and Mattermost see no link, no mention and no entity of its own."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(head: str, lines: list[str]) -> dict[str, object]:
    """An adaptive card, as a workflow of Teams takes one; its runs of text hold no markup."""
    blocks = [
        {"type": "RichTextBlock", "inlines": [{"type": "TextRun", "text": line} | more]}
        for line, more in [(head, {"weight": "Bolder"}), *((line, {}) for line in lines)]
    ]
    card = {"type": "AdaptiveCard", "version": "1.4", "body": blocks}
    content = {"contentType": "application/vnd.microsoft.card.adaptive", "content": card}
    return {"type": "message", "attachments": [content]}


def _line(text: str) -> str:
    return shown(" ".join(text.split()))[:LONGEST]
