"""Why a daemon cannot do its work."""

from __future__ import annotations

import attrs


@attrs.frozen
class HealthProblem:
    """`words` may be shown to anybody; `why` may name hosts and files, and needs the scope `read`."""

    words: str
    why: str = ""

    def __str__(self) -> str:
        return f"{self.words}: {self.why}" if self.why else self.words
