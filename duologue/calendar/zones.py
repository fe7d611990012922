"""Time zones from the pinned `tzdata` package, never from the machine, and the version of that data.

A resolution records the tz data it was made with. That is only true if nothing else was looked at, so zones
are loaded from the package by hand: `ZoneInfo("…")` would prefer whatever the operating system has. No
arithmetic lives here.
"""

from __future__ import annotations

from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from zoneinfo import ZoneInfo

import tzdata  # type: ignore[import-untyped]


class CalendarError(ValueError):
    """What was asked of the calendar cannot be answered, however often it is tried. The message says what to
    do.
    """


@cache
def zone_names() -> frozenset[str]:
    """Every name of the tz database, links included."""
    return frozenset(files("tzdata").joinpath("zones").read_text("utf-8").split())


@cache
def zone(name: str) -> ZoneInfo:
    """The zone of that name. Raises `CalendarError` with the nearest names when there is none."""
    # Looked up in the list first: a name is part of a path below.
    if name not in zone_names():
        raise CalendarError(f"there is no time zone '{name}'; {_remedy(name)}")
    with files("tzdata").joinpath("zoneinfo", *name.split("/")).open("rb") as data:
        return ZoneInfo.from_file(data, key=name)


def zone_of(name: str, home: str) -> ZoneInfo:
    """The zone that a person is reckoned in, for quiet hours and for the times they read: their own.

    Where that does not exist, it is the couple's, and UTC should that not exist either. The core cannot know whether
    what a partner sent exists, and such a slip must neither keep the two from their sessions nor silence a message.
    """
    return zone(next((known for known in (name, home) if known in zone_names()), "UTC"))


def _remedy(name: str) -> str:
    by_lower = {known.lower(): known for known in zone_names()}
    # "Berlin" is a likelier slip than any misspelling, and difflib alone would not find it.
    cities = {known.rsplit("/", 1)[-1]: known for known in sorted(by_lower)}
    wanted = name.lower().replace(" ", "_")
    near = [cities[c] for c in get_close_matches(wanted, cities, n=1, cutoff=0.8)]
    near += [wanted] if wanted in by_lower else get_close_matches(wanted, by_lower, n=1, cutoff=0.7)
    names = " or ".join(dict.fromkeys(by_lower[n] for n in near))
    return f"did you mean {names}?" if names else "name one of the tz database, such as Europe/Berlin"


def tzdata_version() -> str:
    """The tz database's own name of the data in use, such as `2026a`."""
    return str(tzdata.IANA_VERSION)
