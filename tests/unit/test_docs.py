"""The documentation: it builds without a warning, leaves nothing out, and what it shows is what the program does."""

from __future__ import annotations

import ast
import csv
import html
import pkgutil
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zoneinfo import ZoneInfo

import msgspec
import pytest

from jobsched import http, rest
from jobsched.config import legacy
from jobsched.config import options as config
from jobsched.http import from_json, problems
from jobsched.http.from_json import Defaults
from jobsched.http.route import Route, query_of
from jobsched.http.schemas import audit, batches, deliveries, job_keys, jobs, nodes, runs, tasks, why
from jobsched.model.cron import Cron
from jobsched.model.downtime import NO_DAEMON, Downtime
from jobsched.model.draft import Draft
from jobsched.model.errors import BadTrigger, JobschedError
from jobsched.model.job import Policy
from jobsched.model.owed import Situation, owed
from jobsched.model.preview import fires
from jobsched.model.receiver import Receivers
from jobsched.model.trigger import TICK, Schedule
from jobsched.rest import api
from jobsched.rest.openapi import describe
from jobsched.tap import Options
from tests.present import present

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFAULTS = Defaults(
    policy=Policy(), timezone="UTC", receivers=Receivers.of("https://hooks.example/", None, private=False)
)
NOBODY: Any = None  # nobody calls them
ROUTES = api.routes(NOBODY, NOBODY, config.Config(), lambda: NOW, lambda: False, NOBODY, NOBODY)
ROOMS = [
    import_module(room.name)
    for floor in (http, rest)
    for room in pkgutil.walk_packages(floor.__path__, f"{floor.__name__}.")
]
RECORDS = {
    kind.__name__: kind
    for room in ROOMS
    for name, kind in vars(room).items()
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct
    if not name.startswith("_")  # only a step of reading
}
# Told in the text of a page, not by a table.
IN_TEXT = {
    problems.Problem, problems.Fault, jobs.Jobs, runs.Runs, nodes.Nodes, tasks.Names, tasks.TaskOut, jobs.Fires,
    nodes.Health, audit.Entries, deliveries.Deliveries, jobs.JobRequests, jobs.Withheld, why.Dues,
    batches.BatchOut, job_keys.Keys,
}  # fmt: skip
SAYS = {"info", "warn", "error", "failure", "warning", "exception", "say", "_say", "failuresHandled"}
BELOW_WARNING = {"info"}
LOUD = SAYS - BELOW_WARNING


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The text of every page, by its name; warnings are errors."""
    pytest.importorskip("sphinx", reason="Sphinx is not installed; requirements-test.txt has it")
    pages = tmp_path_factory.mktemp("html")
    made = subprocess.run(
        [sys.executable, "-B", "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-b", "html", "-d",
         str(tmp_path_factory.mktemp("doctrees")), str(DOCS), str(pages)],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert made.returncode == 0, made.stdout
    return {page.stem: words(page.read_text("utf-8")) for page in pages.rglob("*.html")}


def words(page: str) -> str:
    """What a page says, without its markup."""
    return " ".join(html.unescape(re.sub("<[^>]*>", " ", page)).split())


@cache
def source(name: str) -> str:
    return (DOCS / f"{name}.rst").read_text("utf-8")


def rows(page: str, name: str) -> list[list[str]]:
    """The rows of a csv-table of that name, without the quotes of literals."""
    table = re.search(rf"\n   :name: {name}\n(?:   :.*\n)*\n((?:   .*\n)+)", source(page))
    assert table is not None, f"{page}.rst has no table {name}"
    read = csv.reader(table[1].splitlines(), skipinitialspace=True)
    return [[cell.strip().strip("`") for cell in row] for row in read]


def blocks(page: str, language: str) -> list[tuple[str, str]]:
    """The (class, text) of each code block."""
    found = re.findall(rf"\.\. code-block:: {language}\n(?:   :class: (.*)\n)?\n((?:   .*\n|\n)+)", source(page) + "\n")
    return [(kind, re.sub("(?m)^   ", "", text)) for kind, text in found]


# Nothing is left out.


@pytest.mark.slow
def test_it_builds_without_a_warning(built: dict[str, str]) -> None:
    assert {path.stem for path in DOCS.rglob("*.rst")} <= set(built)


@pytest.mark.slow
def test_the_reference_has_every_call_and_record(built: dict[str, str]) -> None:
    description: Any = describe(ROUTES)
    calls = [(verb.upper(), path, call["operationId"])
             for path, verbs in description["paths"].items() for verb, call in verbs.items()]  # fmt: skip
    for verb, path, name in calls:
        assert f"{verb} {path} " in built["reference"]
        assert f"( {name} )" in built["reference"]
    assert [name for name in description["components"]["schemas"] if f" {name} ¶ " not in built["reference"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", list(config.FIELDS))
def test_every_option_is_there(built: dict[str, str], name: str) -> None:
    assert f" {name} " in built["configuration"]


@pytest.mark.slow
def test_every_option_of_the_command_line_is_there(built: dict[str, str]) -> None:
    named = [name.removeprefix("opt_") for name in vars(Options) if name.startswith("opt_")]
    for name in [parameter[0] for parameter in Options.optParameters] + named:
        assert f"--{name} " in built["configuration"]


@pytest.mark.slow
@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_every_field_is_there(built: dict[str, str], record: type[msgspec.Struct]) -> None:
    for field in msgspec.structs.fields(record):
        shown = built["http"] + built["pausing"]
        if record in IN_TEXT:
            assert f'"{field.encode_name}"' in shown.replace("“", '"').replace("”", '"')
        else:
            assert f" {field.encode_name} " in shown
            assert f".. fields:: {record.__name__}\n" in source("http") + source("pausing")


@pytest.mark.parametrize("record", RECORDS.values(), ids=RECORDS)
def test_every_field_says_what_it_means(record: type[msgspec.Struct]) -> None:
    _, components = msgspec.json.schema_components([record])
    fields = components[record.__name__]["properties"]
    assert [name for name, field in fields.items() if not field.get("description")] == []


def messages() -> set[str]:
    """What the program may log at WARNING or above, as it stands in the source."""
    found = set()
    calls = re.compile(rf"\b(?:{'|'.join(LOUD)})\(")  # most modules say nothing: to parse them all takes a second
    for path in (ROOT / "jobsched").rglob("*.py"):
        module = path.read_text("utf-8")
        for node in ast.walk(ast.parse(module)) if calls.search(module) else ():
            match node:
                case ast.Call(func=ast.Attribute(attr=said) | ast.Name(id=said), args=[ast.Constant(str(text)), *_]):
                    if said in LOUD:
                        found.add(text)
    return found


@pytest.mark.parametrize("message", sorted(messages()))
def test_every_message_is_explained(message: str) -> None:
    assert message in " ".join(source("operations").split())


# What is shown is true.


@pytest.mark.parametrize(("expression", "expected"), rows("time", "cron-rows"))
def test_cron_rows(expression: str, expected: str) -> None:
    first = present(Cron(expression=expression).next_after(NOW))
    second = Cron(expression=expression).next_after(first)
    assert f"{first:%Y-%m-%d %H:%M}, {second:%Y-%m-%d %H:%M}" == expected


@pytest.mark.parametrize(("expression", "zone", "since", "until", "expected"), rows("time", "reference-rows"))
def test_reference_rows(expression: str, zone: str, since: str, until: str, expected: str) -> None:
    first, last = (
        datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for text in (since, until)
    )
    draft = Draft(task="", name="", cron=expression, timezone=zone)
    found = [fire.at for fire in fires(draft, first - TICK, 100) if fire.utc < last]
    assert ", ".join(f"{nth(at.day)} {at:%H:%M}{at.isoformat()[-6:]}" for at in found) == expected.replace("none", "")


def instant(local: str, zone: str) -> datetime:
    return datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)


def nth(day: int) -> str:
    return f"{day}{'th' if 10 < day < 20 else {1: 'st', 2: 'nd', 3: 'rd'}.get(day % 10, 'th')}"


def test_catch_up_rows() -> None:
    asked: dict[tuple[str, str], list[tuple[str, ...]]] = {}
    case = ("", "")
    for catch_up, grace, *row in rows("time", "catch-up-rows"):
        case = (catch_up, grace) if catch_up else case
        asked.setdefault(case, []).append(tuple(row))
    assert len(asked) == 5
    for (catch_up, grace), expected in asked.items():
        assert caught_up(catch_up, grace) == expected


def caught_up(catch_up: Any, grace: str) -> list[tuple[str, ...]]:
    def at(text: str) -> datetime:
        return datetime.fromisoformat(f"2026-01-01T{text}Z")

    policy = Policy(catch_up=catch_up, misfire_grace=None if grace == "null" else timedelta(seconds=int(grace)))
    back = at("03:20:30")
    answer = owed(
        Schedule(trigger=Cron(expression="*/10 * * * *")),
        policy,
        Situation(
            next_due=at("02:50:00"), now=back, able_since=back, downtimes=[Downtime(at("02:45:00"), back, NO_DAEMON)]
        ),
    )
    fates = {"run": "runs", "queue": "waits, then runs"}
    return [
        (
            f"{stretch.due:%H:%M}",
            f"{stretch.until:%H:%M}" if stretch.count > 1 else "",
            fates.get(stretch.fate, stretch.fate),
            stretch.reason,
        )
        for stretch in answer.stretches
    ]


@pytest.mark.parametrize(("expression", "hint"), rows("time", "hint-rows"))
def test_hint_rows(expression: str, hint: str) -> None:
    with pytest.raises(BadTrigger) as refused:
        Cron(expression=expression)
    assert str(refused.value).endswith("; " + hint.strip("`"))


@pytest.mark.parametrize(("old", "ours", "warning"), rows("configuration", "legacy-rows"))
def test_legacy_rows(old: str, ours: str, warning: str) -> None:
    found, warnings = legacy.translate(ast.literal_eval(f"{{{old}}}"))
    assert found == ast.literal_eval(f"{{{ours}}}")
    assert [text.partition("]: ")[2] for text in warnings] == ([warning] if warning else [])


# Examples.


def commands(page: str) -> Iterator[list[str]]:
    """The words of each curl command."""
    for _, text in blocks(page, "console"):
        for line in text.replace("\\\n", " ").splitlines():
            if line.startswith("$ curl "):
                yield shlex.split(line.removeprefix("$ "))


def asked(command: list[str]) -> tuple[str, str, str | None]:
    """(verb, address, body) of a curl command; a body from a file is `@` and its name."""
    option = next((option for option in ("-d", "--data-binary") if option in command), None)
    body = command[command.index(option) + 1] if option else None
    verb = command[command.index("-X") + 1] if "-X" in command else "POST" if body else "GET"
    address = next(word for word in command if word.startswith("localhost:58631/"))
    return verb, address, body


def serves(route: Route, path: str) -> bool:
    return re.fullmatch(re.sub("<.*?>", "[^/]+", route.path), path) is not None


def route_of(verb: str, path: str) -> Route:
    """The route that serves a path, one without variables first."""
    serving = [route for route in ROUTES if route.verb == verb and serves(route, path)]
    assert serving, f"nothing serves {verb} {path}"
    return min(serving, key=lambda route: route.path.count("<"))


PAGES = sorted(path.stem for path in DOCS.glob("*.rst"))
EXAMPLES = [(page, *asked(command)) for page in PAGES for command in commands(page)]


@pytest.mark.parametrize(("page", "verb", "address", "body"), EXAMPLES)
def test_examples_are_understood(page: str, verb: str, address: str, body: str | None) -> None:
    url = urlsplit(f"//{address}")
    route = route_of(verb, url.path)
    query = parse_qs(url.query.encode())
    assert not query or (route.asks is not None and query_of(query, route.asks) is not None)
    assert (route.takes is None) == (body is None) or route.bare
    if body is not None and not body.startswith("@"):  # a file is sent by the tests that play the page
        refused = '{"seconds": 0}' in body
        try:
            understood(msgspec.json.decode(present(body), type=route.takes))
        except JobschedError:
            assert refused, f"{page}: {body}"
        else:
            assert not refused


def understood(request: object) -> None:
    """A body that is shown makes a job, changes one, or can be looked ahead with."""
    match request:
        case jobs.JobIn():
            from_json.draft(request, DEFAULTS).job("an id", NOW)
        case jobs.PatchIn():
            before = Draft(task="runfoo", name="foo1", every=timedelta(minutes=5)).job("an id", NOW)
            from_json.merged(before, request, DEFAULTS).job("an id", NOW)
        case jobs.PreviewIn():
            assert list(fires(*from_json.preview(request, DEFAULTS, NOW), request.count))


def test_every_call_has_an_example() -> None:
    shown = {id(route_of(verb, urlsplit(f"//{address}").path)) for page, verb, address, _ in EXAMPLES if page == "http"}
    assert [f"{route.verb} {route.path}" for route in ROUTES if id(route) not in shown] == []


@pytest.mark.parametrize(("kind", "text"), blocks("http", "json"))
def test_answers_have_the_fields_of_today(kind: str, text: str) -> None:
    record = RECORDS[kind]
    shown = msgspec.json.decode(text)
    always = [field for field in msgspec.structs.fields(record) if field.default is not msgspec.UNSET]
    assert list(shown) == [field.encode_name for field in always]
    msgspec.convert(shown, record)


def test_preview_answers_as_shown() -> None:
    [body] = [body for page, verb, address, body in EXAMPLES if page == "http" and address.endswith("/preview")]
    asked = msgspec.json.decode(present(body), type=jobs.PreviewIn)
    [shown] = [text for kind, text in blocks("http", "json") if kind == "Fires"]
    found = list(fires(*from_json.preview(asked, DEFAULTS, NOW), asked.count))
    answer = jobs.Fires(fires=[jobs.FireOut(at=fire.at, utc=fire.utc, note=fire.note) for fire in found])
    assert msgspec.json.decode(msgspec.json.encode(answer)) == msgspec.json.decode(shown)


@pytest.mark.parametrize("text", [text for _, text in blocks("tasks", "python")])
def test_tasks_that_are_shown_can_be_loaded(text: str, tmp_path: Path) -> None:
    from jobsched.config import catalog

    (tmp_path / "shown.py").write_text(text)
    name = present(re.search(r"class (\w+)", text))[1]
    options = {"Dump": "host = db", "Report": "title = a", "Check": "url = http://localhost"}.get(name, "")
    (tmp_path / "catalog.cfg").write_text(f"[shown]\nfile = shown.py\nclass = {name}\n{options}\n")
    task = catalog.load(tmp_path / "catalog.cfg", tmp_path).get("shown")
    assert task is not None
    assert task.kind == {"Dump": "command", "Report": "process", "Check": "async", "Ping": "thread"}[name]


@pytest.mark.parametrize("text", [text for _, text in blocks("configuration", "python")])
def test_configuration_that_is_shown_can_be_read(text: str, tmp_path: Path) -> None:
    (tmp_path / "jobsched.cfg").write_text(text)
    assert config.load(tmp_path, tmp_path).max_running == 16


def test_no_path_of_a_machine_is_told() -> None:
    for path in DOCS.rglob("*.*"):
        if "__pycache__" in path.parts:
            continue
        assert not re.search(rb"/(home|work|root)/", path.read_bytes()), path
