"""`jobsched.cfg` -> options, each checked. The file is Python source: its names in capitals are the options.

A new option is one line in `Config`. Names in lower case are free for the writer of the file.
"""

from __future__ import annotations

import builtins
import difflib
import math
import re
import socket
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeGuard
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import attrs

from jobsched.config import confinement, legacy, source
from jobsched.config.faults import exposed, passwords
from jobsched.model import labels, receiver
from jobsched.model import lease as leases
from jobsched.model.definition import TAGS_RULE, are_tags
from jobsched.model.errors import BadConfig
from jobsched.model.hosts import plain
from jobsched.model.job import Policy
from jobsched.model.printable import printable

MIB = 1024 * 1024
LONGEST = 1e11  # seconds, 3,000 years: a date that far ahead can still be written


def _rule(words: str, holds: Callable[[object], bool], secret: bool = False) -> Callable[[object], None]:
    """A check whose error says what a value must be. A value that may be `secret` is not repeated in it."""

    def check(value: object) -> None:
        if not holds(value):
            raise ValueError(f"must be {words}" + ("" if secret else f", not {value!r}"))

    return check


def _or_none(words: str, holds: Callable[[object], bool], secret: bool = False) -> Callable[[object], None]:
    """The check of a value that may be None too."""
    return _rule(f"{words}, or None", lambda value: value is None or holds(value), secret)


def _is_number(value: object) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LONGEST


def _whole(least: int, most: float = math.inf, words: str = "") -> Callable[[object], None]:
    wording = words or (
        f"a whole number of {least} or more" if most == math.inf else f"a whole number, {least} to {most}"
    )
    return _rule(wording, lambda value: type(value) is int and least <= value <= most)


def _one_of(*words: str) -> Callable[[object], None]:
    return _rule("one of " + ", ".join(map(repr, words)), lambda value: isinstance(value, str) and value in words)


def _is_zone(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(ZoneInfo(value))
    except (KeyError, ValueError, OSError):  # unknown; no name at all; a folder of the zone files
        return False


def _is_name(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and printable(value) and value == value.strip()


def _is_url(value: object) -> bool:
    return isinstance(value, str) and bool(value.partition("://")[0]) and "://" in value and not legacy.in_memory(value)


def _is_user(value: object) -> bool:
    try:
        return isinstance(value, str) and bool(confinement.account(value))
    except ValueError:  # no such user; or only root may run tasks as another user
        return False


def _are_hosts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and plain(name) for name in value)


def _are_names(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) and name for name in value)


