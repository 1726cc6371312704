"""Nobody reaches into another's attributes; the parts of a daemon start in the order of one list."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobsched import parts, service
from jobsched.config import catalog, options
from jobsched.events import Events, Topic
from jobsched.model.run import Run
from tests.unit.rest.conftest import Reactor

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "jobsched"

# What is assigned to attributes of an object that is neither `self` nor a record of the same module, and why.
ALLOWED = {
    "clock.py": {"seconds": "the one count that Twisted's timers go by: `twisted_private` tells of it"},
    "config/catalog.py": {
        "atexit": "weakref's own switch: nothing is to be forgotten when the interpreter ends",
    },
    "config/faults.py": {"optionxform": "configparser's own switch: names keep their case"},
    "config/source.py": {"has_location": "importlib's own switch: the module has a file"},
    "daemon/log_worker.py": {
        "log_worker": "a mark on the thread, in a threading.local of this module",
    },
    "daemon/logs.py": {
        "handleError": "logging asks for it: the handlers are the user's, and nothing else tells of their failures",
    },
    "runner/fork_server.py": {
        "argv": "of `sys`: a forked process is another program than its server",
        "restype": "ctypes' own way to say what a function returns",
    },
    "loops.py": {"clock": "Twisted's own way to give a LoopingCall its clock"},
    "model/success.py": {
        "max_mem": "RE2's own way to set an option",
        "log_errors": "RE2's own way to set an option",
    },
    "notifications/endpoint.py": {"dataReceived": "the one way to count bytes before Twisted's HTTP client has them"},
    "notifications/mail.py": {
        "noisy": "Twisted's own switch of a factory",
        "sendFinished": "SMTPSenderFactory's own mark: it is not to tell of the end of its connection",
    },
    "http/app.py": {
        "merge_slashes": "werkzeug's own setting of a map, which Klein makes",
        "taken": "a note on the request: the route that took it",
        "known": "a note on the request: whoever sent it has a token",
    },
    "http/auth.py": {"logged": "a note on the request, for the line that the site writes of it"},
    "http/connection.py": {"bufferSize": "Twisted's own setting of a transport"},
    "rest/relay.py": {
        "maxPersistentPerHost": "Twisted's own setting of a pool",
        "cachedConnectionTimeout": "Twisted's own setting of a pool",
    },
    "ui/frame.py": {
        "taken": "a note on the request, as of `http.app`: it is answered with the screen of another",
        "known": "a note on the request, as of `http.app`",
    },
    "ui/looks.py": {"look": "a note on the request: others wait for its screen"},
    "http/site.py": {"persistent": "Twisted's own word for a channel that takes another request"},
    "runner/inprocess.py": {"stdout": "what tasks print belongs to their runs", "stderr": "the same"},
    "executor/program.py": {"propagate": "a logger's own setting: the lines of runs go to the daemon alone"},
    "runner/runner.py": dict.fromkeys(
        ("call", "noting", "output", "run", "stop"), "its own record of a run, which has a module for want of room"
    ),
    "scheduler/ticker.py": {
        "clock": "Twisted's own way to give a LoopingCall its clock",
        "starttime": "what a LoopingCall counts its beats from: the job's grid",
    },
    "store/sql/engine.py": {
        **dict.fromkeys(
            ("name", "levelno", "levelname", "msg", "args", "exc_info", "exc_text"),
            "a logging filter says what it has to say in the record",
        ),
        "is_disconnect": "SQLAlchemy asks for it: this error means that the connection is gone",
        "isolation_level": "a setting of the driver's connection",
        "read_only": "a setting of the driver's connection",
    },
    "store/asking.py": {"logged": "a note on our own error, for those who would log it once more"},
    "watchdog.py": {"jobsched_watchdog": "a decorator's mark on the function that it returns"},
    "store/sql/hints.py": {"statement_compiler": "SQLAlchemy's own setting of a dialect"},
}


def own(module: ast.Module) -> set[str]:
    """The fields of a module's records that are made to be changed (`attrs.define`): it may change its own."""
    classes = [node for node in ast.walk(module) if isinstance(node, ast.ClassDef)]
    records = [each for each in classes if any("attrs.define" in ast.unparse(one) for one in each.decorator_list)]
    return {
        line.target.id
        for each in records
        for line in each.body
        if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name)
    }


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def reached_into(module: ast.Module) -> Iterator[tuple[int, str]]:
    """(line, attribute) of each that is set on what is not `self`."""
    for node in ast.walk(module):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and not is_self(node.value):
            yield node.lineno, node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "setattr":
            yield node.lineno, "setattr"


def found_in(text: str) -> list[str]:
    module = ast.parse(text)
    reached = [attribute for _, attribute in reached_into(module)]
    may = own(module) if reached else set()
    return [attribute for attribute in reached if attribute not in may]


@pytest.mark.slow
def test_nobody_sets_an_attribute_of_another() -> None:
    found: dict[str, set[str]] = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        if attributes := set(found_in(path.read_text())):
            found[str(path.relative_to(PACKAGE))] = attributes
    allowed = {path: set(reasons) for path, reasons in ALLOWED.items()}
    assert found == allowed, "give it by the constructor, or as an event; what is no more, leaves the list"


