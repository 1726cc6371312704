"""What each process of a run may take, and all of them together: the words of the option `limits`."""

from __future__ import annotations

import re

import attrs

UNITS = {"": 1, "K": 1024, "M": 1024**2, "G": 1024**3, "T": 1024**4}
LEAST_NICE, MOST_NICE = -20, 19
MOST_SHARE = 10_000
MOST = 1024**5  # bytes: more than any machine has, and still a number that its programs can read


@attrs.frozen(kw_only=True)
class ResourceLimits:
    """The limits; None: as much as the daemon itself may take."""

    nice: int | None = None  # added to the daemon's own
    memory: int | None = None  # bytes of address space
    cpu: int | None = None  # seconds of work
    files: int | None = None  # open at once
    memory_total: int | None = None  # bytes that all its processes together may have in memory
    pids: int | None = None  # processes and threads at once
    cpu_share: int | None = None  # of the processor where others want it too: other runs have 100

    @property
    def of_all(self) -> dict[str, int]:
        """Those that bound all processes of a run together, by name."""
        found = {name: getattr(self, name) for name in OF_ALL}
        return {name: value for name, value in found.items() if value is not None}


OF_ALL = ("memory_total", "pids", "cpu_share")
NAMES = tuple(field.name for field in attrs.fields(ResourceLimits))


def resource_limits(text: str) -> ResourceLimits:
    """Read `nice=10, memory=512M, cpu=60, files=256`, any of them. Raises ValueError in words."""
    found: dict[str, int] = {}
    for part in text.split(",") if text.strip() else ():
        name, sign, value = (word.strip() for word in part.partition("="))
        if name not in NAMES or not sign:
            raise ValueError(f"must be {', '.join(NAMES)}, each as NAME=NUMBER with commas between them, not {part!r}")
        if name in found:
            raise ValueError(f"{name} is there twice")
        found[name] = _number(name, value)
    return ResourceLimits(**found)


def _number(name: str, text: str) -> int:
    match name:
        case "nice":
            if re.fullmatch("[+-]?[0-9]{1,2}", text) and LEAST_NICE <= int(text) <= MOST_NICE:
                return int(text)
            raise ValueError(f"nice must be a whole number from {LEAST_NICE} to {MOST_NICE}, not {text!r}")
        case "memory" | "memory_total":
            amount = re.fullmatch("([0-9]{1,16})([KMGT]?)", text, re.IGNORECASE)
            if amount and 0 < (size := int(amount[1]) * UNITS[amount[2].upper()]) <= MOST:
                return size
            raise ValueError(f"{name} must be a number of bytes, such as 512M or 2G, not {text!r}")
        case "cpu_share":
            if re.fullmatch("[0-9]{1,5}", text) and 1 <= int(text) <= MOST_SHARE:
                return int(text)
            raise ValueError(f"cpu_share must be a whole number from 1 to {MOST_SHARE}, not {text!r}")
    if re.fullmatch("[0-9]{1,9}", text) and int(text):
        return int(text)
    raise ValueError(f"{name} must be a whole number above 0, not {text!r}")
