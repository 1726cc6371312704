"""A notification for people: as text, and in the shapes that chats take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

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
LONGEST: Final = 2000  # characters of a line


def title(body: Mapping[str, Any]) -> str:
    """One line: which job, and what happened. `body` is what `delivery.body` made."""
    return _line(f"{body['job']['name']} {HAS[body['event']]}")


def details(body: Mapping[str, Any]) -> list[str]:
    """The lines below it."""
    job, run = body["job"], body.get("run") or {}
    said = [body["reason"]]
    if run.get("count", 1) > 1:
        said.append(f"{run['count']} dues from {run['due']} to {run['until']}")
    elif run:
        said.append(f"due {run['due']}, attempt {run['attempt']}")
    if body.get("retry"):
        said.append("it is tried again")
    said += [f"{name}: {job[name]}" for name in ("runbook", "owner", "description") if job.get(name)]
    if job.get("labels"):
        said.append("labels: " + ", ".join(f"{name}={value}" for name, value in sorted(job["labels"].items())))
    said.append(f"task {job['task']}, job {job['id']}" + (f", run {run['id']}" if run else ""))
    said.append(f"told by {body['node']} of {body['at']}")
    return [_line(each) for each in said]


def formatted(body: Mapping[str, Any], form: Format | None) -> Mapping[str, Any]:
    """The JSON that the receiver takes."""
    if form == "slack":
        return {"text": "\n".join([f"*{_escaped(title(body))}*", *map(_escaped, details(body))])}
    if form == "teams":
        return _card(title(body), details(body))
    return body


def _escaped(line: str) -> str:
    """Text in which Slack and Mattermost see no link, no mention and no entity of its own."""
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _card(head: str, lines: list[str]) -> dict[str, Any]:
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
