"""How the command line speaks: styled on a terminal, plain lines in a pipe, JSON where a script reads.

Only the shape of output lives here. Whatever is printed may hold a partner's words, so control characters are taken
out of all of it: nobody's words may move another's cursor or hide what stands on the screen.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, is_dataclass
from datetime import UTC, datetime, timedelta
from typing import TextIO

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

Part = str | Text
"""A piece of a line: plain, or styled by one of the functions below."""

# Control characters but tab and newline, and the signs that turn the direction of writing around.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
WHOM: Mapping[str, str] = {
    "none": "nobody",
    "couple": "both partners",
    "a": "partner a",
    "b": "partner b",
    "facilitator": "a facilitator",
}
"""Who is waited for, in words."""

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400


def clean(text: str) -> str:
    """`text` without what a terminal would obey instead of show."""
    return _CONTROL.sub("\ufffd", text)


def strong(text: str) -> Text:
    """What matters most in a line."""
    return Text(clean(text), "bold")


def soft(text: str) -> Text:
    """What is there for whoever looks for it."""
    return Text(clean(text), "dim")


def good(text: str) -> Text:
    """What went well."""
    return Text(clean(text), "green")


def bad(text: str) -> Text:
    """What did not."""
    return Text(clean(text), "red")


def name(text: str) -> Text:
    """Something to be typed: an id, an act, a command."""
    return Text(clean(text), "cyan")


def line(*parts: Part) -> Text:
    """One line made of parts."""
    return Text.assemble(*(Text(clean(p)) if isinstance(p, str) else p for p in parts))


def say(*parts: Part, error: bool = False) -> None:
    """Print one line to standard output (or standard error), at once."""
    stream, text = sys.stderr if error else sys.stdout, line(*parts)
    if _styled(stream):
        Console(file=stream, highlight=False).print(text, soft_wrap=True)
        stream.flush()
    else:
        print(text.plain, file=stream, flush=True)


def emit(value: object, *, error: bool = False, indent: int | None = 2) -> None:
    """Print a value as JSON. Pydantic models, dataclasses and instants may stand anywhere in it."""
    text = json.dumps(value, default=_plain, ensure_ascii=False, indent=indent)
    text = _CONTROL.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    print(text, file=sys.stderr if error else sys.stdout, flush=True)


def table(heads: Sequence[str], rows: Iterable[Sequence[Part]], *, indent: int = 0) -> None:
    """Print rows in columns; without frames, so that it reads the same in a pipe."""
    cells = [[line(c) for c in row] for row in rows]
    if not cells:
        return
    widths = [max(r[i].cell_len for r in [*cells, [line(h) for h in heads]]) for i in range(len(heads))]
    for row in [[strong(h) for h in heads], *cells] if any(heads) else cells:
        padded = [line(cell, " " * (width - cell.cell_len)) for cell, width in zip(row, widths, strict=True)]
        whole = line(" " * indent, *(part for cell in padded for part in (cell, "  ")))
        whole.rstrip()
        say(whole)


def facts(*pairs: tuple[str, Part | None]) -> None:
    """Print labelled values, leaving out those there are none of."""
    table(("", ""), [(soft(label), value) for label, value in pairs if value])


@contextmanager
def working(what: str) -> Iterator[None]:
    """Show that something takes a while: a spinner on a terminal, nothing in a pipe."""
    if not _styled(sys.stderr):
        yield
        return
    with Console(file=sys.stderr).status(clean(what)):
        yield


def clock(at: datetime) -> str:
    """A moment by the clock of whoever reads, to the second."""
    return f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}"


def when(at: datetime | None) -> str:
    """A moment and how far off it is."""
    if at is None:
        return "-"
    off = at - datetime.now(UTC)
    away = length(abs(off))
    return f"{clock(at)} ({f'in {away}' if off > timedelta(0) else f'{away} ago'})"


def length(span: timedelta) -> str:
    """A length of time in its two largest units."""
    seconds = int(span.total_seconds())
    if seconds < _MINUTE:
        return f"{seconds} s"
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min"
    if seconds < _DAY:
        return f"{seconds // _HOUR} h {seconds % _HOUR // _MINUTE} min"
    return f"{seconds // _DAY} d {seconds % _DAY // _HOUR} h"


def _styled(stream: TextIO) -> bool:
    return stream.isatty()


def _plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    return str(value)
