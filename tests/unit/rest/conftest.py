"""The whole daemon but for its ports and threads, asked through its site, in memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPResponse, IncompleteRead
from io import BytesIO
from pathlib import Path
from shutil import copyfile
from typing import Any

import attrs
import pytest
from twisted.internet.task import deferLater
from twisted.internet.testing import MemoryReactorClock, StringTransport
from twisted.python.failure import Failure
from werkzeug.routing import Rule

from jobsched.config.catalog import Catalog
from jobsched.model.run import Run
from tests.fakes import InlinePool

ROOT = Path(__file__).parents[3]

EPOCH = 1_344_823_200.0  # 2012-08-13 02:00:00 UTC

EXAMPLE = {"task": "example", "name": "a job", "interval": {"seconds": 1}}


class Reactor(MemoryReactorClock):
    """Time stands still at EPOCH until a test lets it pass. The wall clock shows the same, plus `stepped`."""

    def __init__(self) -> None:
        super().__init__()
        self.rightNow = EPOCH
        self.stepped = 0.0

    def wall(self) -> float:
        return self.seconds() + self.stepped

    def callFromThread(self, call: Callable[..., Any], *args: Any, **kwargs: Any) -> None:
        call(*args, **kwargs)


@attrs.frozen
class Answer:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body, read."""
        assert self.headers["content-type"] in {"application/json", "application/problem+json"}
        return json.loads(self.body)

    @property
    def problem(self) -> tuple[int, str, list[str]]:
        """Status, detail and pointers, of an answer that must be a problem in every part."""
        assert self.headers["content-type"] == "application/problem+json"
        assert self.headers["content-length"] == str(len(self.body))
        problem = self.json
        assert list(problem) == ["type", "title", "status", "detail", "errors"]
        assert problem["status"] == self.status
        assert problem["title"] != "Error"
        return self.status, problem["detail"], [fault["pointer"] for fault in problem["errors"]]


def exchange(site: Any, request: bytes) -> tuple[bytes, StringTransport]:
    """What a site says to these bytes."""
    channel = site.buildProtocol(None)
    transport = StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(request)
    said = transport.value()
    channel.connectionLost(Failure(ConnectionResetError()))
    return said, transport


def ask(site: Any, method: str, path: str, body: bytes = b"", **headers: str) -> Answer:
    """Send one request; a header is named as in `content_type`."""
    said, _ = exchange(site, _request(method, path, body, headers))
    return _answer(method, said)


async def fetch(site: Any, method: str, path: str, **headers: str) -> tuple[Answer, StringTransport]:
    """The same where the answer takes some turns of the reactor, as a file does; and the wire."""
    from twisted.internet import reactor

    channel, transport = site.buildProtocol(None), StringTransport()
    channel.makeConnection(transport)
    channel.dataReceived(_request(method, path, b"", headers))
    while channel.requests and not transport.disconnecting and not transport.disconnected:
        await deferLater(reactor, 0)
    said = transport.value()
    channel.connectionLost(Failure(ConnectionResetError()))
    return _answer(method, said), transport


def _request(method: str, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    given = {"host": "jobs.example"} | {name.replace("_", "-"): value for name, value in headers.items()}
    if body:
        given = {"content-type": "application/json", "content-length": str(len(body))} | given
    head = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in given.items() if value)]
    return "\r\n".join([*head, "", ""]).encode("latin-1") + body


def _answer(method: str, said: bytes) -> Answer:
    reader = HTTPResponse(Socket(said), method=method)  # type: ignore[arg-type]  # a fake
    reader.begin()
    try:
        body = reader.read()
    except IncompleteRead as why:
        body = why.partial
    answer = Answer(reader.status, {name.lower(): value for name, value in reader.getheaders()}, body)
    assert answer.body == b"" or "html" not in answer.headers["content-type"]
    return answer


@attrs.frozen
class Socket:
    """What http.client reads an answer from."""

    said: bytes

    def makefile(self, _mode: str) -> BytesIO:
        return BytesIO(self.said)


