"""Who may do what: every route, asked with every kind of token; and what a token for some tasks sees of the others."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from contextlib import suppress
from http.client import HTTPResponse
from typing import Any
from urllib.parse import urlsplit

import pytest

from jobsched.config import options
from jobsched.config.tokens import FILE, hashed, make
from jobsched.http.route import Route
from jobsched.model.caller import SCOPES
from jobsched.rest import api
from tests.system.daemon import GENEROUS, daemon_in, until
from tests.system.secured import SecuredDaemon, token

ROUTES: list[Route] = api.routes(None, None, options.Config(), None, None, None, None)  # type: ignore[arg-type]  # nobody calls them
MISSING = {"job_id": "01a20840-5f25-7789-a586-53fa4a101b39", "run_id": "01a20840-5f25-7789-a586-53fa4a101b40",
           "name": "nosuchtask", "key_id": "01a20840-5f25-7789-a586-53fa4a101b41"}  # fmt: skip
ENDLESS = {"/events"}  # what it tells whom: test_events
ASKING = {"token": "one, whatever its scopes", "any": "a scope that depends on what is asked"}  # for any token
NEEDED = {**ASKING, "key": "the scope `read`, or a key of the job"}
HIDDEN = "hidden"  # in the name of all that the narrow token must not see


def section(name: str, secret: str, more: str) -> str:
    return f"\n[{name}]\nhash = {hashed(secret.encode())}\n{more}\n"


@pytest.fixture(scope="module")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecuredDaemon]:
    with daemon_in(tmp_path_factory.mktemp("who") / "daemon") as daemon:
        daemon.section(f"[{HIDDEN}]\nfile = runscript.py\nclass = RunScript\nscript = foo.bash\n")
        daemon.script("tells", "#!/bin/sh\necho hunter22\nexit 1\n")
        tokens: dict[str, str] = {scope: token(daemon, scope, "--scope", scope) for scope in SCOPES}
        three = ("--scope", "read", "--scope", "run", "--scope", "write")
        tokens["all three"] = token(daemon, "three", *three)
        tokens["narrow"] = token(daemon, "narrow", *three, "--tasks", "run*, ex?mple")
        tokens |= {"expired": make(), "foreign": make()}
        with (daemon.folder / "conf" / FILE).open("a") as file:
            file.write(section("expired", tokens["expired"], "scopes = admin\nexpires = 2020-01-01T00:00:00Z"))
        endpoint = f"tcp:{daemon.port}:interface=127.0.0.1"
        daemon.start("--listen", endpoint, "--listen", "unix:socket")
        yield SecuredDaemon(daemon, tokens)


def path_of(route: Route, ids: dict[str, str] = MISSING) -> str:
    return re.sub("<(.*?)>", lambda found: {**MISSING, **ids}[found[1]], route.path)


def name_of(route: Route) -> str:
    return f"{route.verb} {route.path}"


@pytest.mark.parametrize("route", ROUTES, ids=name_of)
@pytest.mark.parametrize("who", ["nobody", "foreign", "expired", *SCOPES])
def test_every_route_lets_in_whom_it_should_and_nobody_else(secured: SecuredDaemon, route: Route, who: str) -> None:
    body: dict[str, Any] | None = None if route.takes is None else {}
    for verb in {"HEAD"} if route.path in ENDLESS else {route.verb, "HEAD" if route.verb == "GET" else route.verb}:
        answer = secured.ask(verb, path_of(route), "" if who == "nobody" else who, body)
        scope = "read" if route.scope == "key" else route.scope
        if scope == "open" or who in {scope, "admin"} or (route.scope in ASKING and who in SCOPES):
            assert answer.status not in {401, 403, 429, 500}, answer
        elif who in SCOPES:
            assert answer.status == 403
            assert verb == "HEAD" or repr(scope) in answer.json["detail"]
        else:
            assert answer.status == 401
            assert answer.headers["www-authenticate"] == 'Bearer realm="jobsched", Basic realm="jobsched"'
            assert answer.headers["content-type"] == "application/problem+json"


def test_every_scope_has_a_route_and_little_is_open() -> None:
    assert {route.scope for route in ROUTES} == {"open", "key", *ASKING, *SCOPES}
    assert {route.path for route in ROUTES if route.scope in ASKING} == {"/jobs:batch", "/me"}
    of_a_key = {"/jobs/<job_id>/badge.svg", "/jobs/<job_id>/calendar.ics"}
    assert {route.path for route in ROUTES if route.scope == "key"} == of_a_key
    assert {route.path for route in ROUTES if route.scope == "open"} == {"/", "/health", "/health/ready", "/errors"}


@pytest.mark.parametrize("who", [*SCOPES, "narrow"])
def test_each_token_hears_which_it_is(secured: SecuredDaemon, who: str) -> None:
    found = secured.ask("GET", "/me", who).json
    assert found["name"] == who
    assert found["scopes"] == (
        list(SCOPES) if who == "admin" else ["read", "run", "write"] if who == "narrow" else [who]
    )
    assert found["tasks"] == (["run*", "ex?mple"] if who == "narrow" else None)
    assert (found["open"], found["expires"]) == (False, None)


@pytest.mark.parametrize("path", ["//", "/no/such", "/jobs/a/b/c/d"])
def test_what_is_no_route_tells_nothing(secured: SecuredDaemon, path: str) -> None:
    assert secured.ask("GET", path).status == 404


def test_a_unix_socket_asks_too(secured: SecuredDaemon) -> None:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(GENEROUS)
        client.connect(str(secured.daemon.folder / "socket"))
        client.sendall(b"GET /catalog HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answer = HTTPResponse(client)
        answer.begin()
        assert answer.status == 401


def test_the_description_says_what_each_call_needs(secured: SecuredDaemon) -> None:
    described = secured.ask("GET", "/openapi.json", "read").json

    assert set(described["components"]["securitySchemes"]) == {"token", "password", "key"}
    for route in ROUTES:
        operation = described["paths"][re.sub("<(.*?)>", r"{\1}", route.path)][route.verb.lower()]
        if route.scope == "open":
            assert operation["security"] == []
            assert "401" not in operation["responses"]
        else:
            of_a_key: list[dict[str, list[str]]] = [{"key": []}] if route.scope == "key" else []
            assert operation["security"] == [{"token": []}, {"password": []}, *of_a_key]
            assert operation["x-scope"] == route.scope
            needed = NEEDED.get(route.scope, f"the scope `{route.scope}`")
            assert f"this needs {needed}." in operation["description"]
            assert {"401", "403", "429"} <= operation["responses"].keys()


# A token for some tasks.


@pytest.fixture(scope="module")
def secret(secured: SecuredDaemon) -> dict[str, str]:
    """The ids of things that the narrow token must not see."""
    job = secured.make(HIDDEN, name=f"{HIDDEN} job")
    run = secured.run(job)
    return {"job_id": job.rpartition("/")[2], "run_id": run.rpartition("/")[2], "name": HIDDEN}


@pytest.mark.parametrize(  # PUT tells that an id is taken, whoever asks: see test_ids
    "route", [route for route in ROUTES if "<" in route.path and route.verb != "PUT"], ids=name_of
)
def test_what_is_hidden_is_answered_as_what_is_not_there(
    secured: SecuredDaemon, secret: dict[str, str], route: Route
) -> None:
    body = {"name": "mine"} if route.takes is not None and not route.bare else None
    for query in ("", "?follow=1", "?wait=1", "?cancel=1", "?tail=1"):
        hidden = secured.ask(route.verb, path_of(route, secret) + query, "narrow", body)
        missing = secured.ask(route.verb, path_of(route) + query, "narrow", body)
        here, there = hidden.text, missing.text
        for name, value in secret.items():
            here, there = here.replace(value, name), there.replace(MISSING[name], name)
        assert (hidden.status, here) == (missing.status, there)
        assert hidden.status in {400, 403, 404}
        if query == "" and route.scope in {"read", "run", "write"}:
            assert hidden.status == 404
            job = secured.make(HIDDEN)
            ids = secret | {"job_id": job.rpartition("/")[2]}
            if "<key_id>" in route.path:
                ids["key_id"] = secured.ask("POST", f"{job}/keys", "admin").json["id"]
            assert secured.ask(route.verb, path_of(route, ids), "all three", body).status != 404
    shown = secured.ask("GET", f"/jobs/{secret['job_id']}", "admin").json
    assert (shown["name"], shown["paused"]) == (f"{HIDDEN} job", False)
    assert len(secured.ask("GET", f"/jobs/{secret['job_id']}/runs", "admin").json["values"]) <= 2


NAMELESS = {"/openapi.json", "/preview", "/hold", "/runs/counts", "/storage"}  # calls that name no job


@pytest.mark.parametrize(
    "route",
    [route for route in ROUTES if "<" not in route.path and route.verb == "GET" and route.path not in ENDLESS],
    ids=name_of,
)
def test_no_list_tells_of_what_is_hidden(secured: SecuredDaemon, secret: dict[str, str], route: Route) -> None:
    queries = ["", "?limit=1000", f"?task={HIDDEN}", f"?name={HIDDEN}%20job", "?state=succeeded"]
    for query in queries if route.asks is not None else [""]:
        answer = secured.ask("GET", route.path + query, "narrow")
        assert not any(value in answer.text for value in secret.values()), answer
    if route.scope == "read" and route.path not in NAMELESS:
        assert any(value in secured.ask("GET", route.path, "all three").text for value in secret.values())


def test_pages_are_full_although_others_have_jobs_between(secured: SecuredDaemon) -> None:
    made = []
    for _ in range(4):
        made.append(secured.make("runfoo", "narrow"))
        secured.make(HIDDEN)
    path: str | None = "/jobs?limit=2"
    found = []
    while path:
        answer = secured.ask("GET", path, "narrow")
        found.append([f"/jobs/{job['id']}" for job in answer.json["values"]])
        after = re.search("<(.*?)>", answer.headers.get("link", ""))
        path = after and urlsplit(after[1])._replace(scheme="", netloc="").geturl()
    assert all(len(page) == 2 for page in found[:-1])
    assert [job for page in found for job in page][-4:] == made


def test_a_hidden_task_cannot_be_scheduled_like_an_absent_one(secured: SecuredDaemon) -> None:
    def refused(task: str) -> tuple[int, str]:
        answer = secured.ask("POST", "/jobs", "narrow", {"task": task, "name": "n", "interval": {"hours": 1}})
        return answer.status, answer.text.replace(task, "TASK")

    assert refused(HIDDEN) == refused("nosuchtask")
    assert refused(HIDDEN)[0] == 404
    mine = secured.make("example", "narrow")
    moved = secured.ask("PATCH", mine, "narrow", {"task": HIDDEN})
    assert (moved.status, moved.text.replace(HIDDEN, "TASK")) == refused("nosuchtask")


def test_a_job_that_left_for_a_hidden_task_shows_old_runs_alone(secured: SecuredDaemon) -> None:
    job = secured.make("runfoo")
    old = secured.run(job)
    assert secured.ask("PATCH", job, "admin", {"task": HIDDEN}).status == 200
    secured.run(job)

    assert secured.ask("GET", job, "narrow").status == 404
    assert [f"/runs/{run['id']}" for run in secured.ask("GET", f"{job}/runs", "narrow").json["values"]] == [old]
    assert secured.ask("GET", f"{old}/output", "narrow").status == 200
    assert secured.ask("PATCH", job, "admin", {"task": "runfoo"}).status == 200
    assert secured.ask("GET", job, "narrow").json["last_run"] is None  # the newest is of the other task


def test_to_follow_a_run_that_one_starts_is_to_read(secured: SecuredDaemon) -> None:
    job = secured.make("runfoo")
    assert secured.ask("POST", f"{job}/run?follow=1", "run").status == 403
    assert secured.ask("GET", f"{job}/runs", "admin").json["values"] == []
    assert secured.ask("POST", f"{job}/run?follow=1", "all three").status == 200


def test_to_set_parameters_of_a_run_is_to_write(secured: SecuredDaemon) -> None:
    job = secured.make("runfoo")
    refused = secured.ask("POST", f"{job}/run", "run", {"parameters": {}})
    assert (refused.status, "the scope 'write'" in refused.json["detail"]) == (403, True)
    assert secured.ask("GET", f"{job}/runs", "admin").json["values"] == []
    assert secured.ask("POST", f"{job}/run", "run", {"due": "2026-01-01T00:00Z"}).status == 202
    assert secured.ask("POST", f"{job}/run", "all three", {"parameters": {}}).status == 202


def test_each_token_has_idempotency_keys_of_its_own(secured: SecuredDaemon) -> None:
    body = {"task": "runfoo", "name": "n", "interval": {"hours": 1}}
    made = {who: [secured.ask("POST", "/jobs", who, body, idempotency_key="k" * 255).headers["location"] for _ in "12"]
            for who in ("write", "narrow", "admin")}  # fmt: skip
    assert len({location for pair in made.values() for location in pair}) == 3
    job = urlsplit(made["admin"][0]).path
    runs = [
        secured.ask("POST", f"{job}/run", who, idempotency_key="r").headers["location"]
        for who in ("run", "narrow", "run")
    ]
    assert runs[0] == runs[2] != runs[1]


def test_no_token_is_in_the_log_or_in_the_files(secured: SecuredDaemon) -> None:
    assert secured.ask("GET", "/jobs", "foreign").status == 401
    until(lambda: re.search(r"WARNING .*127\.9\.\d+\.\d+ sent an unknown token", secured.daemon.log))
    for secret in secured.tokens.values():
        assert secret not in secured.daemon.log
        for path in secured.daemon.folder.rglob("*"):
            with suppress(FileNotFoundError):  # the daemon has just taken it away
                assert not path.is_file() or secret.encode() not in path.read_bytes()


def test_who_may_not_read_is_quoted_nothing_of_an_output(secured: SecuredDaemon) -> None:
    """Every call that needs another scope, with all that such a caller may send."""
    job = secured.make("tells")
    run = urlsplit(secured.ask("POST", f"{job}/run", "run").headers["location"]).path
    ended = secured.ask("GET", f"{run}?wait=30", "read").json
    assert ended["reason"] == "exit code 1, last line: hunter22"
    assert secured.ask("GET", job, "read").json["last_run"]["reason"] == ended["reason"]
    assert secured.ask("PATCH", job, "all three", {"retries": 1}).json["last_run"]["reason"] == ended["reason"]
    ids = {"job_id": job.rpartition("/")[2], "run_id": run.rpartition("/")[2], "name": "tells"}
    whole = {"task": "tells", "name": "a", "cron": "@daily"}
    bodies = {"POST /jobs": whole, "PUT /jobs/<job_id>": whole, "PATCH /jobs/<job_id>": {"retries": 2}} | {
        "PUT /jobs": {"jobs": [whole | {"id": ids["job_id"]}]}
    }
    bodies["PUT /hold"] = {"select": {"names": ["none"]}}
    ids["key_id"] = secured.ask("POST", f"{job}/keys", "admin").json["id"]
    last = sorted(ROUTES, key=lambda route: 999 - len(route.path) if route.verb == "DELETE" else 0)
    asked = [route for route in last if route.scope in {"run", "write"}]
    shown = 0
    for route in asked:
        for more in ("", "?follow=1") if route.path.endswith("/run") else ("",):
            answer = secured.ask(route.verb, path_of(route, ids) + more, route.scope, bodies.get(name_of(route)))
            assert answer.status in {200, 201, 202, 403, 409}, (name_of(route), answer)
            assert "hunter22" not in answer.text + str(answer.headers)
            if '"last_run":{' in answer.text:
                shown += 1
                said = answer.json["last_run"]
                assert said["reason"] == "not shown without the scope 'read'"
                assert said["state"] in {"failed", "skipped", "running", "waiting"}
    assert shown >= 3
    assert len(asked) == 14
