"""What is said of a job for people and for finding it: labels, a description, an owner, a link to a runbook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import attrs

from .errors import Faults, Invalid, place
from .printable import unprintable

MOST: Final = 32  # labels of one job
LONGEST: Final = 63  # characters of a name, and of a value
LONGEST_DESCRIPTION: Final = 2000
LONGEST_OWNER: Final = 200
LONGEST_RUNBOOK: Final = 2000

NAME: Final = f"^[a-z0-9][a-z0-9._/-]{{0,{LONGEST - 1}}}$"
VALUE: Final = f"^[A-Za-z0-9._/@:+-]{{0,{LONGEST}}}$"
ASKED: Final = f"{NAME.rstrip('$')}(={VALUE.strip('^$')})?$"  # as a query has it

_NAME, _VALUE, _VISIBLE = (re.compile(pattern.strip("^$")) for pattern in (NAME, VALUE, "[!-~]+"))

RULE_OF_NAMES: Final = f"a label's name is 1 to {LONGEST} of a-z 0-9 . _ / -, and begins with a letter or a digit"
RULE_OF_VALUES: Final = f"a label's value is up to {LONGEST} of A-Z a-z 0-9 . _ / @ : + -"


@attrs.frozen(kw_only=True)
class About:
    """What is said of a job; none of it changes what the job does."""

    labels: Mapping[str, str] = attrs.field(factory=dict)
    description: str | None = None  # plain text or Markdown
    owner: str | None = None
    runbook: str | None = None  # the address of a page that says what to do


_NOTHING: Final = About()


@attrs.frozen
class Label:
    """A label that is asked for: of this name and, unless it is None, of this value."""

    name: str
    value: str | None = None

    @classmethod
    def asked(cls, text: str, pointer: str = "?label") -> Label:
        """The label of `name=value`, or of `name` with whatever value. Raises Invalid."""
        name, sign, value = text.partition("=")
        if not is_name(name):
            raise Invalid(f"is NAME=VALUE or NAME, and {RULE_OF_NAMES}", pointer)
        if not is_value(value):
            raise Invalid(RULE_OF_VALUES, pointer)
        return cls(name, value if sign else None)

    @property
    def text(self) -> str:
        """The text that asks for it."""
        return self.name if self.value is None else f"{self.name}={self.value}"

    def fits(self, labels: Mapping[str, str]) -> bool:
        """Whether a job with these labels has it."""
        return self.name in labels and self.value in (None, labels[self.name])


def metric_name(name: str) -> str:
    """What the label is called in a metric, where few characters may stand in a name."""
    return "label_" + re.sub("[^a-z0-9]", "_", name)


def are_shown(names: object) -> bool:
    """Whether metrics can show the labels of these names: no two are called the same there."""
    if not isinstance(names, list) or len(names) > MOST or not all(map(is_name, names)):
        return False
    return len({metric_name(name) for name in names}) == len(names)


def is_name(text: object) -> bool:
    """Whether this may be the name of a label."""
    return isinstance(text, str) and _NAME.fullmatch(text) is not None


def is_value(text: object) -> bool:
    """Whether this may be the value of a label."""
    return isinstance(text, str) and _VALUE.fullmatch(text) is not None


def check(about: About, before: About | None = None) -> None:
    """Raises Invalid, pointing at all that is wrong. What was so `before` is not checked: it may be older than a
    rule."""
    was = before or _NOTHING
    faults = Faults()
    if about.labels != was.labels:
        with faults.noting():
            _check_labels(about.labels)
    if about.description not in (None, was.description):
        with faults.noting():
            _check_lines(about.description or "")
    if about.owner not in (None, was.owner) and (char := unprintable(about.owner or "")):
        with faults.noting():
            raise Invalid(f"holds {char}, which is not printable", "/owner")
    if about.runbook not in (None, was.runbook) and not is_link(about.runbook or ""):
        with faults.noting():
            raise Invalid("is a link such as https://wiki.example/backup, with neither user nor password", "/runbook")
    faults.check()


def is_link(text: str) -> bool:
    """Whether this is an http or https address that everybody may see."""
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # no port, no IPv6 address
        return False
    return sound and bool(_VISIBLE.fullmatch(text)) and "@" not in parts.netloc and not re.search(r'[<>"\\^`{|}]', text)


def _check_labels(labels: Mapping[str, str]) -> None:
    for name, value in labels.items():
        if not is_name(name):
            raise Invalid(RULE_OF_NAMES, place("labels", name))
        if not is_value(value):
            raise Invalid(RULE_OF_VALUES, place("labels", name))
    if len(labels) > MOST:
        raise Invalid(f"holds more than {MOST} labels", "/labels")


def _check_lines(text: str) -> None:
    for line in text.replace("\r\n", "\n").split("\n"):
        if char := unprintable(line.replace("\t", " ")):
            raise Invalid(f"holds {char}, which is not printable", "/description")
