"""What holds for the calendar in every zone of the tz database and on every day of forty years.

The oracle here shares nothing with the calendar: it tries every offset that a zone has around a day, and
walks minute by minute through the hours that clocks leave out.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from duologue.calendar import allowed, is_quiet, resolve, slots, zone, zone_names
from duologue.calendar.cadence import shifted
from duologue.calendar.clock import to_instant, to_local
from duologue.practice.asks import Resolve
from duologue.practice.plan import EveryDays, Monthly, People, Person, QuietHours, Weekday, Weekly

FROM, UNTIL = datetime(2000, 1, 3, tzinfo=UTC), datetime(2045, 1, 1, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
WEEKDAYS: tuple[Weekday, ...] = (
    "monday",
    "tuesday",
    "wednesday",
    "thursday",
    "friday",
    "saturday",
    "sunday",
)

every = settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])


def offset_at(at: datetime, place: ZoneInfo) -> timedelta:
    offset = at.astimezone(place).utcoffset()
    assert offset is not None
    return offset


def readings(local: datetime, place: ZoneInfo) -> list[datetime]:
    """Every instant at which the clock of `place` shows `local`, in order."""
    around = [local.replace(tzinfo=UTC) + n * timedelta(hours=6) for n in range(-8, 9)]
    tried = {local.replace(tzinfo=UTC) - offset_at(at, place) for at in around}
    return sorted(at for at in tried if to_local(at, place) == local)


def after_gap(local: datetime, place: ZoneInfo) -> datetime:
    """The first minute after `local`, by walking."""
    at = local.replace(tzinfo=UTC) - timedelta(hours=15)
    while to_local(at, place) < local:
        at += MINUTE
    return at


@cache
def changes() -> tuple[tuple[str, datetime], ...]:
    """Every change of every clock: one zone for each history, with the first instant of the new offset."""
    found = []
    histories = set()
    for name in sorted(zone_names()):
        place = zone(name)
        week, own = FROM, []
        before = offset_at(week, place)
        while week < UNTIL:
            week += timedelta(days=7)
            now = offset_at(week, place)
            if now != before:
                low, high = week - timedelta(days=7), week
                while high - low > MINUTE:
                    middle = (low + (high - low) / 2).replace(second=0, microsecond=0)
                    low, high = (middle, high) if offset_at(middle, place) == before else (low, middle)
                own.append((high, now))
                before = now
        if tuple(own) not in histories:
            histories.add(tuple(own))
            found += [(name, at) for at, _ in own]
    return tuple(found)


def test_the_zones_and_the_years_are_really_covered() -> None:
    assert len(zone_names()) > 500
    assert len(changes()) > 5000
    assert UNTIL.year - FROM.year >= 30


def test_at_every_change_of_every_clock_the_declared_rules_hold() -> None:
    for name, at in changes():
        place = zone(name)
        old, new = offset_at(at - MINUTE, place), offset_at(at, place)
        earlier, later = sorted((at.replace(tzinfo=None) + old, at.replace(tzinfo=None) + new))
        middle = (earlier + (later - earlier) / 2).replace(second=0)
        for local in {earlier, middle, later - MINUTE}:
            first = to_instant(local, place)
            second = to_instant(local, place, fold="second")
            assert first is not None
            assert second is not None
            if new > old:
                assert first == second == (at, True), (name, local)
                assert to_instant(local, place, gap="skip") is None
            else:
                assert [first.at, second.at] == [
                    local.replace(tzinfo=UTC) - old,
                    local.replace(tzinfo=UTC) - new,
                ], (name, local)
        for local in (earlier - MINUTE, later):
            plain = to_instant(local, place)
            assert plain is not None
            assert (to_local(plain.at, place), plain.shifted) == (local, False), (name, local)


zones = st.sampled_from(sorted(zone_names())).map(zone)
moments = st.datetimes(FROM.replace(tzinfo=None), UNTIL.replace(tzinfo=None)).map(
    lambda at: at.replace(second=0, microsecond=0)
)
clock_times = st.times().map(lambda at: f"{at:%H:%M}")
# Half of all cases lie within three hours of a change, where the trouble is.
near_changes = st.builds(
    lambda change, minutes: (zone(change[0]), to_local(change[1], zone(change[0])) + minutes * MINUTE),
    st.deferred(lambda: st.sampled_from(changes())),
    st.integers(-180, 180),
)
places_and_times = st.tuples(zones, moments) | near_changes


@every
@given(places_and_times)
def test_a_wall_clock_time_is_what_the_clock_shows_or_the_first_minute_after_a_gap(
    case: tuple[ZoneInfo, datetime],
) -> None:
    place, local = case
    expected = readings(local, place)
    for fold, index in (("first", 0), ("second", -1)):
        found = to_instant(local, place, fold="first" if fold == "first" else "second")
        assert found is not None
        if expected:
            assert found == (expected[index], False)
        else:
            assert found == (after_gap(local, place), True)


@st.composite
def cadences(draw: st.DrawFn) -> Weekly | EveryDays | Monthly:
    start = draw(st.none() | st.dates(date(2000, 1, 10), date(2040, 1, 1)))
    shared = {
        "at": draw(clock_times),
        "start": start,
        "count": draw(st.none() | st.integers(1, 30)),
        "skip": tuple(start + n * DAY for n in draw(st.sets(st.integers(0, 60), max_size=9)))
        if start
        else (),
        "gap": draw(st.sampled_from(["later", "skip"])),
        "fold": draw(st.sampled_from(["first", "second"])),
    }
    which = draw(st.sampled_from(["week", "days", "month"]))
    if which == "week":
        on = draw(st.sets(st.sampled_from(WEEKDAYS), min_size=1))
        return Weekly.model_validate(shared | {"on": tuple(on), "interval": draw(st.integers(1, 5))})
    if which == "days":
        return EveryDays.model_validate(shared | {"days": draw(st.integers(1, 40))})
    nth = draw(st.sampled_from([1, 2, 3, 4, -1]))
    return Monthly.model_validate(shared | {"on": draw(st.sampled_from(WEEKDAYS)), "nth": nth})


instants = moments.map(lambda at: at.replace(tzinfo=UTC))


@every
@given(zones, cadences(), instants, st.timedeltas(timedelta(0), timedelta(days=900)))
def test_slots_rise_keep_their_wall_clock_and_avoid_blackout_dates(
    place: ZoneInfo, cadence: Weekly | EveryDays | Monthly, anchor: datetime, later: timedelta
) -> None:
    after = anchor + later
    found = list(islice(slots(cadence, place, anchor=anchor, after=after), 40))
    assert all(slot.start > after for slot in found)
    assert all(a.start < b.start for a, b in pairwise(found))
    for slot in found:
        local = datetime.fromisoformat(slot.local)
        assert slot.start in readings(local, place)
        assert local.date() not in cadence.skip
        if not slot.shifted:
            assert f"{local:%H:%M}" == cadence.at
        else:
            assert cadence.gap == "later"


@every
@given(zones, cadences(), instants, st.integers(0, 60 * 24 * 40), st.integers(1, 60 * 24 * 90))
def test_what_remains_of_a_cadence_comes_later_and_never_on_a_blackout_date(
    place: ZoneInfo, cadence: Weekly | EveryDays | Monthly, anchor: datetime, later: int, by: int
) -> None:
    """Each slot is one of its days, so many whole days later; and none but for a blackout date or the clock is lost.

    A day that was a blackout date is none where it has moved to.
    """
    after, days = anchor + later * MINUTE, timedelta(days=by // (60 * 24))
    found = list(islice(shifted(cadence, place, anchor=anchor, after=after, by=by * MINUTE), 20))
    assert all(slot.start > after for slot in found)
    assert all(a.start < b.start for a, b in pairwise(found))
    endless = cadence.with_(count=None, skip=())
    before = list(islice(slots(endless, place, anchor=anchor, after=after - days - 3 * DAY), 60))
    came = {datetime.fromisoformat(slot.local).date() + days for slot in before}
    on = {datetime.fromisoformat(slot.local).date() for slot in found}
    assert not on & set(cadence.skip)
    if not any(slot.shifted for slot in (*found, *before)):
        assert on <= came
        assert {f"{datetime.fromisoformat(slot.local):%H:%M}" for slot in found} <= {cadence.at}
        if found and cadence.count is None:
            lost = {day for day in came if min(on) <= day <= max(on)} - on
            assert lost <= set(cadence.skip) or cadence.gap == "skip"


@every
@given(zones, cadences(), instants, st.integers(1, 60 * 24 * 90))
def test_a_blackout_date_costs_a_cadence_that_is_shifted_none_of_its_count(
    place: ZoneInfo, cadence: Weekly | EveryDays | Monthly, anchor: datetime, by: int
) -> None:
    """There may be more: what was a blackout date before the pause was none of them."""
    whole = list(islice(shifted(cadence, place, anchor=anchor, after=FROM - 2 * DAY, by=by * MINUTE), 40))
    assert (cadence.count or 40) <= len(whole) <= (cadence.count or 40) + len(cadence.skip)


@every
@given(zones, cadences(), instants, st.integers(0, 39))
def test_asking_for_one_slot_after_the_other_gives_what_unrolling_gives(
    place: ZoneInfo, cadence: Weekly | EveryDays | Monthly, anchor: datetime, steps: int
) -> None:
    unrolled = list(islice(slots(cadence, place, anchor=anchor, after=anchor), steps + 1))
    after = unrolled[-2].start if len(unrolled) > 1 else anchor
    assert list(islice(slots(cadence, place, anchor=anchor, after=after), 1)) == unrolled[-1:]


@every
@given(zones, cadences(), instants)
def test_a_cadence_has_as_many_slots_as_it_counts(
    place: ZoneInfo, cadence: Weekly | EveryDays | Monthly, anchor: datetime
) -> None:
    whole = list(islice(slots(cadence, place, anchor=anchor, after=FROM - 2 * DAY), 31))
    assert len(whole) == (cadence.count or 31)


quiets = st.builds(lambda start, end: QuietHours(start=start, end=end), clock_times, clock_times)
people = st.builds(
    lambda place, quiet: Person(ref="p1", zone=place, quiet=quiet),
    st.sampled_from(sorted(zone_names()))
    | st.deferred(lambda: st.sampled_from(changes()).map(lambda c: c[0])),
    quiets,
)


def in_quiet(person: Person, at: datetime) -> bool:
    """What the person's own clock says, at this one minute."""
    assert person.quiet is not None
    now = f"{to_local(at, zone(person.zone)):%H:%M}"
    start, end = person.quiet.start, person.quiet.end
    return start <= now < end if start <= end else now >= start or now < end


