"""The calendar's one answer to the core: `Resolve` in, `Resolution` out.

What is asked for is found here and given everything it is recorded with: zone, fold, tz data version, for
whom it is night, and both partners' message windows around it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

from duologue.calendar import clock
from duologue.calendar.cadence import FIRST_DAY, LAST_DAY, shifted, slots
from duologue.calendar.quiet import allowed, is_night
from duologue.calendar.zones import CalendarError, tzdata_version, zone, zone_of
from duologue.practice.asks import Resolution, Resolve, Slot, Windows
from duologue.practice.plan import Cadence, Listed, People
from duologue.practice.values import PARTNERS

AFTERWARDS = timedelta(weeks=3)
"""How long past the last slot the windows are known, or past the asking: what follows is said within it."""

KNOWN_FOR = timedelta(days=60)
"""The longest stretch of windows: they stay in the workflow's state."""

_DAY = timedelta(days=1)


def resolve(ask: Resolve) -> Resolution:
    """The times that `ask` asks for. Raises `CalendarError` where no answer is possible, now or later."""
    found: Iterable[Slot] = ()
    if ask.want == "slot":
        where = zone(ask.zone)
        regular = (
            shifted(_cadence(ask), where, anchor=ask.anchor, after=ask.after, by=ask.shift)
            if ask.shift
            else slots(_cadence(ask), where, anchor=ask.anchor, after=ask.after)
        )
        found = islice(regular, 1)
    elif ask.want == "exact":
        found = [clock.slot(_at(ask), zone(ask.zone))]
    elif ask.want == "proposals":
        found = _proposals(ask, _at(ask))
    people = _placed(ask)
    marked = tuple(_mark(slot, people) for slot in found)
    others = _proposals(ask, marked[0].start) if marked and ask.want != "proposals" else ()
    return Resolution(
        key=ask.key,
        slots=marked,
        others=tuple(_mark(slot, people) for slot in others),
        tzdata=tzdata_version(),
        windows=_windows(ask.since, max((slot.start for slot in marked), default=ask.since), people),
    )


def _cadence(ask: Resolve) -> Cadence:
    if ask.cadence is None:
        raise CalendarError(f"to resolve '{ask.want}' the cadence is needed: give 'cadence'")
    return ask.cadence


def _at(ask: Resolve) -> datetime:
    if ask.at is None:
        raise CalendarError(f"to resolve '{ask.want}' the moment it is about is needed: give 'at'")
    return ask.at


def _proposals(ask: Resolve, base: datetime) -> Iterator[Slot]:
    """`offsets` from `base`, in the order of preference, each instant once, none on a blackout date."""
    place = zone(ask.zone)
    skip = () if ask.cadence is None or isinstance(ask.cadence, Listed) else ask.cadence.skip
    seen: set[datetime] = set()
    for offset in ask.offsets:
        reading = _later_by(offset, base, place, ask.cadence)
        if reading is None or reading.at <= ask.after or reading.at in seen:
            continue
        seen.add(reading.at)
        if clock.to_local(reading.at, place).date() not in skip:
            yield clock.slot(reading.at, place, shifted=reading.shifted)


def _later_by(
    offset: timedelta, base: datetime, place: ZoneInfo, cadence: Cadence | None
) -> clock.Reading | None:
    """Whole days keep the wall clock (tomorrow at the same time); anything less is absolute."""
    if not FIRST_DAY <= base.date() <= LAST_DAY or offset > _DAY * (LAST_DAY - base.date()).days:
        return None
    if not offset or offset % _DAY:
        return clock.Reading(base + offset, shifted=False)
    local = clock.to_local(base, place) + offset
    if cadence is None or isinstance(cadence, Listed):
        return clock.to_instant(local, place)
    return clock.to_instant(local, place, gap=cadence.gap, fold=cadence.fold)


def _placed(ask: Resolve) -> People:
    """The partners, each in a zone that exists; the couple's has to."""
    zone(ask.zone)
    people = {p: getattr(ask.people, p) for p in PARTNERS}
    return ask.people.with_(
        **{p: one.with_(zone=zone_of(one.zone, ask.zone).key) for p, one in people.items()}
    )


def _mark(slot: Slot, people: People) -> Slot:
    night = tuple(p for p in PARTNERS if is_night(getattr(people, p), slot.start))
    return slot.with_(night_for=night)


def _windows(since: datetime, last: datetime, people: People) -> Windows:
    """Both partners' windows from `since` until three weeks past the last slot, where that is not too long.

    What lies beyond is asked for once a message is to be sent then.
    """
    until = min(max(last, since) + AFTERWARDS, since + KNOWN_FOR)
    return Windows(
        since=since,
        until=until,
        a=allowed(people.a, since, until),
        b=allowed(people.b, since, until),
    )