def test_who_hears_what_is_said_in_one_place() -> None:
    found = [str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py") if ".subscribe(" in path.read_text()]
    # A runner and an executor besides hear of the deadlines that they set themselves; `elsewhere` tells late comers.
    assert sorted(found) == ["executor/executor.py", "runner/elsewhere.py", "runner/runner.py", "service.py"]


def test_a_thread_is_made_where_it_starts() -> None:
    """twistd may fork after the parts are made, and Python 3.13 starts no thread that was made before a fork."""
    texts = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    made = {
        path
        for path, text in texts.items()
        if "Thread(" in text
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and node.name == "__init__" and "Thread(target" in ast.unparse(node)
    }
    assert made == set()


def test_only_what_is_armed_for_a_due_hears_of_a_clock_step() -> None:
    """All other timers count elapsed time, which nobody can set."""
    texts = {str(path.relative_to(PACKAGE)): path.read_text() for path in PACKAGE.rglob("*.py")}
    trees = {path: ast.walk(ast.parse(text)) for path, text in texts.items() if "stepped" in text or "ClockW" in text}
    hears, tells, watches = list[str](), list[str](), list[str]()
    for path, tree in trees.items():
        for node in tree:
            if isinstance(node, ast.FunctionDef) and "stepped" in node.name:
                hears.append(path)
            if isinstance(node, ast.Attribute) and node.attr == "clock_stepped":
                tells.append(path)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "ClockWatch":
                watches.append(path)
    assert (hears, tells) == (["scheduler/scheduler.py"], ["service.py"])
    assert watches == ["service.py"]  # the daemon has one, which tells of a step


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("store.tells = peers.tells", ["tells"]),
        ("def f(a):\n    a.b.c, d = 1, 2", ["c"]),
        ("self._store.sign = 1", ["sign"]),
        ("a.count += 1", ["count"]),
        ("for a.x in y: ...", ["x"]),
        ("setattr(store, 'tells', 1)", ["setattr"]),
        ("self.a = 1", []),
        ("@attrs.define\nclass A:\n    state: int\ndef f(a: A):\n    a.state = 1", []),
        ("@attrs.frozen\nclass A:\n    state: int\ndef f(a: A):\n    a.state = 1", ["state"]),
        ("class A:\n    def __init__(self, b):\n        self.tells = b.tells = 1", ["tells"]),
    ],
)
def test_it_is_found_however_it_is_written(text: str, found: list[str]) -> None:
    assert found_in(text) == found


# Imports


def imported(path: Path, paths: dict[str, Path]) -> Iterator[str]:
    """The modules of ours that are imported with this one."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ImportFrom):
            above = parts[: len(parts) - node.level] if node.level else ()
            base = ".".join([*above, *([node.module] if node.module else [])])
            for each in node.names:
                yield name if (name := f"{base}.{each.name}") in paths else base


def reached(begin: str, imports: dict[str, set[str]]) -> set[str]:
    """The modules that it imports, by whatever way."""
    found, left = set[str](), [begin]
    while left:
        new = imports.get(left.pop(), set()) - found
        found |= new
        left += new
    return found


def test_each_module_can_be_imported_first() -> None:
    """No module imports one that is imported by it: then it depends on who is first whether that works."""
    paths = {".".join(each.relative_to(ROOT).with_suffix("").parts): each for each in PACKAGE.rglob("*.py")}
    imports = {name: set(imported(path, paths)) for name, path in paths.items()}
    assert [name for name in imports if name in reached(name, imports)] == []


# Events


def test_all_that_subscribed_are_told_in_their_order() -> None:
    topic: Topic[[int, str]] = Topic()
    told: list[tuple[str, int, str]] = []
    topic(0, "nobody hears")
    topic.subscribe(lambda number, text: told.append(("first", number, text)))
    topic.subscribe(lambda number, text: told.append(("second", number, text)))
    topic(1, "a")
    assert told == [("first", 1, "a"), ("second", 1, "a")]


def test_a_record_of_events_is_its_own() -> None:
    one, other = Events(), Events()
    heard: list[list[Run]] = []
    one.runs_ended.subscribe(lambda runs: heard.append(list(runs)))
    other.runs_ended([])
    assert heard == []
    shared = Events(runs_ended=one.runs_ended)
    shared.runs_ended([])
    assert heard == [[]]


# Order

FIRST = ["logs", "store"]
WORK = [
    "notifications", "runner", "files", "pruning", "retention", "relay", "feed", "token uses", "callers", "startup",
    "signals",
]  # fmt: skip
LAST = ["clock watch", "unix:/s/1", "unix:/s/2", "systemd"]


@pytest.mark.parametrize(
    ("store", "order"),
    [
        ("sqlite:////none/jobsched.sqlite", [*FIRST, "alone", *WORK, *LAST]),
        ("postgresql://none.invalid/jobsched", [*FIRST, "membership", *WORK, "wakeup", *LAST]),
        ("mysql://none.invalid/jobsched", [*FIRST, "membership", *WORK, "wakeup", *LAST]),
    ],
    ids=["sqlite", "postgresql", "mysql"],
)
def test_services_start_in_one_order(tmp_path: Path, store: str, order: list[str]) -> None:
    tasks = catalog.load(ROOT / "conf" / "catalog.cfg", ROOT / "tasks")
    folders = parts.Folders(conf=ROOT / "conf", tasks=ROOT / "tasks", state=tmp_path)
    services, _ = service.build(
        Reactor(), options.Config(store=store), tasks, folders, [], endpoints=["unix:/s/1", "unix:/s/2"]  # type: ignore[arg-type]  # a fake
    )  # fmt: skip
    assert [each.name for each in services] == order