def _is_token(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[!-~]{32,200}", value) is not None


def _is_address(value: object) -> bool:
    if not isinstance(value, str) or not re.fullmatch("https?://[!-~]{1,1000}", value, re.IGNORECASE):
        return False
    try:
        parts = urlsplit(value)
        # a password would be shown by GET /nodes
        return bool(parts.hostname) and parts.port != 0 and not any(sign in value for sign in "?#@")
    except ValueError:  # no port, no IPv6 address
        return False


SECONDS = _rule("a number of seconds above 0", lambda value: _is_number(value) and value > 0)
DAYS = _rule("a number of days above 0, at most 36525", lambda value: _is_number(value) and 0 < value <= 36_525)
SECONDS_OR_0 = _rule("a number of seconds, 0 or more", lambda value: _is_number(value) and value >= 0)
SECONDS_OR_NONE = _or_none("a number of seconds above 0", lambda value: _is_number(value) and value > 0)
LEASE = _rule(
    f"a number of seconds, {leases.SHORTEST.total_seconds():g} to {leases.LONGEST.total_seconds():g}",
    lambda value: _is_number(value) and leases.SHORTEST <= timedelta(seconds=value) <= leases.LONGEST,
)
URL = _rule("the URL of a database on disk or on a server, such as 'sqlite:///jobsched.sqlite'", _is_url, True)
ZONE = _rule("the IANA name of a time zone, such as 'Europe/Berlin'", _is_zone)
NAME = _rule("a name: 1 to 200 printable characters", _is_name)
TAGS = _rule(f"a dict of text to text: {TAGS_RULE}", are_tags)
USER_OR_NONE = _or_none("the name of a user of this machine, where root starts the daemon", _is_user)
NAMES = _rule("a list of names", _are_names)
LABELS = _rule("a list of names of labels that differ in letters and digits, such as ['team']", labels.are_shown)
HOSTS_OR_NONE = _or_none("a list of host names and addresses, such as ['jobs.example']", _are_hosts)
TOKEN_OR_NONE = _or_none("32 to 200 characters of ASCII without blanks", _is_token, True)
ADDRESS_OR_NONE = _or_none("an address such as 'http://alpha.example:58631', with neither user nor query", _is_address)
RECEIVER_OR_NONE = _or_none(receiver.RULE, receiver.is_receiver, True)
SECRETS_OR_NONE = _or_none(f"{receiver.RULE_OF_SECRETS}, a list of such texts", receiver.are_secrets, True)
MAIL_OR_NONE = _or_none(receiver.RULE_OF_MAIL, receiver.is_mail_server, True)
RECEIVERS_OR_NONE = _or_none("a list of hosts such as ['hooks.example', '*.example:8443']", receiver.are_patterns)
EXECUTORS = _or_none("a whole number, 0 to 64", lambda value: type(value) is int and 0 <= value <= 64)
YES_OR_NO = _rule("True or False", lambda value: isinstance(value, bool))


def _option(name: str, check: Callable[[object], None], default: object) -> Any:  # any type, as attrs.field gives it
    return attrs.field(default=default, metadata={"name": name, "check": check})


@attrs.frozen(kw_only=True)
class Config:
    """All options, as `name, check, default`. A name in lower case is a key of `SCHED_CONFIG`."""

    livetime: float = _option("JOB_LIVETIME", SECONDS, 3600)
    kill_grace: float = _option("KILL_GRACE", SECONDS_OR_0, 5)
    output_limit: int = _option("OUTPUT_LIMIT", _whole(0), 64 * MIB)  # bytes of one run
    keep_runs: int = _option("KEEP_RUNS", _whole(1), 1000)  # of each job
    keep_days: float = _option("KEEP_DAYS", DAYS, 30)
    audit_days: float = _option("AUDIT_DAYS", DAYS, 365)
    port: int = _option("JOBSCHED_PORT", _whole(0, 65535), 58631)  # 0: any free one
    node_name: str = _option("NODE_NAME", NAME, attrs.Factory(socket.gethostname))
    node_tags: Mapping[str, str] = _option("NODE_TAGS", TAGS, {})
    node_url: str | None = _option("NODE_URL", ADDRESS_OR_NONE, None)  # from `load`: with no slash at its end
    lease: float = _option("LEASE", LEASE, leases.USUAL.total_seconds())  # in force once all nodes ask for it
    galera_single_writer: bool = _option("GALERA_SINGLE_WRITER", YES_OR_NO, False)
    cluster_token: str | None = _option("CLUSTER_TOKEN", TOKEN_OR_NONE, None)  # for calls between nodes
    allowed_hosts: Sequence[str] | None = _option("ALLOWED_HOSTS", HOSTS_OR_NONE, None)  # None: where it listens
    max_connections: int = _option("MAX_CONNECTIONS", _whole(1), 256)
    max_followers: int = _option("MAX_FOLLOWERS", _whole(1), 64)
    executors: int | None = _option("EXECUTORS", EXECUTORS, None)  # 0: the daemon itself starts scripts
    on_stop: str = _option("ON_STOP", _one_of("end", "leave"), "end")  # leave: to executors
    handover: float = _option("HANDOVER", LEASE, 300)  # seconds that others wait for the daemon after this one
    umask: int = _option("UMASK", _whole(0, 0o777, "a number such as 0o022, at most 0o777"), 0o022)
    notify_url: str | None = _option("NOTIFY_URL", RECEIVER_OR_NONE, None)  # the receiver for all jobs
    notify_secret: str | Sequence[str] | None = _option("NOTIFY_SECRET", SECRETS_OR_NONE, None)
    notify_old_signature: bool = _option("NOTIFY_OLD_SIGNATURE", YES_OR_NO, True)
    notify_hosts: Sequence[str] | None = _option("NOTIFY_HOSTS", RECEIVERS_OR_NONE, None)  # None: NOTIFY_URL's alone
    notify_private: bool = _option("NOTIFY_PRIVATE", YES_OR_NO, False)
    notify_mail: Mapping[str, object] | None = _option("NOTIFY_MAIL", MAIL_OR_NONE, None)  # the server, for mailto:
    run_as: str | None = _option("RUN_AS", USER_OR_NONE, None)  # None: as the daemon
    secret_parameters: Sequence[str] = _option("SECRET_PARAMETERS", NAMES, ["password", "token", "secret"])
    metrics_labels: Sequence[str] = _option("METRICS_LABELS", LABELS, [])  # of jobs, in /metrics
    store: str = _option("store", URL, "sqlite:///jobsched.sqlite")  # from `load`: with an absolute path
    threads: int = _option("threads", _whole(1), 20)
    max_running: int = _option("max_running", _whole(1), 64)
    misfire_grace: float | None = _option("misfire_grace", SECONDS_OR_NONE, 60)  # None: no limit
    catch_up: str = _option("catch_up", _one_of("latest", "none", "all"), "latest")
    overlap: str = _option("overlap", _one_of("skip", "queue", "replace", "allow"), "skip")
    timezone: str = _option("timezone", ZONE, "UTC")
    warnings: tuple[str, ...] = ()  # for the log: old options not followed; a file that all can read

    @property
    def notify_secrets(self) -> Sequence[str]:
        """The secrets: notifications are signed with each of them."""
        given = self.notify_secret or []
        return [given] if isinstance(given, str) else given

    @property
    def receivers(self) -> receiver.Receivers:
        """Where notifications may go."""
        return receiver.Receivers.of(self.notify_url, self.notify_hosts, self.notify_private, self.notify_mail)

    @property
    def policy(self) -> Policy:
        """The policy of a job that sets none of its own."""
        checked: Any = {"overlap": self.overlap, "catch_up": self.catch_up}
        grace = None if self.misfire_grace is None else timedelta(seconds=self.misfire_grace)
        return Policy(misfire_grace=grace, **checked)


FIELDS = {field.metadata["name"]: field for field in attrs.fields(Config) if field.metadata}


def load(conf_dir: Path, state_dir: Path, on_stop: str = "end") -> Config:
    """Read `jobsched.cfg` in `conf_dir`; a relative SQLite path starts at `state_dir`. `on_stop` is for a file without
    it. Raises BadConfig, one line."""
    path = conf_dir / "jobsched.cfg"
    options = _execute(path)
    sched = options.pop("SCHED_CONFIG", {})
    if not isinstance(sched, dict):
        raise BadConfig(f"{path}: SCHED_CONFIG: must be a dict, not a {type(sched).__name__}")  # it may hold a password
    ours, warnings = legacy.translate(sched)
    values: dict[str, Any] = {"warnings": tuple(warnings), "on_stop": on_stop}
    for name, value in options.items():
        values |= _checked(path, name, name if name in FIELDS else None, value)
    for key, value in ours.items():
        known = key in FIELDS and not key.isupper()
        values |= _checked(path, f"SCHED_CONFIG[{key!r}]", key if known else None, value)
    config = Config(**values)
    url = config.node_url and config.node_url.rstrip("/")
    found = exposed(path, _secrets(config))
    resolved = _resolved(config.store, state_dir)
    return attrs.evolve(config, store=resolved, node_url=url, warnings=(*config.warnings, *found, *_idle(config)))


def _idle(config: Config) -> list[str]:
    """Options that say nothing beside others."""
    idle = config.on_stop == "leave" and config.executors == 0
    return ["ON_STOP is 'leave', but EXECUTORS is 0, so a stop ends all runs"] if idle else []


def _secrets(config: Config) -> dict[str, Iterable[str | None]]:
    """Name -> values: the secrets that not every user of the machine should be able to read."""
    return {
        "CLUSTER_TOKEN": [config.cluster_token],
        "NOTIFY_SECRET": config.notify_secrets,
        "the password of the store": passwords(config.store),
    }


def _execute(path: Path) -> dict[str, object]:
    """Run the file, and return its names in capitals. Raises BadConfig."""
    try:
        text = path.read_bytes()
    except FileNotFoundError as error:
        hint = "copy the shipped conf folder, or name yours with --conf-dir"
        raise BadConfig(f"{path}: no such file; {hint}") from error
    except OSError as error:
        raise BadConfig(f"{path}: {error.strerror}") from error
    names: dict[str, object] = {"__builtins__": builtins, "__file__": str(path)}
    try:
        exec(compile(text, str(path), "exec", dont_inherit=True), names)  # noqa: S102  # the administrator wrote it
    except (Exception, SystemExit) as error:
        line, words = source.mishap(error, str(path))
        raise BadConfig(f"{path}{f':{line}' if line else ''}: {words}") from error
    return {name: value for name, value in names.items() if name.isupper() and not name.startswith("_")}


def _checked(path: Path, label: str, name: str | None, value: object) -> dict[str, object]:
    """One option under its field's name. Raises BadConfig."""
    if name is None:
        raise BadConfig(f"{path}: {label}: unknown option; the nearest is {_nearest(label)}")
    try:
        FIELDS[name].metadata["check"](value)
    except ValueError as error:
        raise BadConfig(f"{path}: {label}: {error}") from error
    return {FIELDS[name].name: value}


def _nearest(label: str) -> str:
    names = {name.upper(): name if name.isupper() else f"SCHED_CONFIG[{name!r}]" for name in FIELDS}
    names["SCHED_CONFIG"] = "SCHED_CONFIG"
    meant = label.removeprefix("SCHED_CONFIG[").strip("]'\"").upper()
    return names[difflib.get_close_matches(meant, names, 1, cutoff=0)[0]]


def _resolved(url: str, state_dir: Path) -> str:
    """The URL with our driver, and with an absolute path if it names a file of SQLite."""
    scheme, _, rest = legacy.with_driver(url).partition("://")
    if scheme.split("+")[0] != "sqlite" or not rest.startswith("/") or rest.startswith(("//", "/file:")):
        return f"{scheme}://{rest}"
    folder = str(state_dir.absolute()).replace("%", "%25").replace("?", "%3F")  # a URL's own signs
    return f"{scheme}:///{folder}{'' if folder.endswith('/') else '/'}{rest[1:]}"
