"""The runs that a transaction gave their outcome: told to who counts them, once it is committed and not before."""

from __future__ import annotations

from collections.abc import Iterable

from ...model.run import Run
from . import changes
from .transaction import Transaction


def tell(transaction: Transaction, ended: Iterable[Run]) -> None:
    """These runs have their outcome with this transaction; one that is active is left out."""
    over = [run for run in ended if not run.active]
    transaction.ended.extend(over)
    changes.of_runs(transaction, over)
