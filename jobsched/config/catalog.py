"""`catalog.cfg` -> tasks: read, loaded and checked, so that a mistake shows at the start and not at the first run."""

from __future__ import annotations

import inspect
import re
import sys
import weakref
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType, ModuleType
from typing import Any, Literal, get_args
from uuid import uuid4

import attrs

from jobsched.config import faults, source
from jobsched.config.confinement import FREE, Confinement, Confinements, hindrances
from jobsched.model.errors import BadCatalog
from jobsched.model.rlimits import ResourceLimits, resource_limits
from jobsched.model.success import PLAIN, Pattern, Success, exit_codes
from jobsched.task import Info
from jobsched.watchdog import is_marked, seconds_of

SUCCESS = ("success_codes", "expect_output", "forbid_output")
APART = ("user", "limits", "new_privileges", "leftovers")  # only for tasks in a process of their own
# options read here; all others go to the task's `__init__`
RESERVED = ("file", "class", "parameters", *SUCCESS, *APART, "fresh")
SPAWNED = ("command", "process")  # the kinds that are run outside of the daemon
YES_OR_NO = {"yes": True, "no": False, "": None}

Leftovers = Literal["end", "wait", "keep"]


@attrs.frozen(kw_only=True)
class Task:
    """What may be run: a section of the catalog."""

    name: str
    kind: str  # "command", "process", "async" or "thread": where it runs
    description: str
    parameters: tuple[str, ...]  # names that a job may set
    timeout: float | None  # seconds, set by the task; None: JOB_LIVETIME
    call: Any  # the instance; a "command" task has `command(info)`, any other is called with its `Info`
    file: Path
    class_name: str
    options: Mapping[str, str]
    tasks_dir: Path
    confinement: Confinement = FREE
    leftovers: Leftovers | None = None  # for processes that its scripts leave behind; None: see docs/runs.rst
    success: Success = PLAIN  # what of its runs counts as one
    fresh: bool = False  # each run of a Python task loads its file anew
    load: str = attrs.field(default="", eq=False)  # which load of the catalog it comes from
    problem: str | None = None  # why it cannot be started, as found when the catalog was read


@attrs.frozen
class Catalog:
    """All tasks, in the order of the file."""

    tasks: Mapping[str, Task]

    def names(self) -> list[str]:
        """The tasks' names, in the order of the file."""
        return list(self.tasks)

    def get(self, name: str) -> Task | None:
        """The task of that name."""
        return self.tasks.get(name)

    def problems(self) -> list[str]:
        """Why tasks cannot be started, in words. These are warnings: the other tasks can run all the same."""
        return [f"[{task.name}] {task.problem}" for task in self.tasks.values() if task.problem is not None]


def load(conf_path: Path, tasks_dir: Path, run_as: str | None = None) -> Catalog:
    """Read the catalog file and load every task in it, afresh; a catalog without sections has no tasks.

    `run_as` is the user for tasks that run outside of the daemon and name no user.

    Raises BadCatalog, in one line; then no module that was loaded stays behind.
    """
    parser = faults.sections(conf_path)
    if not tasks_dir.is_dir():
        raise BadCatalog(f"{tasks_dir}: no such folder of tasks")
    modules: dict[Path, ModuleType] = {}
    tried, loading = Confinements(run_as), uuid4().hex
    try:
        tasks = {
            name: _Section(conf_path, tasks_dir, name, parser[name], modules, tried, loading).task()
            for name in parser.sections()
        }
    except BaseException:
        _forget(list(modules.values()))
        raise
    catalog = Catalog(MappingProxyType(_looked_at(tasks)))
    # The modules go when nothing refers to their catalog any more, or each reload would leave a set of modules behind.
    weakref.finalize(catalog, _forget, list(modules.values())).atexit = False
    return catalog


def _looked_at(tasks: Mapping[str, Task]) -> dict[str, Task]:
    """The same tasks, each with the reason why its program cannot be started, if there is one."""
    commands = [task for task in tasks.values() if task.kind == "command"]
    problems = hindrances([(task.call, task.confinement) for task in commands])
    known = {task.name: problem for task, problem in zip(commands, problems, strict=True)}
    return {name: attrs.evolve(task, problem=known.get(name)) for name, task in tasks.items()}


