"""Reads the body of a set of jobs. The content type chooses the reader, in `reader_for` and nowhere else.

A reader is called off the reactor, for a body may be large, and looks at one job after the other: each piece of work
that keeps Python's lock is short.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from itertools import islice
from typing import Final, Literal, TypeVar

import msgspec
from msgspec import Raw, UnsetType

from .. import formats
from ..formats import Kind, KnownTask, Note
from ..formats.findings import LONGEST_WORDS, MOST_VALUES
from ..http import problems
from ..http.jsontext import duplicate
from ..http.large_bodies import MOST_BODY
from ..http.route import plain
from ..http.schemas.job_sets import SetIn
from ..http.schemas.jobs import JobIn
from ..model.errors import Invalid, place, within
from ..model.job_set import OFTEN
from ..model.printable import hint
from ..model.set_rules import MOST_FAULTS, SetFaults, must_be_few

T = TypeVar("T")

TAKEN: Final = tuple(formats.BY_MEDIA_TYPE)  # media types
TEXTS: Final = tuple(name for name, kind in formats.BY_MEDIA_TYPE.items() if kind != "json")
BLANKS: Final = re.compile(rb"[ \t\r\n]{0,%d}" % MOST_BODY)
OF_NUMBERS: Final = b"0123456789.eE"  # 1 is how 12 begins; no other value begins as another does
MOST_SIGNS: Final = 2 * MOST_VALUES  # of JSON, those in texts counted: each piece of a list takes memory
MANY: Final = MOST_SIGNS // 4  # commas: to take so long a list to pieces keeps Python's lock for some 20 ms

_Field = Literal["jobs", "values", "withheld"]
GoOn = Callable[[], None]
Entry = tuple[str, JobIn]  # the place of a job, such as /jobs/3, and the job
Reader = Callable[[bytes, GoOn], tuple[list[Entry], Sequence[Note]]]  # raises Invalid with all that is wrong


class _Whole(msgspec.Struct, gc=False):
    """The body: other names are skipped, where an error would repeat them."""

    jobs: Raw = Raw()
    values: Raw = Raw()
    withheld: Raw = Raw()


class _Some(msgspec.Struct, gc=False):
    """An object of JSON, whatever it holds."""


def reader_for(header: str, tasks: Callable[[], Iterable[KnownTask]]) -> Reader:
    """The reader for a Content-Type; `tasks` may be asked for by commands in a text. Raises Invalid."""
    kind = formats.media_type(header)
    if kind is None:
        raise Invalid(f"the content type must be one of {', '.join(TAKEN)}")
    return read_json if kind == "json" else partial(read_text, kind, tasks)


def read_json(data: bytes, go_on: GoOn) -> tuple[list[Entry], Sequence[Note]]:
    """The jobs of a JSON text, each with its place (RFC 6901)."""
    commas = data.count(b",")
    if commas + data.count(b"[") + data.count(b"{") > MOST_SIGNS:
        raise Invalid(f"the body has more than {MOST_SIGNS:,} commas and brackets: put the set in parts, by scope")
    try:
        whole = _fields(data)
        name, jobs = _jobs(whole)
        if commas > MANY:
            _must_be_few_objects(name, jobs)
        pieces = msgspec.json.decode(jobs, type=list[Raw])
        doubled = duplicate(_without(data, whole.values()))
    except msgspec.ValidationError as why:
        words = str(why)[:LONGEST_WORDS]
        raise Invalid(f'the body is an object such as {{"jobs": [...]}}: {words}') from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise Invalid(f"the body is not JSON: {str(why)[:LONGEST_WORDS]}") from None
    if doubled is not None:
        raise Invalid("is given twice", doubled)
    must_be_few(len(pieces))
    return each_of([(f"/{name}/{number}", piece) for number, piece in enumerate(pieces)], _job, go_on), ()


def read_text(
    kind: Kind, tasks: Callable[[], Iterable[KnownTask]], data: bytes, go_on: GoOn
) -> tuple[list[Entry], Sequence[Note]]:
    """The jobs of another text, each with its place."""
    found = formats.read(kind, data, tasks())
    must_be_few(len(found.entries))

    def job(fields: dict[str, object]) -> JobIn:
        try:
            return msgspec.convert(fields, JobIn)
        except msgspec.ValidationError as why:
            raise problems.invalid(why, fields, JobIn) from None

    return each_of([(entry.place, entry.job) for entry in found.entries], job, go_on), found.notes


def each_of(found: Sequence[tuple[str, T]], job: Callable[[T], JobIn], go_on: GoOn) -> list[Entry]:
    """The jobs at these places; `job` makes one of what stands there. Raises Invalid with all that is wrong with any of
    them."""
    faults, entries = SetFaults(), list[Entry]()
    for number, (pointer, piece) in enumerate(found):
        if number % OFTEN == 0:
            go_on()
        with faults.noting():
            try:
                entries.append((pointer, job(piece)))
            except Invalid as why:
                first, *more = (Invalid(each.detail, within(pointer, each.pointer)) for each in why.all)
                raise Invalid(first.detail, first.pointer, more) from None
    faults.check()
    return entries


def _fields(data: bytes) -> dict[_Field, Raw]:
    """Raises Invalid, and what msgspec does."""
    whole = msgspec.json.decode(data, type=_Whole)
    _must_be_short(len(data) - sum(map(len, (whole.jobs, whole.values, whole.withheld))))
    try:
        return msgspec.json.decode(data, type=dict[_Field, Raw])
    except msgspec.ValidationError:
        if len(data) <= MOST_BODY:  # so few names can be looked at one by one
            _must_be_fields(msgspec.json.decode(data, type=dict[str, Raw]))
        raise


def _jobs(whole: dict[_Field, Raw]) -> tuple[str, Raw]:
    """Raises Invalid."""
    found = [(name, jobs) for name, jobs in whole.items() if name != "withheld"]
    if len(found) != 1:
        raise Invalid("give the jobs of the set in jobs, or in values as GET /jobs?as=request does", "/jobs")
    return found[0]


def _must_be_few_objects(name: str, jobs: Raw) -> None:
    """Refuse a list before it is taken to pieces, each of which is an object of Python. Raises Invalid with the first
    that is none of JSON, and what msgspec does."""
    try:
        must_be_few(len(msgspec.json.decode(jobs, type=list[_Some])))
    except msgspec.ValidationError as why:
        found = problems.invalid(why, problems.NOTHING, JobIn)
        raise Invalid(found.detail, within(f"/{name}", found.pointer)) from None


def _must_be_fields(names: Iterable[str]) -> None:
    faults = SetFaults()
    for name in islice((name for name in names if name not in SetIn.__struct_fields__), MOST_FAULTS):
        with faults.noting():
            raise Invalid(f"is no field of a set{hint(name, SetIn.__struct_fields__)}", place(name))
    faults.check()


def _job(piece: Raw) -> JobIn:
    if len(piece) > MOST_BODY:
        raise Invalid(f"a job has at most {MOST_BODY:,} bytes")
    try:
        job = msgspec.json.decode(piece, type=JobIn)
        doubled = duplicate(bytes(piece))
    except msgspec.ValidationError as why:
        raise problems.invalid(why, plain(piece), JobIn) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as why:
        raise Invalid(f"is not JSON: {why}") from None
    if doubled is not None:
        raise Invalid("is given twice", doubled)
    if isinstance(job.id, UnsetType):
        raise Invalid("is missing: a job of a set has an id", "/id")
    return job


def _must_be_short(rest: int) -> None:
    """Raises Invalid."""
    if rest > MOST_BODY:
        raise Invalid(f"the body has at most {MOST_BODY:,} bytes beside its fields, and gives each of them once")


def _without(data: bytes, values: Iterable[Raw]) -> bytes:
    """The body with nothing in these values: jobs are looked at one by one, and what is withheld is not read. Raises
    Invalid for a body that is long all the same."""
    kept, at = list[bytes](), 0
    for value in values:
        begin = data.index(b":", at) + 1  # no name of a field holds one
        if blanks := BLANKS.match(data, begin):
            begin = blanks.end()
        end = begin + len(value)
        if not data.startswith(value, begin) or data[end : end + 1] in OF_NUMBERS:
            break  # a name is there twice
        kept += [data[at:begin], b"[]"]
        at = end
    _must_be_short(sum(map(len, kept)) + len(data) - at)
    return b"".join([*kept, data[at:]])
