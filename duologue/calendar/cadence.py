"""When the booked dialogues are: the days of each kind of cadence, and the slots they become.

Here a cadence is unrolled and counted. How one wall-clock time is read is in `clock`, what is asked for and
recorded with it in `resolution`.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import count
from typing import get_args
from zoneinfo import ZoneInfo

from duologue.calendar import clock
from duologue.calendar.zones import CalendarError
from duologue.practice.asks import Slot
from duologue.practice.plan import Cadence, EveryDays, Listed, Monthly, Weekday, Weekly
from duologue.practice.values import parse_span

_WEEKDAYS: tuple[Weekday, ...] = get_args(Weekday)
_WEEK = timedelta(weeks=1)

FIRST_DAY = date(2000, 1, 2)
LAST_DAY = date(2199, 12, 30)
"""The days on which a slot is an `Instant` in every zone."""

_MARGIN = timedelta(days=3)
"""More than any zone is away from UTC, and than any change of a clock moves a time."""


def slots(cadence: Cadence, zone: ZoneInfo, *, anchor: datetime, after: datetime) -> Iterator[Slot]:
    """The cadence's slots strictly after `after`, in order, each once. `anchor` is when practising began."""
    if isinstance(cadence, Listed):
        starts = sorted({_listed(entry, anchor) for entry in cadence.at})
        return (clock.slot(at, zone) for at in starts if at > after)
    return _wall_clock(cadence, zone, anchor, after)


def shifted(
    cadence: Cadence, zone: ZoneInfo, *, anchor: datetime, after: datetime, by: timedelta
) -> Iterator[Slot]:
    """The slots strictly after `after` of a cadence that comes later `by` the length of a pause.

    By the wall clock that is the whole days of it, so that the time of day stays; a list is moved to the second. A slot
    that would come to a blackout date is left out, and is none of the cadence's `count`.
    """
    if isinstance(cadence, Listed):
        found = (slot.start + by for slot in slots(cadence, zone, anchor=anchor, after=after - by))
        return (clock.slot(at, zone) for at in found if at.date() <= LAST_DAY)
    return _wall_clock(cadence, zone, anchor, after, later=timedelta(days=by // timedelta(days=1)))


def _listed(entry: datetime | str, anchor: datetime) -> datetime:
    if isinstance(entry, datetime):
        return entry
    try:
        at = anchor + parse_span(entry.removeprefix("+"))
    except (ValueError, OverflowError) as error:
        raise CalendarError(f"'{entry}' is no time from the start; write it as in +20s or +7d") from error
    if at.date() > LAST_DAY:
        raise CalendarError(f"'{entry}' lies too far ahead; name a time before the year {LAST_DAY.year + 1}")
    return at


def _wall_clock(
    cadence: Weekly | EveryDays | Monthly,
    zone: ZoneInfo,
    anchor: datetime,
    after: datetime,
    *,
    later: timedelta = timedelta(0),
) -> Iterator[Slot]:
    begun = clock.to_local(anchor, zone).date()
    start = cadence.start or begun
    if start < FIRST_DAY:
        raise CalendarError(f"the start date {start} lies before the year 2000; give a later one")
    # Without a start date the cadence begins with practising itself, so what was over by then is not one of
    # `count`.
    floor = anchor if cadence.start is None else datetime.min.replace(tzinfo=UTC)
    # A count needs every slot from the start. Without one, the long past is passed over.
    resume = start if cadence.count else max(start, clock.to_local(after, zone).date() - later - _MARGIN)
    last = min(cadence.until or LAST_DAY, LAST_DAY - later)
    skipped, counted = frozenset(cadence.skip), 0
    for day in _days(cadence, start, resume):
        if day > last:
            return
        if day + later in skipped:
            continue
        reading = _read(cadence, day, zone)
        # A day that a zone left out altogether moves to midnight, where the next day's slot may be already.
        if reading is None or reading.at <= floor:
            continue
        floor = reading.at
        moved = _read(cadence, day + later, zone) if later else reading
        if moved is None or clock.to_local(moved.at, zone).date() in skipped:
            continue
        # What was left out before the cadence came later was none of them, whatever comes in its place now.
        counted += not (day in skipped and day - start < later)
        if moved.at > after:
            after = moved.at
            yield clock.slot(moved.at, zone, shifted=moved.shifted)
        if counted == cadence.count:
            return


def _read(cadence: Weekly | EveryDays | Monthly, day: date, zone: ZoneInfo) -> clock.Reading | None:
    """The cadence's time of day on `day`; None: the clock leaves it out, and so does the cadence."""
    at = time.fromisoformat(cadence.at)
    return clock.to_instant(datetime.combine(day, at), zone, gap=cadence.gap, fold=cadence.fold)


def _days(cadence: Weekly | EveryDays | Monthly, start: date, resume: date) -> Iterator[date]:
    """The cadence's days from `start` in order; those before `resume` may be left out."""
    if isinstance(cadence, Weekly):
        days = _weekly(cadence, start, resume)
    elif isinstance(cadence, EveryDays):
        days = _every_days(cadence, start, resume)
    else:
        days = _monthly(cadence, resume)
    return (day for day in days if day >= start)


def _weekly(cadence: Weekly, start: date, resume: date) -> Iterator[date]:
    # Weeks begin on Monday, and the start's own week is the first of an interval: the rule of RFC 5545.
    first = start - timedelta(days=start.weekday())
    step = cadence.interval * _WEEK
    numbers = sorted({_WEEKDAYS.index(name) for name in cadence.on})
    monday = first + (resume - first) // step * step
    while monday <= LAST_DAY:
        yield from (monday + timedelta(days=n) for n in numbers)
        monday += step


def _every_days(cadence: EveryDays, start: date, resume: date) -> Iterator[date]:
    step = timedelta(days=cadence.days)
    day = start + (resume - start) // step * step
    while day <= LAST_DAY:
        yield day
        day += step


def _monthly(cadence: Monthly, resume: date) -> Iterator[date]:
    weekday = _WEEKDAYS.index(cadence.on)
    for number in count(resume.year * 12 + resume.month - 1):
        year, month = number // 12, number % 12 + 1
        if year > LAST_DAY.year:
            return
        if cadence.nth == -1:
            end = date(year, month, monthrange(year, month)[1])
            yield end - timedelta(days=(end.weekday() - weekday) % 7)
        else:
            first = date(year, month, 1)
            yield first + timedelta(days=(weekday - first.weekday()) % 7, weeks=cadence.nth - 1)
