"""What a mistyped word may have been meant to be; the one home of "is unknown" and "does not exist"."""

from __future__ import annotations

import difflib
import enum
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from qif_deploy.errors import InputError

LOOKED_AT = 1000
"""Files of a folder that a name is compared with; a folder of pictures would keep an error waiting."""


def near(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like ``word``, whatever the case and the dashes; None where none is."""
    plain = {_plain(one): one for one in known}
    found = difflib.get_close_matches(_plain(word), plain, n=1)
    return plain[found[0]] if found else None


def meant(word: str, known: Iterable[str]) -> str:
    """Return the end of a message: the known word that ``word`` was probably meant to be, or nothing."""
    found = near(word, known)
    return "" if found is None else f"; did you mean {found!r}?"


def unknown_word(what: str, word: str, known: Iterable[str], *, also: str = "") -> InputError:
    """Return the error for a word that is none of ``known``: all of them, and the one that was probably meant.

    Args:
        what: what the word names, such as "target".
        word: as it was given.
        known: every word that would have been right, in the order to list.
        also: what else would have been right, such as ", or the path of a .toml file".
    """
    known = tuple(known)
    return InputError(f"{what} {word!r} is unknown; use one of {', '.join(known)}{also}{meant(word, known)}")


def require_member(what: str, value: object, kind: type[enum.Enum]) -> None:
    """Refuse a value that is no member of an enumeration, such as its text.

    Raises:
        InputError: it is none.
    """
    if not isinstance(value, kind):
        raise InputError(f"{what} {value!r} is no {kind.__name__}; give one of {', '.join(f'{kind.__name__}.{one.name}' for one in kind)}")


def missing_file(path: Path, *, remedy: str = "check the path") -> InputError:
    """Return the error for a file that is not there: a file of nearly that name in the same folder, else the remedy."""
    found = None if not path.parent.is_dir() else near(path.name, (one.name for one in islice(path.parent.iterdir(), LOOKED_AT)))
    ending = remedy if found is None else f"did you mean {str(path.with_name(found))!r}?"
    return InputError(f"file {str(path)!r} does not exist; {ending}")


def _plain(word: str) -> str:
    return word.casefold().replace("_", "-")
