"""Why a daemon cannot do its work."""

from __future__ import annotations

import attrs


@attrs.frozen
class HealthProblem:
    """`words` are for anybody; `why` may name hosts and files, and is for those who may read."""

    words: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.words}: {self.why}" if self.why else self.words
