"""Sets of jobs as texts: JSON, TOML, YAML, crontabs, CronJobs of Kubernetes and timers of systemd.

Imports `model` alone, and no text becomes a program: a command has to be a task that its caller knows of. `rest` asks
it, and so may any command, without a daemon. Begin with `kinds`.
"""

from .findings import BadJobs, Entry, Fault, Jobs, Note, Unsayable
from .kinds import BY_MEDIA_TYPE, MEDIA_TYPES, READ, WRITTEN, Kind, media_type, read, write
from .known_tasks import KnownTask

__all__ = [
    "BY_MEDIA_TYPE", "MEDIA_TYPES", "READ", "WRITTEN", "BadJobs", "Entry", "Fault", "Jobs", "Kind", "KnownTask", "Note",
    "Unsayable", "media_type", "read", "write",
]  # fmt: skip
