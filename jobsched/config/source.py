"""Python source that a person wrote for Jobsched: the tasks and `jobsched.cfg`.

Stdlib only, and light: this module also loads a Python task in its own process.
"""

from __future__ import annotations

import itertools
import sys
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec

TYPE_CHECKING = False  # as `typing` has it, without its import
if TYPE_CHECKING:
    from types import CodeType, ModuleType

_serial = itertools.count(1)


class _Fresh(SourceFileLoader):
    """Always compiles: cached bytecode is matched by whole seconds, and an edit within one would be missed."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def load(path: str) -> ModuleType:
    """Execute a file as a module under a name of its own; raises whatever the file raises.

    The module stays in `sys.modules` (dataclasses and pickle look there) until the caller removes it, by `__name__`. A
    module that raised is not left there.
    """
    name = f"_jobsched_task_{next(_serial)}"
    loader = _Fresh(name, path)
    spec = ModuleSpec(name, loader, origin=path)
    spec.has_location = True
    module = module_from_spec(spec)
    sys.modules[name] = module
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def mishap(error: BaseException, path: str) -> tuple[int | None, str]:
    """The line of `path` where an error arose (None: it arose in another file), and the error in one line."""
    if isinstance(error, SyntaxError) and error.filename == path:
        return error.lineno, _one_line(error.msg)
    line, trace = None, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    words = _one_line(str(error))
    return line, f"{type(error).__name__}: {words}" if words else type(error).__name__


def _one_line(text: str) -> str:
    return " ".join(text.split())
