"""The end of a run's output file, read to be kept in the store, where other nodes find it too."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

from ..model.run import Tail
from ..store.contract.store import Store
from .output import open_output

KEPT = 64 * 1024  # bytes


def tail_reader(store: Store, folder: Path) -> Callable[[str], Tail | None]:
    """A function that reads a run's tail. It gives None if the store is one node's own: that node has the file."""
    return partial(read_tail, folder) if store.shared else lambda run_id: None


def read_tail(folder: Path, run_id: str) -> Tail | None:
    """The last `KEPT` bytes of what a run printed; None when it printed nothing, or its file cannot be read."""
    try:
        with open_output(folder, run_id) as file:
            start = max(os.fstat(file.fileno()).st_size - KEPT, 0)
            file.seek(start)
            data = file.read(KEPT)
    except OSError:
        return None
    return Tail(run_id=run_id, start=start, data=data) if data else None
