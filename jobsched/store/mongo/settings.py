"""What all nodes have in common, by name."""

from __future__ import annotations

from .transaction import Transaction


def agreed(transaction: Transaction, name: str, proposed: str) -> str:
    """As `Settings.agreed`. Of two nodes that are the first, one is undone, and finds what the other stored."""
    found = transaction.first("settings", {"_id": name})
    if found is None:
        transaction.insert("settings", [{"_id": name, "value": proposed}])
    return proposed if found is None else str(found["value"])
