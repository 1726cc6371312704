"""Answers as they can be compared between two stores: ids by the order in which they appeared, instants left out, for
audit entries have the time of a server's clock, and on SQLite that of the daemon."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from jobsched.model.claim import NO_SLOT
from tests.system.caller import Answer

FAR: Final = 2080  # instants from this year on are the caller's own, and stay as they are

HEADERS: Final = (
    "location", "etag", "link", "content-type", "content-range", "accept-ranges", "allow", "retry-after",
    "jobsched-output", "www-authenticate", "cache-control",
)  # fmt: skip
# What a run measures of itself. Whether `max_rss` is known, and when `pid` is, is chance too.
MEASURED: Final = ("pid", "duration", "median_duration", "median", "p95", "longest", "cpu_seconds", "max_rss")
BY_CHANCE: Final = ("max_rss", "pid")
# Which of the two a run waited for by hand, wherever that is told: what nodes had said of their slots at that moment.
SLOTS: Final = ("waits to be started", NO_SLOT)

_INSTANT = r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?"
_PARTS: Final = re.compile(
    r"(?P<id>[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})"
    rf"|(?P<instant>{_INSTANT})"
    r"|(?P<key>jobsched_key_[\w-]+)"
    r'|(?<=[?&]after=)(?P<place>[^&>"]+)'
    r'|(?<=")(?P<version>\d+)\.(?P<shown>[0-9a-f]{16})(?=\\?")'
    r'|(?<=")(?P<set>[0-9a-f]{16}(?:-[0-9a-f]{16})?)(?=\\?")'
    rf"|(?P<slots>{'|'.join(map(re.escape, SLOTS))})"
    r"|(?P<late>, [^,\"]* late\b)"  # told of a run that began a second after its due
    r"|(?P<span>\b\d+(?:\.\d+)? (?:ms|s|min|h)\b(?: \d+ (?:s|min)\b)?)"
)  # fmt: skip


class Plain:
    """What one daemon says, plainly. What was seen before has the number that it had then."""

    def __init__(self, port: int) -> None:
        self._here = re.compile(rf"(?:127\.0\.0\.1|localhost):{port}\b")
        self._known: dict[str, dict[str, int]] = {}

    def text(self, text: str) -> str:
        """A text without what differs from one store to the next by its nature."""
        return _PARTS.sub(self._part, self._here.sub("HERE", text))

    def answer(self, answer: Answer) -> dict[str, Any]:
        """An answer: its status, the headers that matter, and its body."""
        headers = {name: self.text(answer.headers[name]) for name in HEADERS if name in answer.headers}
        return {"status": answer.status, "headers": headers, "body": self._body(answer)}

    def value(self, value: Any) -> Any:
        """A value of JSON; names keep their order."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, dict):
            return {self.text(name): self._field(name, each) for name, each in value.items()}
        return value

    def _body(self, answer: Answer) -> Any:
        if "json" in answer.headers.get("content-type", ""):
            return self.value(json.loads(answer.content)) if answer.content else ""
        return self.text(answer.content.decode())

    def _field(self, name: str, value: Any) -> Any:
        if name in MEASURED and (value is not None or name in BY_CHANCE):
            return "<measured>"
        if name == "last" and isinstance(value, str):  # characters of a key
            return "<last>"
        return self.value(value)

    def _part(self, found: re.Match[str]) -> str:
        kind = found.lastgroup
        assert kind is not None
        text = found[0]
        if kind == "instant" and int(text[:4]) >= FAR:
            return text
        if kind in {"span", "instant", "slots"}:
            return f"<{kind}>"
        if kind == "late":
            return ""
        if kind == "shown":
            return f"{found['version']}.{self._numbered(kind, found['shown'])}"
        return self._numbered(kind, text)

    def _numbered(self, kind: str, text: str) -> str:
        known = self._known.setdefault(kind, {})
        return f"<{kind} {known.setdefault(text, len(known) + 1)}>"
