"""YAML 1.2 as values of JSON: the core schema, no other tags, aliases within bounds, and the line of everything."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NoReturn

import attrs
import yaml

from ..model.errors import Invalid
from .findings import MOST_CHARACTERS, MOST_VALUES

DEEPEST: Final = 50
MERGE: Final = "<<"
CORE: Final = "tag:yaml.org,2002:"
LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # for its parser alone: values are made here
NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
TRUTHS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INTEGER: Final = re.compile("[-+]?[0-9]+")
OCTAL, HEX = re.compile("0o[0-7]+"), re.compile("0x[0-9a-fA-F]+")
FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
ENDLESS: Final = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
LONGEST_NUMBER: Final = 1000  # characters
WEIGHT: Final = 3  # values that a list or an object takes the memory of
LINE_ENDS: Final = "\n\r\x85\u2028\u2029"
MOST_DIRECTIVES: Final = 100  # the parser compares each prefix of tags with all others, and holds Python's lock


class BadYaml(Invalid):
    """YAML that is not read; the pointer is a line."""


class Lined(dict[str, Any]):
    """An object, and the line of it and of each of its names."""

    __slots__ = ("line", "lines")

    def __init__(self, line: int) -> None:
        super().__init__()
        self.line = line
        self.lines: dict[str, int] = {}


class LinedList(list[Any]):
    """A list, and the line of each of its items."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[int] = []


def documents(text: str) -> Iterator[tuple[int, object]]:
    """The documents, each with its line. Raises BadYaml."""
    if sum(text.count(f"{end}%") for end in LINE_ENDS) > MOST_DIRECTIVES:
        _refuse(1, f"it has more than {MOST_DIRECTIVES} lines that begin with %")
    try:
        yield from _Builder(text).documents()
    except yaml.MarkedYAMLError as why:
        mark = why.problem_mark or why.context_mark
        _refuse(mark.line + 1 if mark else 1, f"it is not YAML: {why.problem or why.context}")
    except yaml.YAMLError as why:  # characters that YAML has not
        _refuse(1, f"it is not YAML: {' '.join(str(why).split())}")


def plain(found: Lined) -> dict[str, object]:
    """The object without its lines."""
    return {name: _plain(value) for name, value in found.items()}


def _plain(value: object) -> object:
    if isinstance(value, Lined):
        return plain(value)
    return [_plain(each) for each in value] if isinstance(value, LinedList) else value


def _refuse(line: int, words: str) -> NoReturn:
    raise BadYaml(words, f"line {line}")


@attrs.frozen
class _Anchored:
    """What aliases stand for: the value, what it counts for, and how many levels of lists and objects it has."""

    value: object
    count: int
    size: int
    height: int


class _Pieces:
    """A text as the parser asks for it. Given whole, it would be scanned with Python's lock held until something in it
    is complete: a text in quotes may have 8 MiB."""

    name = "the text"  # in what the parser says

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def read(self, size: int) -> str:
        """The next characters; "": there are no more."""
        begin, self._at = self._at, self._at + size
        return self._text[begin : self._at]


