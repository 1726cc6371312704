"""The notifications in the description of the API: requests that the daemon makes, and how a receiver answers them."""

from __future__ import annotations

from typing import Any, Final

from ..model.job import EVENTS, Event

WORDS: Final[dict[Event, tuple[str, str]]] = {
    "failed": ("A run has failed", "`retry` says whether another attempt follows."),
    "timed_out": ("A run took longer than it may, and was ended", "`retry` says whether another attempt follows."),
    "lost": ("Nobody knows what became of a run", "Its daemon died or was cut off meanwhile."),
    "missed": ("Dues passed that nobody could run in time", "Those that passed together are told as one."),
    "overdue": ("A job is overdue", "It is late, or has not succeeded for longer than it may."),
    "recovered": ("A job works again", "A run has succeeded that began after the last failure that was told."),
    "started": ("A run has begun", "Told only where `on` names it."),
    "succeeded": ("A run has succeeded", "Told only where `on` names it."),
}
HEADERS: Final[dict[str, tuple[str, bool]]] = {
    "Webhook-Id": ("Of the delivery, the same at each attempt: what comes again can be dropped by it", True),
    "Webhook-Timestamp": ("Of this attempt, in seconds since 1970", True),
    "Webhook-Signature": ("`v1,` and the HMAC-SHA256 in base64 of id, timestamp and body, if there is a secret", False),
    "Jobsched-Delivery": ("The same as Webhook-Id", True),
    "Jobsched-Event": ("The same as `event`", True),
}
EXAMPLE: Final[dict[str, Any]] = {
    "id": "01a2084c-b40a-7f31-9a52-6d1f0c0e5b11",
    "at": "2026-11-23T12:06:14.315704Z",
    "job": {
        "id": "01a2084c-b3df-7558-a7a1-98a6209258ab",
        "name": "nightly",
        "task": "runfoo",
        "overdue": None,
        "labels": {"team": "data"},
        "description": "Copies the database.",
        "owner": "Zoe",
        "runbook": "https://wiki.example/nightly",
    },
    "run": None,
    "reason": "not started for 300 s after its due",
    "node": "alpha",
}


def webhooks(record: str) -> dict[str, dict[str, object]]:
    """For each event the request; `record` refers to the schema of its body."""
    return {event: {"post": _request(event, *WORDS[event], record)} for event in EVENTS}


def _request(event: Event, summary: str, description: str, record: str) -> dict[str, object]:
    return {
        "operationId": "told" + "".join(word.capitalize() for word in event.split("_")),
        "tags": ["notifications"],
        "summary": summary,
        "description": description,
        "parameters": [
            {"name": name, "in": "header", "required": always, "description": words, "schema": {"type": "string"}}
            for name, (words, always) in HEADERS.items()
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": {"$ref": record},
                    "examples": {event: {"value": EXAMPLE | {"event": event}}},
                }
            },
        },
        "responses": {
            "2XX": {"description": "It has arrived"},
            "410": {"description": "The receiver wants no more of this notification: it is not sent again"},
            "default": {"description": "It is sent again, later and later, for 24 hours"},
        },
    }
