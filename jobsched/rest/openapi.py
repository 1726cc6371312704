"""The description of the API (OpenAPI 3.1), made from the routes and the wire types that run."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import msgspec
from twisted.web.http import Request

from .. import __version__
from .problems import TITLES, Problem
from .route import Route, json

REF = "#/components/schemas/{name}"
HEADERS: dict[str, dict[str, Any]] = {
    "Location": {"description": "Where the new thing is", "schema": {"type": "string", "format": "uri"}},
    "Link": {"description": 'The next page, as rel="next"', "schema": {"type": "string"}},
    "ETag": {"description": "The version of the job", "schema": {"type": "string"}},
    "Retry-After": {"description": "Seconds after which to try again", "schema": {"type": "integer"}},
    "Content-Range": {"description": "Which bytes these are", "schema": {"type": "string"}},
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

    def __init__(self, routes: Iterable[Route]) -> None:
        self._routes = [*routes, *self.routes()]
        self._text = describe(self._routes)

    def routes(self) -> list[Route]:
        """What is served here."""
        gives: dict[int, type | str | None] = {200: "application/json"}
        return [Route("GET", "/openapi.json", self.show, "This description", gives=gives)]

    async def show(self, request: Request) -> bytes:
        """200: the description."""
        return json(request, self._text)


def describe(routes: Iterable[Route]) -> dict[str, Any]:
    """The whole document."""
    routes = list(routes)
    kinds = {kind for route in routes for kind in (route.takes, *route.gives.values()) if isinstance(kind, type)}
    _, components = msgspec.json.schema_components(
        sorted({*kinds, Problem}, key=lambda kind: kind.__name__), ref_template=REF
    )
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        path = re.sub("<(.*?)>", r"{\1}", route.path)
        paths.setdefault(path, {})[route.verb.lower()] = _operation(route, path)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Jobsched", "version": __version__, "summary": "A job scheduler driven by curl"},
        "paths": paths,
        "components": {"schemas": components},
    }


def _operation(route: Route, path: str) -> dict[str, Any]:
    name = f"{route.verb} {path}"
    operation: dict[str, Any] = {
        "operationId": name,
        "summary": route.summary,
        "parameters": [*_path_parameters(path), *_query_parameters(route), *_header_parameters(route)],
        "responses": {str(status): _success(route, name, status) for status in route.gives},
    }
    refuses = {*route.refuses, 500, 503} | ({400, 404} if "{" in path else set()) | ({400} if route.asks else set())
    for status in sorted(refuses):
        operation["responses"][str(status)] = _problem(status)
    if route.takes is not None:
        types = ["application/json", "application/merge-patch+json"][: 1 + (route.verb == "PATCH")]
        schema = {"$ref": REF.format(name=route.takes.__name__)}
        operation["requestBody"] = {"required": True, "content": {kind: {"schema": schema} for kind in types}}
    return operation


def _path_parameters(path: str) -> list[dict[str, Any]]:
    shape = {"type": "string", "minLength": 1}
    return [{"name": name, "in": "path", "required": True, "schema": shape} for name in re.findall("{(.*?)}", path)]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    if route.asks is None:
        return []
    _, components = msgspec.json.schema_components([route.asks], ref_template=REF)
    properties = components[route.asks.__name__]["properties"]
    return [{"name": name, "in": "query", "schema": _some(schema)} for name, schema in properties.items()]


def _some(schema: dict[str, Any]) -> dict[str, Any]:
    """A query has no null: a name that is not wanted is left out."""
    schema = {name: value for name, value in schema.items() if name != "default" or value is not None}
    kinds = [kind for kind in schema.pop("anyOf", []) if kind != {"type": "null"}]
    if "enum" in schema:
        schema["enum"] = [value for value in schema["enum"] if value is not None]
    return kinds[0] | schema if kinds else schema


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    headers: dict[str, dict[str, Any]] = {}
    if route.keyed:
        headers["Idempotency-Key"] = {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"}
    if 412 in route.refuses:
        headers["If-Match"] = {"type": "string"}
    if 206 in route.gives:
        headers["Range"] = {"type": "string"}
    return [{"name": name, "in": "header", "schema": schema} for name, schema in headers.items()]


def _success(route: Route, name: str, status: int) -> dict[str, Any]:
    kind = route.gives[status]
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(kind, str):
        response["content"] = {kind: {"schema": {"type": "string"} if kind == "text/plain" else {"type": "object"}}}
    elif kind is not None:
        response["content"] = {"application/json": {"schema": {"$ref": REF.format(name=kind.__name__)}}}
    headers = _headers(route, name, status)
    if headers:
        response["headers"] = {header: HEADERS[header] for header in headers}
    if status == 202 and name in LINKS:
        source = {"job_id" if name == "POST /jobs" else "run_id": "$response.header.Location#regex:/([^/]+)$"}
        response["links"] = {link: target | {"parameters": source} for link, target in LINKS[name].items()}
    return response


def _headers(route: Route, name: str, status: int) -> list[str]:
    if name in LINKS:
        return ["Location"]
    if route.asks is not None and "after" in route.asks.__struct_fields__:  # type: ignore[attr-defined]
        return ["Link"]
    if status == 206:
        return ["Content-Range"]
    return ["ETag"] if getattr(route.gives[status], "__name__", "") == "JobOut" else []


def _problem(status: int) -> dict[str, Any]:
    schema = {"$ref": REF.format(name="Problem")}
    problem: dict[str, Any] = {
        "description": TITLES[status],
        "content": {"application/problem+json": {"schema": schema}},
    }
    if status == 503:
        problem["headers"] = {"Retry-After": HEADERS["Retry-After"]}
    return problem