class _Builder:
    """Makes values of a parser's events. Nothing is read ahead, so what is too deep or too large is found early."""

    def __init__(self, text: str) -> None:
        self._events = yaml.parse(_Pieces(text), Loader=LOADER)
        self._anchors: dict[str, _Anchored] = {}
        self._count = 0  # of values so far, those counted that aliases repeat
        self._size = 0  # of characters
        self._deepest = 0  # of the levels so far

    def documents(self) -> Iterator[tuple[int, object]]:
        """Each document with the line at which it begins."""
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                self._anchors.clear()
                first = next(self._events)
                yield first.start_mark.line + 1, self._value(first, 0)

    def _value(self, event: yaml.Event, depth: int) -> object:
        line = event.start_mark.line + 1
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor, depth, line)
        count, size, deepest = self._count, self._size, self._deepest
        self._deepest = depth
        tag = _tag(event, line)
        if isinstance(event, yaml.ScalarEvent):
            self._counted(1, len(event.value), depth, line)
            value: object = _scalar(event, tag, line)
        else:
            self._counted(WEIGHT, 0, depth, line)
            is_list = isinstance(event, yaml.SequenceStartEvent)
            value = self._list(depth) if is_list else self._object(line, depth)
        if event.anchor is not None:
            height = self._deepest - depth
            self._anchors[event.anchor] = _Anchored(value, self._count - count, self._size - size, height)
        self._deepest = max(self._deepest, deepest)
        return value

    def _alias(self, name: str, depth: int, line: int) -> object:
        if name not in self._anchors:
            _refuse(line, f"*{name[:80]} stands for nothing before it")
        found = self._anchors[name]
        self._counted(found.count, found.size, depth + found.height, line)
        return found.value

    def _counted(self, count: int, size: int, depth: int, line: int) -> None:
        """Refuse what is more than one text may hold, or deeper."""
        self._count += count
        self._size += size
        self._deepest = max(self._deepest, depth)
        if depth > DEEPEST:
            _refuse(line, f"it is nested deeper than {DEEPEST}")
        for found, most, what in ((self._count, MOST_VALUES, "values"), (self._size, MOST_CHARACTERS, "characters")):
            if found > most:
                _refuse(line, f"it holds more than {most:,} {what}, those counted that aliases repeat")

    def _list(self, depth: int) -> LinedList:
        found = LinedList()
        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            found.lines.append(event.start_mark.line + 1)
            found.append(self._value(event, depth + 1))
        return found

    def _object(self, line: int, depth: int) -> Lined:
        found, merged = Lined(line), list[Lined]()
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            here = event.start_mark.line + 1
            if not isinstance(event, yaml.ScalarEvent):
                _refuse(here, "a name is text")
            self._counted(0, len(event.value), depth, here)
            value = self._value(next(self._events), depth + 1)
            if event.value == MERGE and event.implicit[0]:
                merged += _to_merge(value, here)
                continue
            if event.value in found:
                _refuse(here, f"{event.value[:80]} is given twice: at line {found.lines[event.value]} and here")
            found[event.value] = value
            found.lines[event.value] = here
        for other in merged:
            for name, value in other.items():
                if name not in found:
                    found[name], found.lines[name] = value, other.lines[name]
        return found


def _to_merge(value: object, line: int) -> list[Lined]:
    found = value if isinstance(value, LinedList) else [value]
    merged = [each for each in found if isinstance(each, Lined)]
    if len(merged) < len(found):
        _refuse(line, "<< takes over the names of an object, or of a list of objects")
    return merged


def _tag(event: yaml.NodeEvent, line: int) -> str:
    """The kind that a tag names; "": none, and `str` for what has quotes."""
    tag = event.tag or ""
    if tag.startswith(CORE) and tag[len(CORE) :] in {"str", "int", "float", "bool", "null", "map", "seq"}:
        return str(tag[len(CORE) :])
    if tag not in ("", "!"):
        _refuse(line, f"the tag {tag[:80]} is not known here")
    quoted = isinstance(event, yaml.ScalarEvent) and not event.implicit[0]
    return "str" if quoted or tag == "!" else ""


def _scalar(event: yaml.ScalarEvent, tag: str, line: int) -> object:
    text = event.value
    if tag == "str":
        return text
    found: Any = text
    if text in NULLS:
        found = None
    elif text in TRUTHS:
        found = TRUTHS[text]
    elif ENDLESS.fullmatch(text):
        _refuse(line, f"{text} is no number of JSON")
    elif FLOAT.fullmatch(text) or OCTAL.fullmatch(text) or HEX.fullmatch(text):
        found = _number(text, line)
    kinds: dict[str, tuple[type, ...]] = {"int": (int,), "float": (int, float), "bool": (bool,), "null": (type(None),)}
    if tag and not isinstance(found, kinds.get(tag, ())):
        _refuse(line, f"{text[:80]} is no {tag}")
    return float(found) if tag == "float" else found


def _number(text: str, line: int) -> int | float:
    if len(text) > LONGEST_NUMBER:
        _refuse(line, "the number is too long")
    if INTEGER.fullmatch(text):
        return int(text)
    if text[1:2] in ("o", "x"):
        return int(text, 0)
    number = float(text)
    if number in (float("inf"), float("-inf")):
        _refuse(line, f"{text[:20]} is no number of JSON")
    return number
