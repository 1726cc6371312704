"""Files of sections, as `configparser` reads them: what is wrong with one, for people."""

from __future__ import annotations

import configparser


def mistake(error: configparser.Error) -> str:
    """The line and what is wrong in it; it goes behind the name of the file and a colon."""
    match error:
        case configparser.DuplicateSectionError():
            return f"{error.lineno}: [{error.section}] is there twice"
        case configparser.DuplicateOptionError():
            return f"{error.lineno}: [{error.section}] {error.option}: is there twice"
        case configparser.MissingSectionHeaderError():
            return f"{error.lineno}: a [section] must come first"
        case configparser.ParsingError(errors=[(line, text), *_]):
            return f"{line}: neither a [section] nor 'option = value': {text}"
    return f" {' '.join(str(error).split())}"
