"""What each set of jobs has to keep to, and the tag that stands for it as it is."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping
from typing import Final

from .errors import Faults, Invalid, Stale, place, within
from .labels import Label
from .printable import many

MOST_FAULTS: Final = 200  # that are told of one set
MOST_JOBS: Final = 20_000  # of one set: the transaction that switches it must be short


class SetFaults(Faults):
    """What is wrong with a set: as much as anybody will read. The others are counted: there may be 400,000, and to keep
    them took hundreds of megabytes."""

    def __init__(self) -> None:
        super().__init__(MOST_FAULTS)

    def check(self) -> None:
        """Raises Invalid with all that was noted, up to `MOST_FAULTS`, if anything was."""
        if left := self._noting.left:
            self._found.append(Invalid(f"{many(left, 'more fault')} {'is' if left == 1 else 'are'} not told"))
        super().check()


def labelled(scope: Label | None, labels: Mapping[str, str], pointer: str = "") -> dict[str, str]:
    """The labels of a job of the set: it gets that of the scope, if it has none of that name. Raises Invalid where it
    has another value, or the scope says none."""
    if scope is None or scope.fits(labels):
        return dict(labels)
    at = within(pointer, place(scope.name))
    if scope.name in labels:
        raise Invalid(f"is {labels[scope.name]!r}, and the scope is {scope.name}={scope.value}", at)
    if scope.value is None:
        raise Invalid(f"is missing: the scope is the label {scope.name}, with whatever value", at)
    return {**labels, scope.name: scope.value}


def must_be_few(count: int, more: bool = False) -> None:
    """Raises Invalid for a set of more jobs than one may have; `more`: there may be others behind those counted."""
    if count > MOST_JOBS:
        its = "more" if more else f"{count:,}"
        raise Invalid(f"a set has at most {MOST_JOBS:,} jobs, and this one has {its}: put it in parts, by scope")


def must_go_at_once(count: int, most: int | None) -> None:
    """Raises Invalid where that many jobs are to be made, changed and deleted, and the store takes fewer at once."""
    if most is not None and count > most:
        raise Invalid(
            f"this store makes, changes and deletes at most {most:,} jobs at once, and here these are {count:,}: put "
            "the set in parts, by scope"
        )


def tag(seed: str, inside: Mapping[str, int], outside: Mapping[str, int] | None = None) -> str:
    """What stands for a set as it is: for the jobs of its scope and, unless it is None, for the others that it names.
    `seed` stands for all else on which it depends how jobs are shown."""
    found = _digest(seed, inside)
    return found if outside is None else f"{found}-{_digest(seed, outside)}"


def must_fit(asked: Collection[str] | None, found: str) -> None:
    """Raises Stale unless the tag that was `found`, of both parts, is among those that are asked for, of one part or of
    both. None: any is."""
    if asked is not None and found not in asked and found.partition("-")[0] not in asked:
        raise Stale("the set is not as it was then: jobs of it were made, changed, paused or deleted since")


def _digest(seed: str, versions: Mapping[str, int]) -> str:
    text = "\n".join(f"{job_id} {versions[job_id]}" for job_id in sorted(versions))
    return hashlib.blake2b(f"{seed}\n{text}".encode(), digest_size=8).hexdigest()
