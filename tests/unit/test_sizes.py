"""How the house is cut: few modules too small to be a file, none too long to be read, few types left open."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "jobsched"

SMALL = 40  # lines: what is smaller belongs to the module that asks for it, or beside what it resembles
SMALL_MODULES = 10  # at most: starts of programs, migrations, and what must be imported without its neighbours
LONGEST = 300  # lines
ANYS = 19  # at most, in signatures: where a library, JSON, or many types at once leave no other

TEXTS = {str(path.relative_to(PACKAGE)): path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))}


def lines(text: str) -> int:
    return len(text.splitlines())


def types(function: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.expr]:
    """Of the parameters and of what is returned."""
    given = function.args
    each = [*given.posonlyargs, *given.args, *given.kwonlyargs, given.vararg, given.kwarg]
    yield from (one.annotation for one in each if one is not None and one.annotation is not None)
    if function.returns is not None:
        yield function.returns


def anys(text: str) -> list[str]:
    """The functions whose signatures say `Any`, once for each time; also in an annotation that is a text."""
    return [
        f"{function.name}:{function.lineno}"
        for function in ast.walk(ast.parse(text))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        for said in types(function)
        for node in ast.walk(read(said))
        if (isinstance(node, ast.Name) and node.id == "Any") or (isinstance(node, ast.Attribute) and node.attr == "Any")
    ]


def read(said: ast.expr) -> ast.AST:
    is_text = isinstance(said, ast.Constant) and isinstance(said.value, str)
    return ast.parse(ast.literal_eval(said)) if is_text else said


def test_no_module_is_too_long_to_be_read() -> None:
    assert {name: lines(text) for name, text in TEXTS.items() if lines(text) > LONGEST} == {}


def test_few_modules_are_too_small_to_be_a_file() -> None:
    small = [name for name, text in TEXTS.items() if lines(text) < SMALL and not name.endswith("__init__.py")]
    assert len(small) <= SMALL_MODULES, small


def test_few_signatures_leave_a_type_open() -> None:
    found = [f"{name}: {one}" for name, text in TEXTS.items() if "Any" in text for one in anys(text)]
    assert len(found) <= ANYS, found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("def f(a: int) -> str: ...", []),
        ("def f(a: Any, *b: Any, c: dict[str, Any], **d: Any) -> Any: ...", ["f:1"] * 5),
        ("async def f(a: typing.Any, /): ...", ["f:1"]),
        ("def f(a: 'list[Any]') -> 'Any': ...", ["f:1"] * 2),
        ("class A:\n    def f(self, a: Callable[[Any], None]): ...", ["f:2"]),
        ("def f():\n    a: Any = 1", []),
    ],
)
def test_it_is_counted_however_it_is_written(text: str, found: list[str]) -> None:
    assert anys(text) == found