@every
@given(st.data(), people)
def test_windows_are_apart_in_order_and_never_in_quiet_hours(data: st.DataObject, person: Person) -> None:
    place = zone(person.zone)
    near = [at for name, at in changes() if name == person.zone]
    since = (
        data.draw(st.sampled_from(near) if near else instants, label="since")
        - data.draw(st.integers(0, 4000), label="minutes before") * MINUTE
    )
    until = since + data.draw(st.integers(1, 60 * 24 * 6), label="minutes") * MINUTE
    windows = allowed(person, since, until)
    assert all(since <= w.start < w.end <= until for w in windows)
    assert all(a.end < b.start for a, b in pairwise(windows))
    at, free = since, 0
    repeated = [at for at in near if offset_at(at, place) < offset_at(at - MINUTE, place)]
    while at < until:
        inside = any(w.start <= at < w.end for w in windows)
        free += inside
        if inside:
            assert not in_quiet(person, at)
        elif person.quiet is not None and person.quiet.start != person.quiet.end and not in_quiet(person, at):
            # Only in an hour that comes twice may it be quiet although the clock alone would not say so.
            assert any(c - timedelta(hours=3) <= at < c + timedelta(hours=3) for c in repeated)
        at += 7 * MINUTE


@every
@given(zones, cadences(), instants, people, people)
def test_a_resolution_is_repeatable_and_marks_the_night(
    place: ZoneInfo, cadence: Weekly | EveryDays | Monthly, anchor: datetime, a: Person, b: Person
) -> None:
    ask = Resolve(
        key="s1",
        want="slot",
        zone=place.key,
        people=People(a=a, b=b.with_(ref="p2")),
        cadence=cadence,
        anchor=anchor,
        after=anchor,
        since=anchor,
    )
    answer = resolve(ask)
    assert resolve(Resolve.model_validate_json(ask.model_dump_json())) == answer
    for slot in answer.slots:
        assert slot.night_for == tuple(n for n, p in (("a", a), ("b", b)) if is_quiet(p, slot.start))
        assert slot.start < answer.windows.until or slot.start > anchor + timedelta(days=39)
    assert answer.windows.since == anchor


@every
@given(places_and_times, st.integers(1, 14))
def test_whole_days_ahead_are_the_same_time_of_day(case: tuple[ZoneInfo, datetime], days: int) -> None:
    place, local = case
    base = to_instant(local, place)
    assert base is not None
    ask = Resolve(
        key="s1",
        want="proposals",
        zone=place.key,
        people=People(a=Person(ref="p1"), b=Person(ref="p2")),
        cadence=EveryDays(days=1, at="19:00"),
        anchor=FROM,
        after=base.at,
        since=base.at,
        at=base.at,
        offsets=(days * DAY,),
    )
    [slot] = resolve(ask).slots
    asked = to_local(base.at, place) + days * DAY
    assert datetime.fromisoformat(slot.local) == asked or (slot.shifted and not readings(asked, place))
    assert slot.start in readings(datetime.fromisoformat(slot.local), place)