@attrs.frozen
class Front:
    """The door of a daemon without ports."""

    site: Any
    reactor: Reactor
    store: Any

    def get(self, path: str, **headers: str) -> Answer:
        """GET."""
        return ask(self.site, "GET", path, b"", **headers)

    def post(self, body: object, path: str = "/jobs", **headers: str) -> Answer:
        """POST of bytes as they are, of anything else as JSON."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        return ask(self.site, "POST", path, data, **headers)

    def job(self, **fields: object) -> str:
        """Make a job; its path."""
        answer = self.post(EXAMPLE | fields)
        assert answer.status == 202, answer.body
        return answer.headers["location"].removeprefix("http://jobs.example")

    def run(self, job: str, number: int = 0, **fields: Any) -> str:
        """Put a run of a job into the store; its id."""
        from jobsched.clock import now
        from jobsched.store.sql import runs

        instant = now(self.reactor)
        run_id = f"01a20000-0000-7000-8000-{number:012}"
        common: dict[str, Any] = {
            "id": run_id,
            "job_id": job.rpartition("/")[2],
            "job_name": "a job",
            "task": "example",
            "due": instant.replace(microsecond=number),
            "created": instant,
            "state": "succeeded",
        }
        run = Run(**common | fields)
        self.store.write(runs.insert_all, [run])
        return run_id


DESCRIBED: dict[bool, dict[str, Any]] = {}


def remembered(describe: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    """Makes what `/openapi.json` says once for all daemons: it takes as long as a test."""

    def once(routes: Any, asked: bool = True) -> dict[str, Any]:
        if asked not in DESCRIBED:
            DESCRIBED[asked] = describe(routes, asked)
        return DESCRIBED[asked]

    return once


@pytest.fixture(scope="session", autouse=True)
def compiled_once() -> Iterator[None]:
    """Has each path's builder of URLs, which nothing here calls, compiled once and not for each daemon.

    The function depends on the path and nothing else, for our rules have neither a host nor defaults. The compiling
    took two thirds of the time that a daemon takes to be built.
    """
    from jobsched.rest import openapi

    compiling = Rule._compile_builder
    compiled: dict[tuple[str, bool], Callable[..., tuple[str, str]]] = {}

    def remembering(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        assert not rule.defaults
        assert not rule.host
        assert not rule.subdomain
        key = rule.rule, append_unknown
        if key not in compiled:
            compiled[key] = compiling(rule, append_unknown)
        return compiled[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", remembering)
        patch.setattr(openapi, "describe", remembered(openapi.describe))
        yield


@contextmanager
def daemon(folder: Path, migrated: Path, tasks: Catalog) -> Iterator[Front]:
    """A daemon that is built and never started; its store is a real one, asked without threads."""
    from jobsched import parts, service
    from jobsched.config import options
    from jobsched.store.sql import store

    def open_store(reactor: Any, url: str, **more: Any) -> store.Store:
        return store.Store(reactor, url, InlinePool, **more)  # type: ignore[arg-type]  # a fake

    reactor = Reactor()
    configuration = options.Config(store=f"sqlite:///{folder}/jobsched.sqlite", allowed_hosts=["jobs.example", "h"])
    copyfile(migrated, folder / "jobsched.sqlite")
    folders = parts.Folders(conf=ROOT / "conf", tasks=ROOT / "tasks", state=folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts, "open_store", open_store)
        secured, site = service.build(reactor, configuration, tasks, folders, [], wall=reactor.wall)  # type: ignore[arg-type]  # a fake
    found = next(part for part in secured if isinstance(part, store.Store))
    yield Front(site, reactor, found)
    found._engine.dispose()


@pytest.fixture(scope="session")
def shipped() -> Catalog:
    """The catalog that comes with the project. A catalog never changes; a reload reads another."""
    from jobsched.config import catalog

    return catalog.load(ROOT / "conf" / "catalog.cfg", ROOT / "tasks")


@pytest.fixture
def front(tmp_path: Path, migrated: Path, shipped: Catalog) -> Iterator[Front]:
    """A daemon of the test's own."""
    with daemon(tmp_path, migrated, shipped) as front:
        yield front


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory, migrated: Path, shipped: Catalog) -> Iterator[Front]:
    """One daemon for all tests of a module that change nothing in it: it has no job, then as before."""
    with daemon(tmp_path_factory.mktemp("unchanged"), migrated, shipped) as front:
        yield front
        assert front.get("/jobs").json == {"values": []}
