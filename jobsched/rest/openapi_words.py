"""What the description of the API says that no type says: headers, path variables, names of calls, examples."""

from __future__ import annotations

import re
from typing import Any

import msgspec

from ..http.route import Route
from ..model import ids

HEADERS: dict[str, dict[str, Any]] = {
    "Location": {
        "description": "Where the new thing is",
        "required": True,
        "schema": {"type": "string", "format": "uri"},
    },
    "Link": {"description": 'The next page, as rel="next", if there is one', "schema": {"type": "string"}},
    "ETag": {
        "description": "Of a job its version and what stands for all that is shown; of an output its bytes",
        "required": True,
        "schema": {"type": "string", "pattern": r'^"[0-9]+\.[0-9a-f]+"$'},
    },
    "Retry-After": {
        "description": "Seconds after which to try again",
        "required": True,
        "schema": {"type": "integer", "minimum": 1},
    },
    "WWW-Authenticate": {
        "description": "How to say who one is",
        "required": True,
        "schema": {"type": "string"},
    },
    "Content-Range": {
        "description": "Which bytes these are, or how many there are",
        "required": True,
        "schema": {"type": "string", "pattern": "^bytes ([0-9]+-[0-9]+|[*])/[0-9]+$"},
    },
    "Accept-Ranges": {
        "description": "Ranges are in bytes; none in what the store keeps of an output",
        "required": True,
        "schema": {"enum": ["bytes", "none"]},
    },
    "Jobsched-Output": {
        "description": "From the store, for the node that has it cannot be reached: all that was asked for, or the end",
        "schema": {"enum": ["whole", "tail"]},
    },
}
SCHEMES: dict[str, dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of tokens.cfg"},
    "password": {"type": "http", "scheme": "basic", "description": "The token as password, with any user name"},
}
OF_A_KEY: dict[str, dict[str, Any]] = {
    "key": {"type": "apiKey", "in": "query", "name": "key", "description": "A key of the job"},
}
IN_PATH: dict[str, dict[str, Any]] = {
    "job_id": {"description": "The id of a job", "schema": {"type": "string", "pattern": f"^({ids.JOB_ID})$"}},
    "run_id": {"description": "The id of a run", "schema": {"type": "string", "format": "uuid"}},
    "key_id": {"description": "The id of a key", "schema": {"type": "string", "format": "uuid"}},
    "name": {"description": "The name of a task", "schema": {"type": "string", "pattern": "^[^/]+$"}},
}
IN_HEADER: dict[str, dict[str, Any]] = {
    "Idempotency-Key": {
        "description": "The same key with the same body gives the same answer for 24 hours, and does nothing twice",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
    "If-Match": {
        "description": "Only if the job still has the version of one of these ETags; * for any",
        "schema": {"type": "string"},
    },
    "If-None-Match": {
        "description": "A GET: answer 304 if this is what one has already; a PUT: *, only where there is nothing yet",
        "schema": {"type": "string"},
    },
    "Prefer": {
        "description": "return=representation: answer with the job that was made, and not with nothing",
        "schema": {"type": "string", "examples": ["return=representation"]},
    },
    "If-Range": {
        "description": "The range only if this is still the ETag, else the whole",
        "schema": {"type": "string"},
    },
    "Range": {
        "description": "One range of bytes; what is no such range is ignored",
        "schema": {"type": "string", "examples": ["bytes=0-99", "bytes=100-", "bytes=-100"]},
    },
}
PREFERRING = "createJob"  # the call that heeds Prefer
# By the path, where the rule of `operation_id` would say it badly.
NAMES = {
    "GET /catalog": "listTasks",
    "GET /catalog/{name}": "getTask",
    "POST /preview": "previewTrigger",
    "GET /audit": "listAudit",
    "GET /runs/counts": "countRuns",
    "GET /health/ready": "getReadiness",
    "GET /openapi.json": "getDescription",
    "GET /": "getLinks",
    "GET /calendar.ics": "getCalendar",
    "POST /jobs/{job_id}/keys": "createJobKey",
    "GET /jobs/{job_id}/keys": "listJobKeys",
    "DELETE /jobs/{job_id}/keys/{key_id}": "deleteJobKey",
    "GET /jobs/{job_id}/badge.svg": "getJobBadge",
    "GET /jobs/{job_id}/calendar.ics": "getJobCalendar",
}
FOLLOWS: dict[str, dict[str, str]] = {
    "createJob": dict.fromkeys(
        ("getJob", "changeJob", "pauseJob", "resumeJob", "runJob", "listJobRuns", "deleteJob"), "job_id"
    ),
    "runJob": dict.fromkeys(("getRun", "getRunOutput", "cancelRun"), "run_id"),
}
TAGS = {
    "jobs": "What is to be run, and when",
    "runs": "What became of it, and what it printed",
    "tasks": "What may be run: the catalog of the operator",
    "nodes": "The daemons that share a store",
    "me": "Who asks, and what that caller may do",
    "hold": "What is kept from starting, until when and why",
    "audit": "Who changed what",
    "events": "What changes, as it comes",
    "monitoring": "Whether the daemon can do its work, and what is counted",
    "description": "What may be asked, for programs",
    "notifications": "What the daemon sends to receivers",
}
TAG_OF = {
    "catalog": "tasks",
    "preview": "jobs",
    "upcoming": "jobs",
    "badge": "jobs",
    "calendar.ics": "jobs",
    "health": "monitoring",
    "metrics": "monitoring",
    "storage": "monitoring",
    "openapi.json": "description",
    "": "description",
    "errors": "description",
}
NEEDED = {  # nosec B105
    "any": "a scope that depends on what is asked",
    "token": "one, whatever its scopes",
    "key": "the scope `read`, or a key of the job",
}
VERBS = {"GET": "get", "POST": "create", "PUT": "put", "PATCH": "change", "DELETE": "delete"}
EXAMPLES: dict[str, dict[str, Any]] = {
    "JobIn": {
        "interval": {"task": "runfoo", "name": "every five minutes", "interval": {"minutes": 5}},
        "cron": {"task": "runfoo", "name": "nightly", "cron": "30 2 * * *", "timezone": "Europe/Berlin", "retries": 2},
        "at": {"task": "runfoo", "name": "once", "at": "2099-12-31T23:00:00+01:00"},
    },
    "PatchIn": {
        "later": {"cron": "30 4 * * *"},
        "default": {"timeout": None},
    },
    "PauseIn": {
        "night": {"until": "2099-12-31T05:00:00Z", "reason": "database upgrade"},
    },
    "HoldIn": {
        "all": {"until": "2099-12-31T05:00:00Z", "reason": "database upgrade"},
        "some": {"select": {"tasks": ["backup-*"]}, "missed": "catch_up", "waiting": "keep"},
    },
    "BatchIn": {
        "pause": {"select": {"names": ["nightly-*"]}, "action": "pause", "until": "2099-12-31T05:00:00Z"},
        "change": {"select": {"ids": ["nightly-report"]}, "action": "change", "patch": {"retries": 2}},
    },
    "PreviewIn": {
        "clocks": {"cron": "30 2 * * *", "timezone": "Europe/Berlin", "from": "2099-03-27T12:00:00Z", "count": 3},
    },
}


def operation_id(route: Route) -> str:
    """The name by which a generated client knows a call: listJobs, getJob, pauseJob."""
    known = NAMES.get(f"{route.verb} {route.template}")
    if known is not None:
        return known
    parts = [part for part in re.split("[/:]", route.template) if part]
    after = [part for part in parts[1:] if not part.startswith("{")]
    one = "{" in route.template
    noun = _title(parts[0].removesuffix("s") if one else parts[0])
    last = _title(after[-1]) if after else ""
    if route.verb == "POST" and after:
        return after[-1] + noun
    if route.verb == "GET" and any("after" in kind.__struct_fields__ for kind in _asks(route)):
        return f"list{noun}{last}"
    if route.verb == "GET" and not one and parts[0].endswith("s") and route.template != "/metrics":
        return f"list{noun}{last}"
    return VERBS[route.verb] + (_title(parts[0].removesuffix("s")) if route.verb == "POST" else noun) + last


def tag(route: Route) -> str:
    """The group of calls to which one belongs."""
    first = route.template.strip("/").partition("/")[0].partition(":")[0]
    return TAG_OF.get(first, first)


def _asks(route: Route) -> list[type[msgspec.Struct]]:
    return [] if route.asks is None else [route.asks]


def _title(text: str) -> str:
    return "".join(part.capitalize() for part in re.split("[^A-Za-z0-9]+", text))
