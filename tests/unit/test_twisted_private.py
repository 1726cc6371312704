"""Names of Twisted with an underscore: those that are used are listed with a reason, and Twisted still has them."""

import ast
import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import pytest
from twisted.python.reflect import namedAny

import jobsched
from jobsched import twisted_private
from jobsched.twisted_private import NAMES, SECONDS, is_used
from tests.present import present

# Names with an underscore that are public, and are others': SQLAlchemy's, Python's; and one of prometheus_client's.
OTHERS = {"_mapping", "_asdict", "_make", "_exit", "_name", "_shutdown", "_run_exitfuncs", "_set_native_id"}
OF_OTHERS = ("twisted", "klein", "treq")
# Only what may reach for something is taken apart: that takes a second and more for all modules.
MAY_REACH = re.compile(
    r"(?<!\bself)(?<!\bcls)(?<!\bsuper\(\))\._[a-zA-Z]|^ *from (?:twisted|klein|treq)[\w.]* import (?:\(|.*\b_)",
    re.MULTILINE,
)


def modules() -> list[ModuleType]:
    """Every module of ours but the migrations, which alembic alone can load."""
    found = pkgutil.walk_packages(jobsched.__path__, "jobsched.")
    return [importlib.import_module(each.name) for each in found if ".migrations." not in each.name]


@cache
def parsed(path: str) -> tuple[ast.Module, dict[str, ast.ClassDef]]:
    """A file, and its classes by their qualified names. inspect.getsource would parse all of it for each class."""
    module = ast.parse(Path(path).read_text())
    return module, dict(reversed([*classes(module, "")]))  # of two with one name, inspect takes the first


def classes(node: ast.AST, inside: str) -> Iterator[tuple[str, ast.ClassDef]]:
    for child in ast.iter_child_nodes(node):
        match child:
            case ast.ClassDef(name=name):
                yield inside + name, child
                yield from classes(child, f"{inside}{name}.")
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield from classes(child, f"{inside}{name}.<locals>.")
            case ast.stmt():
                yield from classes(child, inside)


def tree(of: ModuleType | type) -> ast.AST:
    if isinstance(of, ModuleType):
        return parsed(present(of.__file__))[0]
    return parsed(present(inspect.getsourcefile(of)))[1][of.__qualname__]


def private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@cache
def own_names(kind: type) -> set[str]:
    """The names with an underscore that a class gives its methods and instances, or takes from its bases."""
    found = set()
    for node in ast.walk(tree(kind)):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls") | ast.Call(func=ast.Name("super")), attr=name):
                found.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                found.add(name)
    return {name for name in found if private(name)}


def shared(module: ModuleType) -> Iterator[str]:
    """What classes of ours have in common with a base of Twisted's, meant or not."""
    for kind in vars(module).values():
        if inspect.isclass(kind) and kind.__module__ == module.__name__:
            for base in kind.__mro__[1:]:
                if base.__module__.startswith(OF_OTHERS):
                    yield from own_names(kind) & own_names(base)  # type: ignore[arg-type]  # to mypy no type[T] is Hashable


def reached(module: ModuleType) -> Iterator[str]:
    """What is taken of another object, or imported, though it has an underscore."""
    if not MAY_REACH.search(Path(present(module.__file__)).read_text("utf-8")):
        return
    for node in ast.walk(tree(module)):
        match node:
            case ast.Attribute(value=ast.Name("self" | "cls") | ast.Call(func=ast.Name("super"))):
                pass
            case ast.Attribute(attr=name) if private(name) and name not in OTHERS:
                yield name
            case ast.ImportFrom(module=str(origin), names=names) if origin.startswith(OF_OTHERS):
                yield from (name for name in [*origin.split("."), *(each.name for each in names)] if private(name))


def test_what_is_used_is_listed_and_what_is_listed_is_used() -> None:
    used = {(module.__name__, name) for module in modules() for name in {*shared(module), *reached(module)}}
    assert used == {(each.used_in, each.name) for each in NAMES}


@pytest.mark.parametrize("each", NAMES, ids=lambda each: each.name)
def test_twisted_has_it_still(each: twisted_private.PrivateName) -> None:
    kind = namedAny(each.of)
    assert each.name in set().union(*(own_names(base) for base in kind.__mro__ if base is not object))
    assert each.why


def test_timers_of_reactors_ask_for_the_replaced_seconds() -> None:
    kind = namedAny(SECONDS.of)
    for name in ("callLater", "timeout", "runUntilCurrent"):
        assert SECONDS.name in getattr(kind, name).__code__.co_names


class Has:
    def _start(self) -> bool:
        return False


class HasAndCalls(Has):
    def start(self) -> bool:
        return self._start()


class Calls:
    def start(self) -> bool:
        return bool(self._start())  # type: ignore[attr-defined]  # that is the point


@pytest.mark.parametrize(("kind", "used"), [(Has, False), (HasAndCalls, True), (Calls, False), (object, False)])
def test_a_method_can_be_replaced_that_is_there_and_is_called(kind: type, used: bool) -> None:
    assert is_used(kind, "_start") is used
