"""The hours in which a message may reach a person, as stretches of UTC time.

Quiet hours are a rule of a person's own wall clock; what the core is given are the windows between them. Who
is told what, and what becomes of a message that has to wait, is the core's.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from duologue.calendar import clock
from duologue.calendar.zones import zone
from duologue.practice.asks import Window
from duologue.practice.plan import Person, QuietHours

_DAY = timedelta(days=1)


def allowed(person: Person, since: datetime, until: datetime) -> tuple[Window, ...]:
    """When messages may reach `person` within `[since, until)`: sorted, apart from each other, none of them
    empty.
    """
    windows, free_from = [], since
    for start, end in _quiet(person, since, until):
        if start > free_from:
            windows.append(Window(start=free_from, end=start))
        free_from = max(free_from, end)
    if free_from < until:
        windows.append(Window(start=free_from, end=until))
    return tuple(windows)


def is_quiet(person: Person, at: datetime) -> bool:
    """Whether an instant lies in the person's quiet hours."""
    return any(start <= at < end for start, end in _quiet(person, at, at + timedelta(seconds=1)))


def is_night(person: Person, at: datetime) -> bool:
    """Whether an instant is at night for a person: in the quiet hours, the usual ones where there are none."""
    return is_quiet(person if person.quiet else person.with_(quiet=QuietHours()), at)


def free_from(person: Person, at: datetime) -> datetime:
    """The first moment from `at` on that does not lie in the person's quiet hours."""
    # Quiet hours leave some of every day, though a clock that jumps may swallow what they leave of one.
    return allowed(person, at, at + 3 * _DAY)[0].start


def _quiet(person: Person, since: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """The quiet stretches that touch `[since, until)`, clipped to it, in order of their starts."""
    if person.quiet is None or person.quiet.start == person.quiet.end:
        return
    place = zone(person.zone)
    # A stretch that began the evening before may reach in, and a missing day may push one further.
    day = clock.to_local(since, place).replace(hour=0, minute=0, second=0, microsecond=0) - 2 * _DAY
    while True:
        start, end = _night(person.quiet, day, place)
        if start >= until:
            return
        if end > since and end > start:
            yield max(start, since), min(end, until)
        day += _DAY


def _night(quiet: QuietHours, day: datetime, place: ZoneInfo) -> tuple[datetime, datetime]:
    """One day's quiet stretch. Where a clock is set back in it, the longer reading counts."""
    start, end = time.fromisoformat(quiet.start), time.fromisoformat(quiet.end)
    next_morning = _DAY if end < start else timedelta(0)
    begins = clock.to_instant(datetime.combine(day, start), place, fold="first")
    ends = clock.to_instant(datetime.combine(day + next_morning, end), place, fold="second")
    assert begins is not None  # noqa: S101 - only `gap="skip"` gives None
    assert ends is not None  # noqa: S101 - the same
    return begins.at, ends.at
