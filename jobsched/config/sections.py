"""Files with sections, as `configparser` reads them: what is wrong with such a file, in words for people."""

from __future__ import annotations

import configparser


def mistake(error: configparser.Error) -> str:
    """The line number and what is wrong; the text is to follow the name of the file and a colon."""
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
