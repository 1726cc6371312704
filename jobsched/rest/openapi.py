"""The description of the API (OpenAPI 3.1), made from the routes and the wire types that run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from itertools import combinations
from typing import Any

import msgspec
from twisted.web.http import Request

from .. import __version__
from .from_json import TRIGGERS
from .problems import TITLES, Problem
from .route import Route, json

REF = "#/components/schemas/{name}"
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
# Statuses that refuse any request: no HTTP, too slow, too long, a host that is not ours; a fault of ours; no room.
ANY = (400, 408, 414, 421, 431, 500, 503)
SCHEMES: dict[str, dict[str, Any]] = {
    "token": {"type": "http", "scheme": "bearer", "description": "A token of tokens.cfg"},
    "password": {"type": "http", "scheme": "basic", "description": "The token as password, with any user name"},
}
IN_PATH: dict[str, dict[str, Any]] = {
    "job_id": {"description": "The id of a job", "schema": {"type": "string", "format": "uuid"}},
    "run_id": {"description": "The id of a run", "schema": {"type": "string", "format": "uuid"}},
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
        "description": "Answer 304 if this is what one has already",
        "schema": {"type": "string"},
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
LINKS: dict[str, dict[str, dict[str, Any]]] = {
    "POST /jobs": {
        "ShowJob": {"operationId": "GET /jobs/{job_id}"},
        "ChangeJob": {"operationId": "PATCH /jobs/{job_id}"},
        "PauseJob": {"operationId": "POST /jobs/{job_id}/pause"},
        "ResumeJob": {"operationId": "POST /jobs/{job_id}/resume"},
        "RunJob": {"operationId": "POST /jobs/{job_id}/run"},
        "ListRuns": {"operationId": "GET /jobs/{job_id}/runs"},
        "RemoveJob": {"operationId": "DELETE /jobs/{job_id}"},
    },
    "POST /jobs/{job_id}/run": {
        "ShowRun": {"operationId": "GET /runs/{run_id}"},
        "ReadOutput": {"operationId": "GET /runs/{run_id}/output"},
        "CancelRun": {"operationId": "POST /runs/{run_id}/cancel"},
    },
}


class OpenApi:
    """Serves the description of all routes, itself included."""

    def __init__(self, routes: Iterable[Route], asks: Callable[[], bool] = lambda: True) -> None:
        routes = [*routes, *self.routes()]
        self._texts = {asked: describe(routes, asked) for asked in (True, False)}
        self._asks = asks  # whether callers need a token

    def routes(self) -> list[Route]:
        """What is served here."""
        gives: dict[int, type | str | None] = {200: "application/json"}
        return [Route("GET", "/openapi.json", self.show, "This description", gives=gives)]

    async def show(self, request: Request) -> bytes:
        """200: the description."""
        return json(request, self._texts[self._asks()])


def describe(routes: Iterable[Route], asked: bool = True) -> dict[str, object]:
    """The whole document; `asked`: whether callers need a token."""
    routes = list(routes)
    kinds = {kind for route in routes for kind in (route.takes, *route.gives.values()) if isinstance(kind, type)}
    _, components = msgspec.json.schema_components(
        sorted({*kinds, Problem}, key=lambda kind: kind.__name__), ref_template=REF
    )
    for record, schema in components.items():
        _refine(record, schema)
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.verb.lower()] = _operation(route, route.template, asked)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jobsched", "version": __version__, "summary": "A job scheduler driven by curl"},
        "paths": paths,
        "components": {"schemas": components} | ({"securitySchemes": SCHEMES} if asked else {}),
    }


def _refine(record: str, schema: dict[str, object]) -> None:
    """Add what types do not say: which fields go together."""
    schema["description"] = " ".join(str(schema.get("description", "")).split())
    if record == "IntervalIn":
        schema["minProperties"] = 1
    null = {"type": "null"}
    if record == "PatchIn":
        two = [{name: {"not": null} for name in pair} for pair in combinations(TRIGGERS, 2)]
        schema["not"] = {"anyOf": [{"required": list(pair), "properties": pair} for pair in two]}
    if record in {"JobIn", "PreviewIn"}:
        schema["oneOf"] = [
            {"required": [one], "properties": {name: {"not": null} if name == one else null for name in TRIGGERS}}
            for one in TRIGGERS
        ]


def _operation(route: Route, path: str, asked: bool) -> dict[str, object]:
    name = f"{route.verb} {path}"
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary,
        "parameters": [*_path_parameters(path), *_query_parameters(route), *_header_parameters(route)],
        "responses": {str(status): _success(route, name, status) for status in route.gives},
    }
    refuses = {*route.refuses, *ANY} | ({404} if "{" in path else set())
    if route.verb != "GET":
        refuses |= {403, 413}
    if asked:
        operation["security"] = [] if route.scope == "open" else [{name: _scopes(route)} for name in SCHEMES]
        refuses |= set() if route.scope == "open" else {401, 403, 429}
    for status in sorted(refuses):
        operation["responses"][str(status)] = _problem(status)
    if route.takes is not None:
        types = ["application/json", "application/merge-patch+json"][: 1 + (route.verb == "PATCH")]
        schema = {"$ref": REF.format(name=route.takes.__name__)}
        operation["requestBody"] = {"required": not route.bare, "content": {kind: {"schema": schema} for kind in types}}
    return operation


def _scopes(route: Route) -> list[str]:
    return [] if route.scope == "any" else [route.scope]


def _path_parameters(path: str) -> list[dict[str, object]]:
    return [{"name": name, "in": "path", "required": True} | IN_PATH[name] for name in re.findall("{(.*?)}", path)]


def _query_parameters(route: Route) -> list[dict[str, object]]:
    if route.asks is None:
        return []
    _, components = msgspec.json.schema_components([route.asks], ref_template=REF)
    properties = components[route.asks.__name__]["properties"]
    return [
        {"name": name, "in": "query", "description": schema.pop("description"), "schema": schema}
        for name, schema in properties.items()
    ]


def _header_parameters(route: Route) -> list[dict[str, object]]:
    known = {
        "Idempotency-Key": route.keyed,
        "If-Match": route.conditional,
        "If-None-Match": 304 in route.gives,
        "Range": 206 in route.gives,
        "If-Range": 206 in route.gives,
    }
    return [{"name": name, "in": "header"} | IN_HEADER[name] for name, here in known.items() if here]


def _success(route: Route, name: str, status: int) -> dict[str, object]:
    kind = route.gives[status]
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(kind, str):
        response["content"] = {kind: {"schema": {"type": "string"} if kind == "text/plain" else {"type": "object"}}}
    elif kind is not None:
        response["content"] = {"application/json": {"schema": {"$ref": REF.format(name=kind.__name__)}}}
    headers = _headers(route, name, status)
    if headers:
        response["headers"] = {header: HEADERS[header] for header in headers}
    if 206 in route.gives:  # only an output in a file has a tag
        response["headers"]["ETag"] = HEADERS["ETag"] | {"required": False}
    if status == 202 and name in LINKS:
        source = {"job_id" if name == "POST /jobs" else "run_id": "$response.header.Location#regex:/([^/]+)$"}
        response["links"] = {link: target | {"parameters": source} for link, target in LINKS[name].items()}
    return response


def _headers(route: Route, name: str, status: int) -> list[str]:
    if name in LINKS:
        return ["Location"]
    if route.asks is not None and "after" in route.asks.__struct_fields__:  # type: ignore[attr-defined]
        return ["Link"]
    if status == 304:
        return ["ETag"]
    if 206 in route.gives:
        return ["Accept-Ranges", "Content-Range"] if status == 206 else ["Accept-Ranges", "Jobsched-Output"]
    return ["ETag"] if getattr(route.gives[status], "__name__", "") in {"JobOut", "HoldOut"} else []


def _problem(status: int) -> dict[str, object]:
    schema = {"$ref": REF.format(name="Problem")}
    problem: dict[str, Any] = {
        "description": TITLES[status],
        "content": {"application/problem+json": {"schema": schema}},
    }
    header = {
        401: "WWW-Authenticate", 416: "Content-Range", 429: "Retry-After", 503: "Retry-After",
    }.get(status)  # fmt: skip
    if header is not None:
        problem["headers"] = {header: HEADERS[header]}
    return problem