def _forget(modules: list[ModuleType]) -> None:
    for module in modules:
        sys.modules.pop(module.__name__, None)


def _asks_for_parameters(made_from: type) -> bool:
    """Whether a class asks for the names that a job may set, by an argument called `parameters`."""
    try:
        return "parameters" in inspect.signature(made_from).parameters
    except ValueError:  # written in C, and mute about its arguments
        return False


@attrs.frozen
class _Section:
    """One section on its way to a task."""

    conf_path: Path
    tasks_dir: Path
    name: str
    options: Mapping[str, str]
    modules: dict[Path, ModuleType]  # a file is loaded once, however many sections name it
    confinements: Confinements
    load: str

    def task(self) -> Task:
        if self.name != self.name.strip():
            raise self._bad("", "the name begins or ends with a blank")
        file, class_name = self._file(), self._required("class")
        made_from = self._class(file, class_name)
        parameters = tuple(self._parameters())
        options = {name: text for name, text in self.options.items() if name not in RESERVED}
        if parameters and _asks_for_parameters(made_from):
            options["parameters"] = ", ".join(parameters)
        call = self._instance(made_from, options, file)
        kind, method = self._kind(call)
        return Task(
            name=self.name,
            kind=kind,
            description=inspect.cleandoc(made_from.__doc__ or ""),
            parameters=parameters,
            timeout=seconds_of(method),
            call=call,
            file=file,
            class_name=class_name,
            options=MappingProxyType(options),
            tasks_dir=self.tasks_dir.absolute(),
            confinement=self._confinement(kind),
            leftovers=self._leftovers(),
            success=self._success(kind),
            fresh=self._fresh(kind),
            load=self.load,
        )

    def _file(self) -> Path:
        name = self._required("file")
        if "/" in name or "\0" in name or name in {".", ".."}:
            raise self._bad("file", f"must be the name of a file in {self.tasks_dir}, without a folder, not {name!r}")
        path = self.tasks_dir / name
        if not path.is_file():
            raise self._bad("file", f"no such file: {path}")
        return path.absolute()

    def _class(self, file: Path, name: str) -> type:
        if file not in self.modules:
            try:
                self.modules[file] = source.load(str(file))
            except (Exception, SystemExit) as error:
                raise self._raised("file", error, file) from error
        found = getattr(self.modules[file], name, None)
        if not isinstance(found, type):
            wrong = "not there" if found is None else f"a {type(found).__name__}"
            raise self._bad("class", f"must be a class of {self.tasks_dir / file.name}: {name} is {wrong}")
        return found

    def _instance(self, made_from: type, options: dict[str, str], file: Path) -> object:
        try:
            return made_from(**options)
        except (Exception, SystemExit) as error:
            raise self._raised("class", error, file, f"{made_from.__name__} refuses its options: ") from error

    def _kind(self, call: object) -> tuple[str, Callable[..., object]]:
        """How the task runs, and the method that does it."""
        if callable(getattr(type(call), "command", None)):
            kind, method = "command", getattr(call, "command")  # noqa: B009  # a person wrote it: no type has it
        elif callable(call):
            method = call.__call__
            kind = "process" if is_marked(method) else "async" if inspect.iscoroutinefunction(method) else "thread"
        else:
            raise self._bad("class", f"{type(call).__name__} has neither a __call__ nor a command method")
        if getattr(type(call), "kind", None) == "async":  # for a plain __call__ that returns a Deferred
            if kind in {"command", "process"}:
                raise self._bad("class", f'{type(call).__name__} says kind = "async", yet it is a {kind} task')
            kind = "async"
        self._refuse_uncallable(kind, method)
        return kind, method

    def _refuse_uncallable(self, kind: str, method: Callable[..., object]) -> None:
        """Raises BadCatalog for a method whose call would fail at the first run."""
        name = getattr(method, "__qualname__", type(method).__name__)
        if kind in {"command", "process"} and inspect.iscoroutinefunction(method):
            why = "nothing awaits it" if kind == "command" else "its process has no reactor; leave @watchdog() out"
            raise self._bad("class", f"{name} must not be async: {why}")
        if inspect.isgeneratorfunction(method) or inspect.isasyncgenfunction(method):
            raise self._bad("class", f"{name} must not yield: calling it would run nothing")
        try:
            inspect.signature(method).bind(Info)
        except TypeError as error:
            raise self._bad("class", f"{name} must take (self, info)") from error
        except ValueError:  # written in C, and mute about its arguments
            return

    def _parameters(self) -> Iterator[str]:
        seen: dict[str, str] = {}
        text = self._given("parameters")
        for name in (part.strip() for part in text.split(",")) if text else ():
            if not re.fullmatch("[A-Za-z_][A-Za-z0-9_]*", name):
                raise self._bad("parameters", f"must be names with commas between them: {name!r} is none")
            if name.upper() in seen:
                other = seen[name.upper()]
                raise self._bad("parameters", f"{other} and {name} would both be JOBSCHED_PARAM_{name.upper()}")
            seen[name.upper()] = name
            yield name

    def _confinement(self, kind: str) -> Confinement:
        """The user and the limits of the task: a task that runs within the daemon cannot have its own."""
        for option in APART:
            if self._given(option) and kind not in SPAWNED:
                where = "a thread of the daemon" if kind == "thread" else "the daemon itself"
                raise self._bad(option, f"is for tasks in a process of their own; this one runs in {where}")
        try:
            limits = resource_limits(self._given("limits"))
        except ValueError as error:
            raise self._bad("limits", str(error)) from error
        new_privileges = self._yes_or_no("new_privileges")
        user = self._given("user") or None
        default = self.confinements.run_as if kind in SPAWNED else None
        try:
            self.confinements.get(user or default, ResourceLimits(), None)
        except ValueError as error:
            raise self._bad("user" if user else "RUN_AS", str(error)) from error
        try:
            return self.confinements.get(user or default, limits, new_privileges)
        except ValueError as error:
            raise self._bad("limits", str(error)) from error

    def _fresh(self, kind: str) -> bool:
        fresh = self._yes_or_no("fresh")
        if fresh is not None and kind != "process":
            raise self._bad("fresh", "is for Python tasks in a process of their own, which have @watchdog()")
        return fresh or False

    def _yes_or_no(self, option: str) -> bool | None:
        text = self._given(option)
        if text not in YES_OR_NO:
            raise self._bad(option, f"must be yes or no, not {text!r}")
        return YES_OR_NO[text]

    def _leftovers(self) -> Leftovers | None:
        text: Any = self._given("leftovers") or None
        if text is not None and text not in get_args(Leftovers):
            raise self._bad("leftovers", f"must be one of {', '.join(get_args(Leftovers))}, not {text!r}")
        return text  # type: ignore[no-any-return]  # checked above

    def _success(self, kind: str) -> Success:
        codes, *patterns = (self._given(option) for option in SUCCESS)
        if codes and kind != "command":
            raise self._bad("success_codes", "is for tasks that are programs, which have an exit code")
        made: list[Any] = []
        for option, text, make in zip(SUCCESS, (codes, *patterns), (exit_codes, Pattern, Pattern), strict=True):
            try:
                made.append(make(text) if text else None)
            except ValueError as error:
                raise self._bad(option, str(error)) from error
        return Success(codes=made[0] or PLAIN.codes, expect=made[1], forbid=made[2])

    def _given(self, option: str) -> str:
        return self.options.get(option, "").strip()

    def _required(self, option: str) -> str:
        text = self._given(option)
        if not text:
            raise self._bad(option, "is missing")
        return text

    def _bad(self, option: str, wrong: str) -> BadCatalog:
        return BadCatalog(f"{self.conf_path}: [{self.name}] {option}{': ' if option else ''}{wrong}")

    def _raised(self, option: str, error: BaseException, file: Path, what: str = "") -> BadCatalog:
        line, words = source.mishap(error, str(file))
        return self._bad(option, f"{what}{self.tasks_dir / file.name}{f':{line}' if line else ''}: {words}")
