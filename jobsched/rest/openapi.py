"""The description of the API (OpenAPI 3.1), made from the routes and the wire types that run."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from itertools import chain
from typing import Any

import msgspec
from twisted.web.http import Request

from .. import __version__
from ..http.problems import TITLES, Problem
from ..http.route import Route, json
from ..http.schemas.notifications import NotificationOut
from .openapi_webhooks import webhooks
from .openapi_words import (
    EXAMPLES,
    FOLLOWS,
    HEADERS,
    IN_HEADER,
    IN_PATH,
    NEEDED,
    OF_A_KEY,
    PREFERRING,
    SCHEMES,
    TAGS,
    operation_id,
    tag,
)

REF = "#/components/schemas/{name}"
LISTED = "ListedJob"
# Statuses that refuse any request: no HTTP, too slow, too long, a host that is not ours; a fault of ours; no room.
ANY = (400, 408, 414, 421, 431, 500, 503)


class OpenApi:
    """Serves the description of all routes, itself included."""

    def __init__(self, routes: Iterable[Route], asks: Callable[[], bool] = lambda: True) -> None:
        self._routes = [*routes, *self.routes()]
        self._texts: dict[bool, dict[str, object]] = {}  # made when asked for: most daemons never are
        self._asks = asks  # whether callers need a token

    def routes(self) -> list[Route]:
        """What is served here."""
        gives: dict[int, type | str | None] = {200: "application/json"}
        return [Route("GET", "/openapi.json", self.show, "This description", gives=gives)]

    async def show(self, request: Request) -> bytes:
        """200: the description."""
        asked = self._asks()
        if asked not in self._texts:
            self._texts[asked] = describe(self._routes, asked)
        return json(request, self._texts[asked])


def describe(routes: Iterable[Route], asked: bool = True) -> dict[str, object]:
    """The whole document; `asked`: whether callers need a token."""
    routes = list(routes)
    taken = {route.takes for route in routes if route.takes is not None}
    named = (
        kind for route in routes
        for kind in (route.takes, *route.gives.values(), *route.also.values(), *chain(*route.tells.values()))
    )  # fmt: skip
    kinds = {kind for kind in named if isinstance(kind, type)}
    _, components = msgspec.json.schema_components(
        sorted({*kinds, Problem, NotificationOut}, key=lambda kind: kind.__name__), ref_template=REF
    )
    for record, schema in components.items():
        _refine(record, schema)
    if "Jobs" in components:
        words = "A job in a list: what `fields` does not leave out"
        listed = {"title": LISTED, "description": words, "required": ["id"]}
        components[LISTED] = components["JobOut"] | listed
    for record in _within({kind.__name__ for kind in taken}, components):
        _leave_out(components[record])
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(route.template, {})[route.verb.lower()] = _operation(route, asked)
    used = {tag(route) for route in routes} | {"notifications"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Jobsched",
            "version": __version__,
            "summary": "A job scheduler driven by curl",
            "description": "Runs scripts and Python tasks on time, and can say of every due time what became of it.",
            "contact": {"name": "The Jobsched authors"},
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "The daemon that gave this description"}],
        "tags": [{"name": name, "description": words} for name, words in sorted(TAGS.items()) if name in used],
        "paths": paths,
        "webhooks": webhooks(REF.format(name=NotificationOut.__name__)),
        "components": {"schemas": components, "securitySchemes": SCHEMES | OF_A_KEY},
    }


def _refine(record: str, schema: dict[str, object]) -> None:
    """Add what types do not say. Which fields exclude one another is said in words: programs that are made from the
    description understand no `oneOf` beside `properties`, and could make no job."""
    schema["description"] = " ".join(str(schema.get("description", "")).split())
    if record == "IntervalIn":
        schema["minProperties"] = 1
    if record == "Jobs":
        values: Any = schema["properties"]
        values["values"]["items"] = {"$ref": REF.format(name=LISTED)}
    _type_of_words(schema)


def _type_of_words(schema: object) -> None:
    """Say of lists of words that they are text: some programs take them for anything otherwise."""
    if isinstance(schema, list):
        for each in schema:
            _type_of_words(each)
    elif isinstance(schema, dict):
        words = schema.get("enum")
        if isinstance(words, list) and all(isinstance(word, str) for word in words):
            schema["type"] = "string"
        for each in schema.values():
            _type_of_words(each)


def _within(records: set[str], components: Mapping[str, object]) -> set[str]:
    """These records and those in them."""
    found: set[str] = set()
    while records:
        found |= records
        named = {name for record in records for name in re.findall(r"schemas/(\w+)", repr(components[record]))}
        records = named - found
    return found


def _leave_out(schema: dict[str, Any]) -> None:
    """Say in words what it means to leave out a field of a request. Programs take a field with a `default` for one
    that is always there, and then want all of them to be given."""
    for field in schema["properties"].values():
        default = field.pop("default", None)
        if default is not None:
            field["description"] += f"; left out: {msgspec.json.encode(default).decode()}"


def _operation(route: Route, asked: bool) -> dict[str, object]:
    path, name = route.template, operation_id(route)
    operation: dict[str, Any] = {
        "operationId": name,
        "tags": [tag(route)],
        "summary": route.summary,
        "description": _description(route),
        "parameters": [*_path_parameters(path), *_query_parameters(route), *_header_parameters(route)],
        "responses": {str(status): _success(route, name, status) for status in route.gives},
        "x-scope": route.scope,  # a scheme other than OAuth's has none, says OpenAPI
    }
    refuses = {*route.refuses, *ANY} | ({404} if "{" in path else set())
    if route.verb != "GET":
        refuses |= {403, 413}
    if asked:
        schemes = SCHEMES | (OF_A_KEY if route.scope == "key" else {})
        operation["security"] = [] if route.scope == "open" else [{scheme: []} for scheme in schemes]
        refuses |= set() if route.scope == "open" else {401, 403, 429}
    for status in sorted(refuses):
        operation["responses"][str(status)] = _problem(status)
    if route.takes is not None:
        types = ["application/json", "application/merge-patch+json"][: 1 + (route.verb == "PATCH")]
        record = route.takes.__name__
        content: dict[str, Any] = {"schema": {"$ref": REF.format(name=record)}}
        if record in EXAMPLES:
            content["examples"] = {key: {"value": value} for key, value in EXAMPLES[record].items()}
        operation["requestBody"] = {"required": not route.bare, "content": dict.fromkeys(types, content)}
    return operation


def _description(route: Route) -> str:
    said = " ".join((route.answer.__doc__ or route.summary).split())
    if route.texts:  # in words: programs that are made from the description would leave out the whole call
        said += f" The body may come as text of another type too: {', '.join(route.texts)}."
    needed = NEEDED.get(route.scope, f"the scope `{route.scope}`")
    return said if route.scope == "open" else f"{said} Where callers need a token, this needs {needed}."


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
        "If-None-Match": 304 in route.gives or route.anew,
        "Prefer": operation_id(route) == PREFERRING,
        "Range": 206 in route.gives,
        "If-Range": 206 in route.gives,
    }
    whole = {"If-None-Match": {"schema": {"enum": ["*"]}}} if route.anew else {}
    return [
        {"name": name, "in": "header"} | IN_HEADER[name] | whole.get(name, {}) for name, here in known.items() if here
    ]


def _success(route: Route, name: str, status: int) -> dict[str, object]:
    kind = route.gives[status]
    response: dict[str, Any] = {"description": HTTPStatus(status).phrase}
    if isinstance(kind, str):
        is_text = kind.startswith(("text/", "image/"))
        response["content"] = {kind: {"schema": {"type": "string" if is_text else "object"}}}
        if route.tells:  # OpenAPI has no word for it
            response["content"][kind]["x-events"] = {
                name: {"anyOf": [{"$ref": REF.format(name=record.__name__)} for record in records]}
                for name, records in route.tells.items()
            }
    elif kind is not None:
        response["content"] = {"application/json": {"schema": {"$ref": REF.format(name=kind.__name__)}}}
    for media_type, record in route.also.items() if status == 200 else ():
        text = {"type": "string"} if record is str else {"$ref": REF.format(name=record.__name__)}
        response["content"][media_type] = {"schema": text}
    headers = _headers(route, name, status)
    if headers:
        response["headers"] = {header: HEADERS[header] for header in headers}
    if 206 in route.gives:  # only an output in a file has a tag
        response["headers"]["ETag"] = HEADERS["ETag"] | {"required": False}
    if status == 202 and name in FOLLOWS:
        source = "$response.header.Location#regex:/([^/]+)$"
        response["links"] = {
            next_one: {"operationId": next_one, "parameters": {variable: source}}
            for next_one, variable in FOLLOWS[name].items()
        }
    return response


def _headers(route: Route, name: str, status: int) -> list[str]:
    if status == 201:
        return ["Location", "ETag"] if route.verb == "PUT" else []
    if name in FOLLOWS:
        return ["Location"]
    if route.asks is not None and "after" in route.asks.__struct_fields__:  # type: ignore[attr-defined]
        return ["Link"]
    if status == 303:
        return ["Location"]
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
