"""Tables that cannot go stale: made from the records, the routes and the options that run, when the pages are built.

`.. fields:: JobIn`      the fields of a record of the wire; `:unset:` says what it means to leave one out
`.. errors::`            every kind of problem, what it means and what to do
`.. calls::`             every call, what it answers and what it refuses
`.. options:: file`      the options of jobsched.cfg that stand in the file itself; `sched`: those in SCHED_CONFIG
`.. command-line::`      the options of the command line
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterable
from importlib import import_module
from typing import Any, ClassVar

import attrs
import msgspec
from docutils import nodes
from docutils.parsers.rst import directives
from msgspec import NODEFAULT, UNSET, inspect, structs
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from jobsched import http, rest
from jobsched.config import options
from jobsched.http.error_kinds import KINDS
from jobsched.http.problems import TITLES
from jobsched.http.route import Route
from jobsched.rest import api
from jobsched.tap import Options

PLAIN = {"AnyType": "anything", "BoolType": "true or false", "DateTimeType": "an instant", "NoneType": "null"}

MEANING = {
    "JOB_LIVETIME": "Seconds after which a run is ended, unless its task or its job has a number of its own.",
    "KILL_GRACE": "Seconds between asking a run to end (TERM) and ending it (KILL).",
    "OUTPUT_LIMIT": "Bytes of output that are kept of one run. What comes after is counted, not kept.",
    "KEEP_RUNS": "How many runs of each job stay in the record, and how many records that nothing ran.",
    "KEEP_DAYS": "How many days a run stays in the record.",
    "AUDIT_DAYS": "For how many days it is kept :ref:`who changed what <audit>`.",
    "JOBSCHED_PORT": "Port on 127.0.0.1; 0 takes any free one. ``--listen`` wins.",
    "NODE_NAME": "This daemon's name; shown as ``node`` of a run.",
    "NODE_TAGS": "What is special about this daemon. A job that has ``require`` runs on nodes with those tags only.",
    "NODE_URL": "How other nodes reach this one; None: they do not.",
    "LEASE": "Seconds of silence after which a node is taken for dead; all nodes agree on one. :ref:`lease`.",
    "GALERA_SINGLE_WRITER": "Whether a Galera may be the store: all nodes write to one member. :ref:`engines`.",
    "CLUSTER_TOKEN": "The token by which nodes ask one another, the same on all of them. :ref:`cluster-token`.",
    "ALLOWED_HOSTS": "Names by which clients may ask for this daemon; None: those it listens on. :ref:`hosts`.",
    "MAX_CONNECTIONS": "Connections at once; more are refused with 503.",
    "MAX_FOLLOWERS": "Clients at once that ask with ``follow`` or ``wait``; more are refused with 503.",
    "EXECUTORS": "Processes that start scripts; None: one a core, at most four; 0: the daemon. :ref:`executors`.",
    "ON_STOP": "``leave``: a daemon that stops leaves scripts to its executors, for the next one. :ref:`executors`.",
    "HANDOVER": "Seconds that other nodes wait for the daemon after one that stopped with ``leave``.",
    "UMASK": "What the files made by scripts are not open to.",
    "NOTIFY_URL": "Who is told what becomes of all jobs that name no receiver; None: nobody. :doc:`notifications`.",
    "NOTIFY_SECRET": "By which receivers know who tells them; a list while it changes; None: nothing is signed.",
    "NOTIFY_OLD_SIGNATURE": "Whether ``Jobsched-Signature`` is sent beside; in this release alone.",
    "NOTIFY_HOSTS": "The hosts that jobs may name as receivers; None: that of ``NOTIFY_URL`` alone.",
    "NOTIFY_PRIVATE": "Whether receivers may be in private networks and on this machine.",
    "NOTIFY_MAIL": "Who takes mail for receivers such as ``mailto:ops@example.org``; None: no mail. :ref:`mail`.",
    "RUN_AS": "As whom tasks run that have a process of their own and name no ``user``; None: as the daemon does.",
    "METRICS_LABELS": "Labels of jobs that ``/metrics`` shows, in ``jobsched_job_info``: :doc:`watching`.",
    "SECRET_PARAMETERS": "Parameters whose values are shown to nobody but the task, in whatever case their names are.",
    "store": "The database, as an SQLAlchemy URL. A relative SQLite path is relative to the state folder.",
    "threads": "Threads for the Python tasks that run in the daemon.",
    "max_running": "Runs at once; more wait.",
    "misfire_grace": "For jobs that do not say otherwise: how late a run may start.",
    "catch_up": "For jobs that do not say otherwise: which of several dues that waited are run.",
    "overlap": "For jobs that do not say otherwise: what a due does while a run of its job is active.",
    "timezone": "For jobs that do not say otherwise: the zone in which ``cron`` is read.",
}
SCOPE = {"open": "none", "token": "whichever", "any": "by what is done"}
SHOWN = {"UMASK": "0o{:03o}", "OUTPUT_LIMIT": "{:_}"}


def records() -> dict[str, type[msgspec.Struct]]:
    """Everything that is said in JSON or asked in a query, by name."""
    rooms = [
        import_module(room.name)
        for floor in (http, rest)
        for room in pkgutil.walk_packages(floor.__path__, f"{floor.__name__}.")
    ]
    found = [kind for room in rooms for kind in vars(room).values() if isinstance(kind, type)]
    return {kind.__name__: kind for kind in found if issubclass(kind, msgspec.Struct) and kind is not msgspec.Struct}


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> list[str]:
    """A table as lines of RST."""
    lines = [".. list-table::", "   :header-rows: 1", "   :widths: auto", ""]
    for row in (head, *rows):
        lines += [f"   {'  ' if number else '* '}- {cell}" for number, cell in enumerate(row)]
    return [*lines, ""]


class Table(SphinxDirective):
    """A directive that stands for lines of RST."""

    def run(self) -> list[nodes.Node]:
        return self.parse_text_to_nodes("\n".join(self.lines()))

    def lines(self) -> list[str]:
        raise NotImplementedError


class Fields(Table):
    """The fields of one record: what they may hold, their default, what they mean."""

    required_arguments = 1
    option_spec: ClassVar[dict[str, Any]] = {"unset": directives.unchanged}

    def lines(self) -> list[str]:
        record = records()[self.arguments[0]]
        meaning = msgspec.json.schema_components([record])[1][record.__name__]["properties"]
        left_out = {found.encode_name: default(found, self.options.get("unset")) for found in structs.fields(record)}
        rows = [
            (f"``{found.encode_name}``", words(found.type), left_out[found.encode_name],
             prose(meaning[found.encode_name]["description"]))
            for found in inspect.type_info(record).fields
        ]  # fmt: skip
        if all(row[2] == "required" for row in rows) and not record.__struct_config__.forbid_unknown_fields:
            return table(("field", "holds", "means"), ((name, kind, means) for name, kind, _, means in rows))
        return table(("field", "may hold", "if left out", "means"), rows)


class Calls(Table):
    """Every call."""

    def lines(self) -> list[str]:
        rows = [
            (f"``{route.verb} {shown(route)}``", prose(route.summary), ", ".join(map(str, route.gives)),
             ", ".join(map(str, route.refuses)) or "none", SCOPE.get(route.scope, f"``{route.scope}``"))
            for route in routes()
        ]  # fmt: skip
        return table(("call", "does", "answers", "refuses with", "scope"), rows)


class ConfigOptions(Table):
    """The options of jobsched.cfg."""

    required_arguments = 1

    def lines(self) -> list[str]:
        in_file = {"file": True, "sched": False}[self.arguments[0]]
        rows = [
            (f"``{name}``", prose(rule(field)), preset(name, field.default), MEANING[name])
            for name, field in options.FIELDS.items()
            if name.isupper() == in_file
        ]
        return table(("option", "must be", "default", "means"), rows)


class Errors(Table):
    """Every kind of problem, each with an anchor of its own."""

    def lines(self) -> list[str]:
        found = []
        for name, kind in KINDS.items():
            status = f"{kind.status} {TITLES[kind.status]}"
            found += [f".. _error-{name}:", "", f".. rubric:: {name}", "", f"{status}. {prose(kind.means)}", ""]
            found += [prose(kind.do), ""]
        return found


class CommandLine(Table):
    """The options of the command line."""

    def lines(self) -> list[str]:
        rows = [(f"``--{name}``", f"``{preset}``", means) for name, _, preset, means in Options.optParameters]
        listen = " ".join((Options.opt_listen.__doc__ or "").split())
        return table(("option", "default", "means"), [*rows, ("``--listen``", "see there", listen)])


def routes() -> list[Route]:
    """The calls that the daemon serves; none of them can be made, for nothing stands behind them."""
    nothing: Any = None
    return api.routes(nothing, nothing, options.Config(), nothing, nothing, nothing, nothing)


def shown(route: Route) -> str:
    """The path as a person writes it: /jobs/ID."""
    return re.sub("<(?:.*_)?(.*?)>", lambda found: found[1].upper(), route.path)


def words(kind: Any) -> str:
    """What a type lets a field hold."""
    match kind:
        case inspect.Metadata(extra_json_schema={"format": "date-time"}):
            return "an instant"
        case inspect.Metadata():
            return words(kind.type)
        case inspect.UnionType():
            return " or ".join(sorted(map(words, kind.types), key=lambda text: text == "null"))
        case inspect.LiteralType():
            return ", ".join(f"``{value}``" for value in kind.values)
        case inspect.DictType():
            return f"an object of: {words(kind.value_type)}"
        case inspect.ListType() | inspect.VarTupleType():
            return f"a list of: {words(kind.item_type)}"
        case inspect.StructType():
            return f"an object, ``{kind.cls.__name__}``"
    return simple(kind)


def simple(kind: Any) -> str:
    """The same for what holds nothing else."""
    match kind:
        case inspect.StrType():
            return "text" + bounds(kind.min_length, None, kind.max_length, " characters")
        case inspect.IntType():
            return "a whole number" + bounds(kind.ge, kind.gt, kind.le)
        case inspect.FloatType():
            return "a number" + bounds(kind.ge, kind.gt, kind.le)
    return PLAIN[type(kind).__name__]


def bounds(least: float | None, above: float | None, most: float | None, unit: str = "") -> str:
    """The limits of a number or a length, in words."""
    said = [
        f"{word} {value:,}"
        for word, value in (("at least", least), ("above", above), ("at most", most))
        if value is not None
    ]
    return f", {' and '.join(said)}{unit}" if said else ""


def default(field: structs.FieldInfo, unset: str | None) -> str:
    """What counts when a field is left out."""
    if field.default is UNSET:
        known = options.FIELDS.get(field.encode_name)
        if unset is not None or known is None:
            return unset or "none"
        return f"{json(known.default)}, or what ``SCHED_CONFIG`` says"
    if field.default is not NODEFAULT:
        return json(field.default)
    return "required" if field.default_factory is NODEFAULT else json(field.default_factory())


def json(value: object) -> str:
    """A value as JSON has it."""
    return f"``{msgspec.json.encode(value).decode()}``"


def rule(field: attrs.Attribute[Any]) -> str:
    """What the value of an option must be, in the words of its own check."""
    wrong = object()
    try:
        field.metadata["check"](wrong)
    except ValueError as why:
        return str(why).removeprefix("must be ").removesuffix(f", not {wrong!r}")
    raise AssertionError(f"{field.name} takes anything")


def preset(name: str, value: Any) -> str:
    """An option's default as jobsched.cfg would have it."""
    if isinstance(value, attrs.Factory):
        return f"``{value.factory.__module__.strip('_')}.{value.factory.__name__}()``"
    return f"``{SHOWN[name].format(value) if name in SHOWN else repr(value)}``"


def prose(text: str) -> str:
    """Words from the code as RST, in which `whsec_` would be a link."""
    return re.sub("`+([^`]+)`+", r"``\1``", re.sub(r"([*|]|_(?!\w))", r"\\\1", text))


def setup(app: Sphinx) -> dict[str, Any]:
    """Tell Sphinx of the directives."""
    app.add_directive("fields", Fields)
    app.add_directive("calls", Calls)
    app.add_directive("errors", Errors)
    app.add_directive("options", ConfigOptions)
    app.add_directive("command-line", CommandLine)
    return {"parallel_read_safe": True}
