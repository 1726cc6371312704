"""Faults of files that an operator wrote: sections that cannot be read, and secrets that everybody can read."""

from __future__ import annotations

import configparser
import re
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from urllib.parse import unquote

from jobsched import files
from jobsched.model.errors import BadCatalog


def _mistake(error: configparser.Error) -> str:
    """The line number and what is wrong; the text is to follow the name of the file and a colon."""
    match error:
        case configparser.DuplicateSectionError():
            return f"{error.lineno}: [{error.section}] is there twice"
        case configparser.DuplicateOptionError():
            return f"{error.lineno}: [{error.section}] {error.option}: is there twice"
        case configparser.MissingSectionHeaderError():
            return f"{error.lineno}: a [section] must come first"
        case configparser.ParsingError(errors=[(line, text), *_]):
            text = repr(text) if sys.version_info >= (3, 13) else text  # before, it is quoted already
            return f"{line}: neither a [section] nor 'option = value': {text}"
    return f" {' '.join(str(error).split())}"


def sections(path: Path) -> configparser.ConfigParser:
    """The sections of a catalog. Raises BadCatalog, in one line."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.optionxform = str  # type: ignore[method-assign, assignment]  # option names keep their case
    try:
        parser.read_string(files.plain(path).decode("utf-8-sig"), source=str(path))
    except OSError as error:
        raise BadCatalog(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise BadCatalog(f"{path}: not UTF-8 at byte {error.start}") from error
    except configparser.Error as error:
        raise BadCatalog(f"{path}:{_mistake(error)}") from error
    return parser


def exposed(path: Path, secrets: Mapping[str, Iterable[str | None]]) -> Iterator[str]:
    """One sentence if all users can read `path` and it contains one of the `secrets` (name -> values); else none.

    A secret that the file itself reads from another place is not contained in it.
    """
    try:
        if not path.stat().st_mode & stat.S_IROTH:
            return
        text = path.read_text("utf-8", "replace")
    except OSError:  # it was there a moment ago: its removal is not our concern
        return
    held = [name for name, values in secrets.items() if any(value and value in text for value in values)]
    if held:
        yield f"all users of this machine can read it, and it holds {' and '.join(held)}; chmod it to 0600 or 0640"


def passwords(url: str) -> Iterator[str]:
    """The passwords in a database URL, as written and with %XX decoded."""
    for password in re.findall(
        r"^[^/?]*//[^/?@:]*:([^@]+)@|[?&](?:password|passwd|tlsCertificateKeyFilePassword)=([^&]+)", url
    ):
        yield from (text for written in password for text in (written, unquote(written)))
