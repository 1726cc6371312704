"""Translates an old `SCHED_CONFIG`, written for APScheduler, so that an old `jobsched.cfg` keeps working.

2.x: `apscheduler.jobstore.ALIAS.OPTION`, `apscheduler.threadpool.OPTION`, `apscheduler.coalesce` and so on.
3.x: `apscheduler.jobstores.ALIAS`, `apscheduler.executors.ALIAS`, `apscheduler.job_defaults`, `apscheduler.timezone`;
their options follow after a dot, or are in a dict. Values may be texts, as from an ini file. Jobs in an old store are
pickles of APScheduler: they are not read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC

import attrs

from . import legacy_mongo

PREFIX = "apscheduler."
DRIVERS = {"postgres": "postgresql+psycopg", "postgresql": "postgresql+psycopg", "mysql": "mysql+pymysql"}
TRUE = {"true", "yes", "on", "y", "t", "1"}
FALSE = {"false", "no", "off", "n", "f", "0"}
WITHOUT_EFFECT = {"daemonic", "standalone", "threadpool.keepalive"}  # nothing here depends on these


def translate(sched_config: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
    """`SCHED_CONFIG` with our keys only, and a warning for each old key that is not followed exactly.

    A new key stays as it is, and wins over an old key of the same meaning.
    """
    old = {key: value for key, value in sched_config.items() if isinstance(key, str) and key.startswith(PREFIX)}
    ours = {key: value for key, value in sched_config.items() if key not in old}
    found = _Found(dict(_flat({key.removeprefix(PREFIX): value for key, value in old.items()})))
    found.read()
    for key, (value, origin) in found.ours.items():
        if key in ours:
            found.warn(origin, f"not used: SCHED_CONFIG[{key!r}] is set")
        else:
            ours[key] = value
    return ours, found.warnings


def with_driver(url: str) -> str:
    """The database URL with the driver we ship with, instead of any driver that it names."""
    scheme, mark, rest = url.partition("://")
    return DRIVERS.get(scheme.split("+")[0], scheme) + mark + rest


def in_memory(url: str) -> bool:
    """Whether this database would forget all jobs at the end of the process."""
    return url.startswith("sqlite") and url.partition("://")[2] in {"", "/", "/:memory:"}


def _flat(options: Mapping[str, object], path: str = "") -> Iterator[tuple[str, object]]:
    for key, value in options.items():
        if isinstance(value, Mapping) and value:
            yield from _flat(value, f"{path}{key}.")
        else:
            yield f"{path}{key}", value


@attrs.define
class _Found:
    """The old options, with dots and without the prefix, and their translation."""

    old: dict[str, object]
    ours: dict[str, tuple[object, str]] = attrs.Factory(dict)  # our key -> (value, old key)
    warnings: list[str] = attrs.Factory(list)

    def warn(self, key: str, text: str) -> None:
        self.warnings.append(f"SCHED_CONFIG[{PREFIX + key!r}]: {text}")

    def read(self) -> None:
        """Go through all options, each to the one method that knows it."""
        simple: dict[str, Callable[[str, object], None]] = {
            "misfire_grace_time": self._grace,
            "coalesce": self._coalesce,
            "max_instances": self._instances,
            "timezone": self._timezone,
        }
        groups: dict[str, dict[str, dict[str, object]]] = {"jobstore": {}, "executor": {}}
        pool: dict[str, object] = {}
        for key, value in self.old.items():
            head, _, rest = key.partition(".")
            plain = key.removeprefix("job_defaults.")
            if plain in simple:
                simple[plain](key, value)
            elif head in {"jobstore", "jobstores", "executors"} and rest:
                alias, _, option = rest.partition(".")
                groups[head.removesuffix("s")].setdefault(f"{head}.{alias}", {})[option] = value
            elif key in {"threadpool.max_threads", "threadpool.core_threads"}:
                pool[key] = value
            elif key not in WITHOUT_EFFECT:
                self.warn(key, "not known here, and ignored")
        self._pool(pool)
        self._executors(groups["executor"])
        self._stores(groups["jobstore"])

    def _grace(self, key: str, value: object) -> None:
        seconds = None if value is None else _number(value)
        if value is None or seconds is not None:
            self.ours["misfire_grace"] = seconds, key
        else:
            self.warn(key, f"must be a number of seconds above 0, not {value!r}; ignored")

    def _coalesce(self, key: str, value: object) -> None:
        said = str(value).strip().lower()
        if said in TRUE | FALSE:
            self.ours["catch_up"] = "latest" if said in TRUE else "all", key
        else:
            self.warn(key, f"must be true or false, not {value!r}; ignored")

    def _instances(self, key: str, value: object) -> None:
        number = _number(value)
        if number is None:
            self.warn(key, f"must be a number above 0, not {value!r}; ignored")
            return
        self.ours["overlap"] = "skip" if number == 1 else "allow", key
        if number > 1:
            self.warn(key, f"read as overlap 'allow': the number {number} itself is not kept")

    def _timezone(self, key: str, value: object) -> None:
        name = "UTC" if value is UTC else getattr(value, "key", None) or getattr(value, "zone", None) or value
        if isinstance(name, str):
            self.ours["timezone"] = name, key
        else:
            self.warn(key, f"not the name of a zone: {value!r}; ignored")

    def _pool(self, pool: dict[str, object]) -> None:
        """2.x: the greater of the two numbers of threads; without max_threads at least 20."""
        sizes = {key: _number(value) for key, value in pool.items() if value not in (0, "0")}
        for key, size in sizes.items():
            if size is None:
                self.warn(key, f"must be a number above 0, not {pool[key]!r}; ignored")
        known = {key: size for key, size in sizes.items() if size is not None}
        if known:
            most = max(known, key=lambda key: known[key])
            size = known[most] if "threadpool.max_threads" in known else max(known[most], 20)
            self.ours["threads"] = size, most

    def _executors(self, executors: dict[str, dict[str, object]]) -> None:
        for alias, options in executors.items():
            kind = _kind(options)
            if "" in options:
                self.warn(alias, f"an object cannot be followed, only its class and options: {kind}; ignored")
                continue
            if alias != "executors.default" or "threadpool" not in kind:
                self.warn(alias, "ignored: a task itself says where it runs (thread, reactor, or a process: @watchdog)")
                continue
            size = _number(options.pop("max_workers", 10))  # 10: the size that APScheduler gave
            if size is None:
                self.warn(f"{alias}.max_workers", "must be a number above 0; ignored")
            else:
                self.ours["threads"] = size, f"{alias}.max_workers"
            self._leftover(alias, options)

    def _stores(self, stores: dict[str, dict[str, object]]) -> None:
        """There is only one store here: the one called `default`, or else the first that is named."""
        defaults = [alias for alias in stores if alias.endswith(".default")]
        chosen = next(iter(defaults or stores), None)
        for alias, options in stores.items():
            if alias == chosen:
                self._store(alias, options)
                self._leftover(alias, options)
            else:
                self.warn(alias, f"ignored: there is one store here, taken from {PREFIX}{chosen}")

    def _store(self, alias: str, options: dict[str, object]) -> None:
        kind, url, path = _kind(options), options.pop("url", None), options.pop("path", None)
        if "sqlalchemy" in kind and isinstance(url, str) and not in_memory(url):
            self.ours["store"] = with_driver(url), f"{alias}.url"
        elif "shelve" in kind and isinstance(path, str):
            self.ours["store"] = f"sqlite:///{path}.sqlite", f"{alias}.path"
            self.warn(f"{alias}.path", f"jobs are kept in {path}.sqlite; those in the old shelf are not read")
        elif kind.removesuffix("jobstore") == "mongodb" and "client" not in options and "connection" not in options:
            self._mongo_store(alias, options)
        elif kind.removesuffix("jobstore") in {"ram", "memory"} or ("sqlalchemy" in kind and isinstance(url, str)):
            self.warn(alias, "jobs are kept on disk here, in the default store: they outlive a restart")
        else:
            options.clear()
            needed = " without a url" if "sqlalchemy" in kind else " without a path" if "shelve" in kind else ""
            self.warn(alias, f"{kind or 'no class'}{needed} cannot be followed: the default store is used instead")

    def _mongo_store(self, alias: str, options: dict[str, object]) -> None:
        """The old jobs are in a collection that may have the name of one of ours: so ours have a database of their
        own beside that one."""
        old, collection = (
            options.pop("database", legacy_mongo.DATABASE),
            options.pop("collection", legacy_mongo.COLLECTION),
        )
        beside = f"{old}_jobsched"
        url = legacy_mongo.url_of(options, beside)
        if url is None:
            options.clear()
            self.warn(alias, "no server of MongoDB is named: the default store is used instead")
            return
        self.ours["store"] = url, alias
        self.warn(alias, f"jobs are kept in the database {beside}; those in {old}.{collection} are not read")

    def _leftover(self, alias: str, options: dict[str, object]) -> None:
        for option in options:
            if option not in {"class", "type"}:
                self.warn(f"{alias}.{option}", "not known here, and ignored")


def _kind(options: Mapping[str, object]) -> str:
    """`type`, or the last name in `class`, in lower case; a text `module:Class`, or the class itself."""
    value = options.get("class", options.get("type", options.get("", "")))
    text = value if isinstance(value, str) else getattr(value, "__name__", type(value).__name__)
    return text.replace(":", ".").rpartition(".")[2].lower()


def _number(value: object) -> int | None:
    """A whole number above 0, or a text of one; else None."""
    if isinstance(value, str) and value.strip().isdecimal():
        value = int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
