"""`twistd jobsched`: the options, and the service made from them."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import attrs
from twisted.python import usage

from . import files
from .clock import count_elapsed
from .config import catalog, tokens
from .config import options as config
from .daemon import logs
from .daemon.folder_lock import FolderLock, locks
from .daemon.listening import Place, look, names
from .daemon.startup import OrderedServices
from .executor.possible import how_many
from .model.errors import BadConfig, JobschedError
from .model.printable import shown
from .parts import Folders
from .reactor_types import Reactor
from .service import build
from .store.opening import migrate
from .threads import share_memory


class Options(usage.Options):
    """The command line of `twistd jobsched`."""

    synopsis = "[options]"
    longdesc = "A job scheduler driven by curl. It listens on 127.0.0.1 unless told otherwise."
    optParameters = [  # noqa: RUF012  # read by usage.Options from the class
        ["conf-dir", None, "conf", "Folder with jobsched.cfg, catalog.cfg and logging.cfg."],
        ["tasks-dir", None, "tasks", "Folder with the Python files and scripts of tasks."],
        ["state-dir", None, "var", "Folder for the database and for what runs print; made if missing."],
        ["on-stop", None, "end", "ON_STOP where jobsched.cfg does not have it: end, or leave scripts to executors."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = []

    def opt_listen(self, endpoint: str) -> None:
        """An endpoint to serve HTTP on, such as tcp:8080:interface=127.0.0.1 or unix:/run/jobsched.sock.
        May be given more than once. Default: JOBSCHED_PORT on 127.0.0.1."""
        self["listen"].append(endpoint)

    def parseArgs(self, *extra: str) -> None:
        if extra:
            raise usage.UsageError(f"unexpected argument: {extra[0]}")

    def parseOptions(self, options: Sequence[str] | None = None) -> None:
        """A wrong option ends in one line and exit status 1; in twistd itself, in a page of help and exit status 0."""
        try:
            super().parseOptions(options)
        except usage.UsageError as why:
            raise SystemExit(f"jobsched: {why}; see --help") from None

    def postOptions(self) -> None:
        parent = getattr(self, "parent", None)
        if parent is not None and "logger" in parent and not parent["logger"]:
            parent["logger"] = "jobsched.daemon.logs.ToLogging"  # twistd's own log goes where logging.cfg says


def makeService(options: Options) -> OrderedServices:
    """Check all that must be true before anything is served, then build. Exits with one line if a check fails."""
    from twisted.internet import reactor

    share_memory()
    count_elapsed(cast(Reactor, reactor))
    try:
        return make(cast(Reactor, reactor), options)
    except JobschedError as why:
        raise SystemExit(shown(" ".join(f"jobsched: {why}".split()))) from None


def make(reactor: Reactor, options: Options) -> OrderedServices:
    """The service that `options` ask for. Raises BadConfig, BadCatalog or BadStore."""
    conf_dir, tasks_dir, state_dir = (Path(options[name]).absolute() for name in ("conf-dir", "tasks-dir", "state-dir"))
    for folder, option in ((conf_dir, "--conf-dir"), (tasks_dir, "--tasks-dir")):
        if not folder.is_dir():
            raise BadConfig(f"{option}: {folder}: no such folder")
    configuration = config.load(conf_dir, state_dir, _on_stop(options["on-stop"]))
    endpoints = options["listen"] or [f"tcp:{configuration.port}:interface=127.0.0.1"]
    known = tokens.load(conf_dir / tokens.FILE)
    places = [check_endpoint(endpoint, known.asked) for endpoint in endpoints]
    if configuration.allowed_hosts is None:
        configuration = attrs.evolve(configuration, allowed_hosts=names(places))
    tasks = catalog.load(conf_dir / "catalog.cfg", tasks_dir, configuration.run_as)
    logs.load(conf_dir / "logging.cfg")
    held = _own(state_dir, configuration.store)
    if files.open_to_others(state_dir):
        logging.getLogger(__name__).warning(
            "others may write %s, and replace the store and what runs printed: chmod it to 0700", state_dir
        )
    migrate(configuration.store, galera_single_writer=configuration.galera_single_writer)
    configuration = _with_executors(configuration, state_dir)
    folders = Folders(conf=conf_dir, tasks=tasks_dir, state=state_dir)
    services, _site = build(reactor, configuration, tasks, folders, held, known, endpoints, os.environ)
    return services


def _on_stop(asked: str) -> str:
    if asked not in ("end", "leave"):
        raise BadConfig(f"--on-stop: must be end or leave, not {asked!r}")
    return asked


def _with_executors(configuration: config.Config, state_dir: Path) -> config.Config:
    """How many executors there are is known from here on. Raises BadConfig."""
    count, why = how_many(configuration.executors, state_dir)
    log = logging.getLogger(__name__)
    if why:
        log.warning("there can be no executors, so scripts end with the daemon: %s; EXECUTORS = 0 says so", why)
    elif count and os.getpid() == 1:
        level = logging.WARNING if configuration.on_stop == "leave" else logging.INFO
        log.log(level, "this daemon is process 1 of its container, so no script outlives it")
    return attrs.evolve(configuration, executors=count)


def _own(state_dir: Path, store: str) -> list[FolderLock]:
    try:
        state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as why:
        raise BadConfig(f"--state-dir: {state_dir}: {why.strerror}") from why
    try:
        return locks(state_dir, store)
    except OSError as why:
        raise BadConfig(f"the lock {why.filename} cannot be made: {why.strerror}") from why


def check_endpoint(endpoint: str, asked: bool = False) -> Place:
    """Refuse an endpoint that cannot be listened on, or that others can reach if they are not `asked` for a token."""
    place = look(endpoint)
    if place.loopback or asked:
        return place
    raise BadConfig(
        f"--listen: {endpoint}: anybody who reaches it could run every task of the catalog; "
        "without tokens only 127.0.0.1, ::1 and unix sockets are served"
    )
