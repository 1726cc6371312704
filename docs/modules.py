"""The list of all modules in docs/design.rst, made from their own first lines, so that it cannot go stale.

`.. modules::`           every module of jobsched/, by package
"""

from __future__ import annotations

import re
from inspect import cleandoc
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

PACKAGE = Path(__file__).parents[1] / "jobsched"
DOCSTRING = re.compile(r'\A"""(.+?)"""', re.DOTALL)  # Python's own parser takes ten times as long
QUOTED = re.compile(r"`([^`]+)`")


def parts() -> dict[str, str]:
    """`runner/output` -> the first sentence of its docstring; a package by its folder, `migrations` as one part."""
    found = {}
    for path in sorted(PACKAGE.rglob("*.py")):
        name = path.relative_to(PACKAGE).with_suffix("").as_posix().removesuffix("/__init__")
        if "migrations/" not in f"{name}/" and name != "__init__":
            text = DOCSTRING.match(path.read_text("utf-8"))
            found[name] = first_sentence(cleandoc(text[1])) if text else ""
    return found


def first_sentence(text: str) -> str:
    """`tasks.cfg` and `e.g.` have dots too: a sentence ends where a blank and a capital follow."""
    line = " ".join(text.split("\n\n", maxsplit=1)[0].split())
    return re.split(r"(?<=[.:;]) (?=[A-Z`\"])", line, maxsplit=1)[0].rstrip(":;")


def _words(text: str) -> list[nodes.Node]:
    """Text, with what stands between backquotes as literals."""
    pieces = QUOTED.split(text)
    return [nodes.literal(piece, piece) if odd % 2 else nodes.Text(piece) for odd, piece in enumerate(pieces) if piece]


class Modules(SphinxDirective):
    """`.. modules::`"""

    def run(self) -> list[nodes.Node]:
        """One line a module."""
        lines = nodes.bullet_list()
        for name, text in parts().items():
            line = nodes.paragraph()
            line += [nodes.literal(name, name), nodes.Text(": "), *_words(text)]
            lines += nodes.list_item("", line)
        for path in sorted(PACKAGE.rglob("*.py")):
            self.env.note_dependency(str(path))
        return [lines]


def setup(app: Sphinx) -> dict[str, Any]:
    """Sphinx calls this."""
    app.add_directive("modules", Modules)
    return {"parallel_read_safe": True}
