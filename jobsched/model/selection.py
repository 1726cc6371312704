"""Which jobs are meant: by id, by a glob of name or id, by a glob of task, by labels.

One rule; `store/sql/visibility.selected` is the same in SQL.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import attrs

from .caller import is_among
from .job import Job, JobState
from .labels import Label

MOST: Final = 1000  # ids or globs in one field


@attrs.frozen(kw_only=True)
class Selection:
    """Jobs that every field asks for that is given; a field asks for what any of its values matches, but `labels` for
    jobs that have all of them. None: it does not ask. In a glob `*` stands for any text and `?` for any character.

    A field that is added here is added to `matches`, to `fields` and to `store/sql/visibility.selected`.
    """

    ids: tuple[str, ...] | None = None
    names: tuple[str, ...] | None = None  # globs, of the name or of the id
    tasks: tuple[str, ...] | None = None  # globs
    state: JobState | None = None
    labels: tuple[str, ...] | None = None  # each as `Label.asked` has it

    @property
    def asked_labels(self) -> tuple[Label, ...]:
        """The labels that a job must have."""
        return tuple(Label.asked(text) for text in self.labels or ())

    def matches(self, job: Job) -> bool:
        """Whether that job is meant."""
        return (
            (self.ids is None or job.id in self.ids)
            and (self.names is None or is_among(job.name, self.names) or is_among(job.id, self.names))
            and is_among(job.task, self.tasks)
            and (self.state is None or job.state == self.state)
            and all(label.fits(job.about.labels) for label in self.asked_labels)
        )

    @property
    def fields(self) -> dict[str, object]:
        """What is given, as JSON has it."""
        given = attrs.asdict(self, recurse=False)
        return {name: list(value) if isinstance(value, tuple) else value for name, value in given.items() if value}

    @classmethod
    def of(cls, fields: Mapping[str, object]) -> Selection:
        """The selection with those `fields`."""
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()
        }
        return cls(**given)


EVERY_JOB: Final = Selection()
