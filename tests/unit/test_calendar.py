"""The calendar, case by case: the zones and days that break naive clocks, each with what we promise for it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import islice

import pytest
from pydantic import TypeAdapter

from duologue.calendar import CalendarError, allowed, is_quiet, resolve, slots, tzdata_version, zone
from duologue.calendar.cadence import shifted
from duologue.practice.asks import Resolve, Slot, Window
from duologue.practice.plan import Cadence, Listed, People, Person, QuietHours, Weekly

LONG_AGO = datetime(2000, 6, 1, tzinfo=UTC)
_CADENCE: TypeAdapter[Cadence] = TypeAdapter(Cadence)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def person(ref: str = "p1", place: str = "UTC", quiet: tuple[str, str] | None = ("22:00", "07:00")) -> Person:
    return Person(ref=ref, zone=place, quiet=QuietHours(start=quiet[0], end=quiet[1]) if quiet else None)


def couple(a: str = "UTC", b: str = "UTC") -> People:
    return People(a=person("pa", a), b=person("pb", b))


def cadence(**fields: object) -> Cadence:
    return _CADENCE.validate_python(fields)


def unrolled(
    place: str, *, first: int, after: datetime = LONG_AGO, anchor: datetime | None = None, **fields: object
) -> list[Slot]:
    found = slots(cadence(**fields), zone(place), anchor=anchor or after, after=after)
    return list(islice(found, first))


def asked(want: str = "slot", place: str = "Europe/Berlin", **fields: object) -> Resolve:
    given: dict[str, object] = {
        "key": "s1",
        "want": want,
        "zone": place,
        "people": couple("Europe/Berlin", "Europe/Lisbon"),
        "cadence": cadence(every="week", on=["monday"], at="19:00"),
        "anchor": utc("2027-03-01T12:00"),
        "after": utc("2027-03-01T12:00"),
        "since": utc("2027-03-01T12:00"),
    }
    return Resolve.model_validate(given | fields)


# --- times that clocks leave out, and times that they repeat ------------------------------------------------

GAPS = [
    # zone, asked local time, the instant it moves to, and what the clock shows then
    ("Europe/Berlin", "2027-03-28T02:30", "2027-03-28T01:00", "2027-03-28T03:00:00"),
    ("Europe/Lisbon", "2027-03-28T01:00", "2027-03-28T01:00", "2027-03-28T02:00:00"),
    ("America/New_York", "2027-03-14T02:59", "2027-03-14T07:00", "2027-03-14T03:00:00"),
    ("Australia/Lord_Howe", "2026-10-04T02:15", "2026-10-03T15:30", "2026-10-04T02:30:00"),
    ("Africa/Casablanca", "2025-04-06T02:30", "2025-04-06T02:00", "2025-04-06T03:00:00"),
    ("Asia/Gaza", "2023-04-29T02:15", "2023-04-29T00:00", "2023-04-29T03:00:00"),
    ("America/Sao_Paulo", "2018-11-04T00:00", "2018-11-04T03:00", "2018-11-04T01:00:00"),
    ("Pacific/Apia", "2011-12-30T19:00", "2011-12-30T10:00", "2011-12-31T00:00:00"),
]


@pytest.mark.parametrize(("place", "local", "instant", "shown"), GAPS)
def test_a_time_that_does_not_exist_moves_to_the_first_valid_minute_after_it(
    place: str, local: str, instant: str, shown: str
) -> None:
    day, at = local.split("T")
    [slot] = unrolled(place, first=1, every="days", days=1, at=at, start=day, count=1)
    assert (slot.start, slot.local, slot.shifted) == (utc(instant), shown, True)


@pytest.mark.parametrize(("place", "local", "instant", "shown"), GAPS)
def test_or_there_is_no_session_that_day(place: str, local: str, instant: str, shown: str) -> None:
    day, at = local.split("T")
    [slot] = unrolled(place, first=1, every="days", days=1, at=at, start=day, count=1, gap="skip")
    assert slot.local == f"{date.fromisoformat(day) + timedelta(days=1)}T{at}:00"
    assert not slot.shifted


@pytest.mark.parametrize(
    ("place", "local", "first", "second"),
    [
        ("Europe/Berlin", "2027-10-31T02:30", "2027-10-31T00:30", "2027-10-31T01:30"),
        ("Europe/Lisbon", "2027-10-31T01:30", "2027-10-31T00:30", "2027-10-31T01:30"),
        ("America/New_York", "2027-11-07T01:00", "2027-11-07T05:00", "2027-11-07T06:00"),
        ("Australia/Lord_Howe", "2026-04-05T01:45", "2026-04-04T14:45", "2026-04-04T15:15"),
        ("Africa/Casablanca", "2025-02-23T02:30", "2025-02-23T01:30", "2025-02-23T02:30"),
        ("Asia/Gaza", "2023-10-28T01:30", "2023-10-27T22:30", "2023-10-27T23:30"),
        ("Asia/Pyongyang", "2015-08-14T23:45", "2015-08-14T14:45", "2015-08-14T15:15"),
    ],
)
def test_a_time_that_comes_twice_is_the_first_of_the_two_or_the_second_as_declared(
    place: str, local: str, first: str, second: str
) -> None:
    day, at = local.split("T")
    for rule, instant, fold in (("first", first, 0), ("second", second, 1)):
        [slot] = unrolled(place, first=1, every="days", days=1, at=at, start=day, count=1, fold=rule)
        assert (slot.start, slot.local, slot.fold) == (utc(instant), f"{local}:00", fold)


def test_the_whole_day_that_apia_left_out_becomes_one_slot_and_not_two() -> None:
    found = unrolled("Pacific/Apia", first=3, every="days", days=1, at="00:00", start="2011-12-29", count=3)
    assert [s.local for s in found] == ["2011-12-29T00:00:00", "2011-12-31T00:00:00", "2012-01-01T00:00:00"]


def test_a_weekly_time_keeps_its_wall_clock_across_the_changes_in_europe_and_america() -> None:
    for place, days, hours in (
        ("Europe/Berlin", ["2027-03-22", "2027-03-29"], [18, 17]),
        ("America/New_York", ["2027-03-08", "2027-03-15"], [0, 23]),
        ("America/New_York", ["2027-11-01", "2027-11-08"], [23, 0]),
    ):
        found = unrolled(place, first=2, every="week", on=["monday"], at="19:00", start=days[0])
        assert [s.local for s in found] == [f"{d}T19:00:00" for d in days]
        assert [s.start.hour for s in found] == hours


def test_casablanca_follows_the_decrees_that_the_tz_data_knows() -> None:
    found = unrolled(
        "Africa/Casablanca", first=3, every="week", on=["sunday"], at="19:00", start="2025-02-16"
    )
    assert [s.start.hour for s in found] == [18, 19, 19]


# --- cadences -----------------------------------------------------------------------------------------------


def days_of(found: list[Slot]) -> list[str]:
    return [s.local[:10] for s in found]


def test_weekly_on_several_days_comes_in_the_order_of_the_days() -> None:
    found = unrolled("UTC", first=4, every="week", on=["thursday", "monday"], at="19:00", start="2027-01-05")
    assert days_of(found) == ["2027-01-07", "2027-01-11", "2027-01-14", "2027-01-18"]


def test_every_second_week_counts_from_the_week_of_the_start() -> None:
    found = unrolled("UTC", first=3, every="week", interval=2, on=["monday"], at="19:00", start="2027-01-06")
    assert days_of(found) == ["2027-01-18", "2027-02-01", "2027-02-15"]


def test_an_interval_keeps_its_rhythm_however_late_one_asks() -> None:
    late = utc("2033-07-01T00:00")
    [slot] = unrolled(
        "UTC", first=1, after=late, every="week", interval=3, on=["monday"], at="19:00", start="2027-01-04"
    )
    assert (date.fromisoformat(slot.local[:10]) - date(2027, 1, 4)).days % 21 == 0


def test_every_ten_days_counts_from_the_start() -> None:
    found = unrolled("UTC", first=3, every="days", days=10, at="19:00", start="2027-01-28")
    assert days_of(found) == ["2027-01-28", "2027-02-07", "2027-02-17"]


def test_monthly_by_the_nth_and_by_the_last_weekday() -> None:
    second = unrolled("UTC", first=3, every="month", on="tuesday", nth=2, at="19:00", start="2027-01-13")
    assert days_of(second) == ["2027-02-09", "2027-03-09", "2027-04-13"]
    last = unrolled("UTC", first=3, every="month", on="sunday", nth=-1, at="19:00", start="2027-01-31")
    assert days_of(last) == ["2027-01-31", "2027-02-28", "2027-03-28"]


def test_without_a_start_date_a_cadence_begins_when_practising_begins() -> None:
    # Berlin is past midnight already, so the anchor's own day is Tuesday there.
    anchor = utc("2027-01-04T23:30")
    [slot] = unrolled("Europe/Berlin", first=1, after=anchor, every="days", days=7, at="19:00")
    assert slot.local == "2027-01-05T19:00:00"


def test_blackout_dates_are_left_out_and_do_not_count() -> None:
    found = unrolled(
        "UTC",
        first=9,
        every="week",
        on=["monday"],
        at="19:00",
        start="2027-01-04",
        count=3,
        skip=["2027-01-11"],
    )
    assert days_of(found) == ["2027-01-04", "2027-01-18", "2027-01-25"]


def test_a_count_is_counted_from_the_start_and_not_from_when_one_asks() -> None:
    found = unrolled(
        "UTC",
        first=9,
        after=utc("2027-01-12T00:00"),
        every="week",
        on=["monday"],
        at="19:00",
        start="2027-01-04",
        count=3,
    )
    assert days_of(found) == ["2027-01-18"]


def test_a_slot_that_was_over_before_practising_began_is_none_of_the_count() -> None:
    anchor = utc("2027-01-04T20:00")
    found = unrolled("UTC", first=9, after=anchor, every="week", on=["monday"], at="19:00", count=2)
    assert days_of(found) == ["2027-01-11", "2027-01-18"]


def test_until_is_the_last_day_that_may_carry_a_session() -> None:
    found = unrolled("UTC", first=9, every="days", days=1, at="19:00", start="2027-01-04", until="2027-01-05")
    assert days_of(found) == ["2027-01-04", "2027-01-05"]


def test_a_slot_lies_strictly_after_what_was_before_it() -> None:
    start = utc("2027-01-04T19:00")
    [slot] = unrolled("UTC", first=1, after=start, every="days", days=1, at="19:00", start="2027-01-04")
    assert slot.start == start + timedelta(days=1)


def test_a_list_gives_instants_and_times_from_the_start_in_the_order_of_time() -> None:
    anchor = utc("2027-01-04T10:00")
    entries = ["+7d", "+20s", "2027-01-05T19:00:00+01:00", "+20s"]
    found = unrolled("Europe/Berlin", first=9, after=anchor, every="list", at=entries)
    assert [s.start for s in found] == [
        anchor + timedelta(seconds=20),
        utc("2027-01-05T18:00"),
        anchor + timedelta(days=7),
    ]
    assert found[1].local == "2027-01-05T19:00:00"


@pytest.mark.parametrize("entry", ["+", "+9999999d", "+999999w"])
def test_an_impossible_time_from_the_start_says_what_to_write(entry: str) -> None:
    with pytest.raises(CalendarError, match=r"write it as|name a time before"):
        unrolled("UTC", first=1, every="list", at=[entry])


def test_a_cadence_that_has_ended_has_no_slot() -> None:
    ended = cadence(every="days", days=1, at="19:00", start="2027-01-04", until="2027-01-04")
    answer = resolve(asked(cadence=ended, after=utc("2027-02-01T00:00")))
    assert answer.slots == ()
    assert answer.windows.until == answer.windows.since + timedelta(weeks=3)


def test_the_far_end_of_time_is_an_end_and_no_crash() -> None:
    last = utc("2199-12-29T00:00")
    found = unrolled(
        "Pacific/Kiritimati", first=50, after=last, every="month", on="monday", nth=-1, at="00:00"
    )
    assert len(found) <= 1
    assert unrolled("UTC", first=1, every="week", on=["monday"], at="19:00", start="9999-12-31") == []
    with pytest.raises(CalendarError, match="before the year 2000"):
        unrolled("UTC", first=1, every="week", on=["monday"], at="19:00", start="1999-12-31")


# --- what is asked for: a slot, an exact time, proposals ----------------------------------------------------


def test_a_resolution_records_what_is_needed_to_explain_it_later() -> None:
    answer = resolve(asked())
    [slot] = answer.slots
    assert slot == Slot(start=utc("2027-03-01T18:00"), local="2027-03-01T19:00:00", zone="Europe/Berlin")
    assert (answer.key, answer.tzdata) == ("s1", tzdata_version())


def test_the_recorded_tz_data_is_the_pinned_package_and_not_the_machine() -> None:
    from importlib.metadata import version  # noqa: PLC0415

    year, number = version("tzdata").split(".")[:2]
    assert tzdata_version() == f"{year}{'abcdefghijklmnopqrstuvwxyz'[int(number) - 1]}"


def test_an_exact_time_is_itself_even_if_it_is_now() -> None:
    now = utc("2027-03-01T12:00")
    [slot] = resolve(asked("exact", at=now)).slots
    assert (slot.start, slot.local) == (now, "2027-03-01T13:00:00")


def test_proposals_of_whole_days_keep_the_wall_clock_and_shorter_ones_are_absolute() -> None:
    missed = utc("2027-03-27T18:00")  # Saturday 19:00 in Berlin; the clocks change that night
    offsets = ["1d", "25h", "2d"]
    found = resolve(asked("proposals", at=missed, after=missed, offsets=offsets)).slots
    assert [s.local for s in found] == ["2027-03-28T19:00:00", "2027-03-28T21:00:00", "2027-03-29T19:00:00"]


def test_proposals_come_in_the_order_of_preference_once_each_and_never_in_the_past() -> None:
    missed, now = utc("2027-01-04T18:00"), utc("2027-01-06T00:00")
    offsets = ["3d", "1d", "2d", "48h", "3h"]
    found = resolve(asked("proposals", at=missed, after=now, offsets=offsets)).slots
    assert [s.local for s in found] == ["2027-01-07T19:00:00", "2027-01-06T19:00:00"]


def test_no_proposal_falls_on_a_blackout_date_or_on_a_time_the_cadence_would_skip() -> None:
    rule = cadence(every="week", on=["saturday"], at="02:30", skip=["2027-03-29"], gap="skip")
    missed = utc("2027-03-27T01:30")
    found = resolve(
        asked("proposals", cadence=rule, at=missed, after=missed, offsets=["1d", "2d", "3d"])
    ).slots
    assert [s.local for s in found] == ["2027-03-30T02:30:00"]


def test_what_is_asked_about_a_moment_needs_one() -> None:
    for want in ("exact", "proposals"):
        with pytest.raises(CalendarError, match="give 'at'"):
            resolve(asked(want, offsets=["1d"]))
    with pytest.raises(CalendarError, match="give 'cadence'"):
        resolve(asked(cadence=None))


def test_a_start_that_is_night_for_one_partner_says_for_whom() -> None:
    people = couple("Europe/Berlin", "Asia/Tokyo")
    [slot] = resolve(asked(people=people)).slots
    assert slot.night_for == ("b",)


def test_three_in_the_morning_is_night_also_for_somebody_who_may_be_written_to_at_any_hour() -> None:
    people = couple("Europe/Berlin", "Asia/Tokyo")
    people = people.with_(b=people.b.with_(quiet=None))
    [slot] = resolve(asked(people=people)).slots
    assert slot.night_for == ("b",)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("Europe/Lisabon", "Europe/Lisbon"),
        ("Nowhere/AtAll", "tz database"),
        ("../zones", "tz database"),
    ],
)
def test_an_unknown_zone_is_refused_with_the_nearest_name(name: str, remedy: str) -> None:
    with pytest.raises(CalendarError, match=remedy):
        zone(name)


def test_an_unknown_zone_of_one_partner_keeps_nobody_from_a_session() -> None:
    people = couple("Nowhere/AtAll", "Europe/Lisbon")
    answer = resolve(asked(people=people))
    assert answer == resolve(asked(people=couple("Europe/Berlin", "Europe/Lisbon")))
    with pytest.raises(CalendarError):
        resolve(asked(place="Nowhere/AtAll"))


# --- quiet hours --------------------------------------------------------------------------------------------


def window(start: str, end: str) -> Window:
    return Window(start=utc(start), end=utc(end))


def test_windows_are_the_hours_between_the_quiet_ones_in_the_persons_own_zone() -> None:
    found = allowed(person(place="Asia/Tokyo"), utc("2027-01-04T00:00"), utc("2027-01-05T06:00"))
    assert found == (
        window("2027-01-04T00:00", "2027-01-04T13:00"),
        window("2027-01-04T22:00", "2027-01-05T06:00"),
    )


def test_quiet_hours_within_a_day_leave_the_night_free() -> None:
    found = allowed(person(quiet=("12:00", "14:30")), utc("2027-01-04T00:00"), utc("2027-01-05T00:00"))
    assert found == (
        window("2027-01-04T00:00", "2027-01-04T12:00"),
        window("2027-01-04T14:30", "2027-01-05T00:00"),
    )


@pytest.mark.parametrize("quiet", [None, ("08:00", "08:00")])
def test_without_quiet_hours_every_hour_is_allowed(quiet: tuple[str, str] | None) -> None:
    since, until = utc("2027-01-04T00:00"), utc("2027-02-04T00:00")
    assert allowed(person(quiet=quiet), since, until) == (Window(start=since, end=until),)


def test_a_night_in_which_the_clocks_change_is_an_hour_shorter_or_longer() -> None:
    berlin = person(place="Europe/Berlin")
    spring = allowed(berlin, utc("2027-03-27T12:00"), utc("2027-03-28T12:00"))
    assert (spring[0].end, spring[1].start) == (utc("2027-03-27T21:00"), utc("2027-03-28T05:00"))
    autumn = allowed(berlin, utc("2027-10-30T12:00"), utc("2027-10-31T12:00"))
    assert (autumn[0].end, autumn[1].start) == (utc("2027-10-30T20:00"), utc("2027-10-31T06:00"))


def test_where_quiet_hours_end_in_a_repeated_hour_they_end_the_second_time() -> None:
    berlin = person(place="Europe/Berlin", quiet=("22:00", "02:30"))
    found = allowed(berlin, utc("2027-10-30T12:00"), utc("2027-10-31T12:00"))
    assert found[1].start == utc("2027-10-31T01:30")


def test_where_quiet_hours_begin_in_a_repeated_hour_they_begin_the_first_time() -> None:
    berlin = person(place="Europe/Berlin", quiet=("02:30", "07:00"))
    found = allowed(berlin, utc("2027-10-30T12:00"), utc("2027-10-31T12:00"))
    assert found[0].end == utc("2027-10-31T00:30")


def test_quiet_hours_run_on_through_the_day_that_apia_left_out() -> None:
    apia = person(place="Pacific/Apia")
    found = allowed(apia, utc("2011-12-29T22:00"), utc("2011-12-31T00:00"))
    # 22:00 on the 29th until 07:00 on the 31st, which came nine hours later.
    assert found == (
        window("2011-12-29T22:00", "2011-12-30T08:00"),
        window("2011-12-30T17:00", "2011-12-31T00:00"),
    )


def test_quiet_hours_begin_at_their_first_minute_and_end_before_their_last() -> None:
    asleep = person()
    assert is_quiet(asleep, utc("2027-01-04T22:00"))
    assert is_quiet(asleep, utc("2027-01-05T06:59"))
    assert not is_quiet(asleep, utc("2027-01-05T07:00"))
    assert not is_quiet(asleep, utc("2027-01-04T21:59"))


def test_windows_are_known_from_now_until_three_weeks_past_the_session() -> None:
    answer = resolve(asked(since=utc("2027-02-27T12:00")))
    assert answer.windows.since == utc("2027-02-27T12:00")
    assert answer.windows.until == answer.slots[0].start + timedelta(weeks=3)


def test_for_a_session_far_ahead_the_sixty_days_from_now_on_are_known() -> None:
    answer = resolve(asked("exact", at=utc("2027-12-01T18:00")))
    assert answer.windows.since == utc("2027-03-01T12:00")
    assert answer.windows.until - answer.windows.since == timedelta(days=60)


def test_windows_alone_can_be_asked_for_and_are_known_for_three_weeks() -> None:
    answer = resolve(asked("windows"))
    assert answer.slots == ()
    assert answer.windows.until == utc("2027-03-22T12:00")
    assert answer.windows.a[:20] == resolve(asked()).windows.a[:20]


def test_a_resolution_of_two_months_stays_small() -> None:
    split = Person(ref="p1", zone="Asia/Tokyo", quiet=QuietHours(start="12:00", end="13:00"))
    ask = asked("exact", at=utc("2027-12-01T18:00"), people=People(a=split, b=person("pb", "Europe/Lisbon")))
    assert len(resolve(ask).model_dump_json()) < 9_000


def test_a_cadence_that_is_shifted_comes_later_by_whole_days_and_keeps_the_time_of_day() -> None:
    weekly = Weekly(on=("monday",), at="19:00")
    berlin, anchor = zone("Europe/Berlin"), datetime(2027, 3, 1, 8, tzinfo=UTC)
    after = datetime(2027, 3, 20, tzinfo=UTC)
    plain = next(slots(weekly, berlin, anchor=anchor, after=after))
    assert plain.local == "2027-03-22T19:00:00"
    # Nine and a half days: nine by the wall clock, so Monday becomes Wednesday, across the changeover at 19:00 still.
    found = shifted(weekly, berlin, anchor=anchor, after=after, by=timedelta(days=9, hours=12))
    assert [slot.local for slot in islice(found, 2)] == ["2027-03-24T19:00:00", "2027-03-31T19:00:00"]


def test_a_blackout_date_costs_a_shifted_cadence_its_own_slot_and_no_other() -> None:
    anchor, after = datetime(2027, 1, 4, 8, tzinfo=UTC), datetime(2027, 1, 12, tzinfo=UTC)
    weekly = Weekly(on=("monday",), at="19:00", skip=(date(2027, 1, 18),))
    found = shifted(weekly, zone("UTC"), anchor=anchor, after=after, by=timedelta(days=7))
    assert days_of(list(islice(found, 3))) == ["2027-01-25", "2027-02-01", "2027-02-08"]


def test_a_cadence_that_is_shifted_has_as_many_slots_as_it_was_given() -> None:
    anchor = datetime(2027, 1, 4, 8, tzinfo=UTC)
    weekly = Weekly(on=("monday",), at="19:00", skip=(date(2027, 1, 4),), count=3)
    plain = list(slots(weekly, zone("UTC"), anchor=anchor, after=anchor))
    assert days_of(plain) == ["2027-01-11", "2027-01-18", "2027-01-25"]
    later = shifted(
        weekly, zone("UTC"), anchor=anchor, after=anchor + 9 * timedelta(days=1), by=timedelta(days=7)
    )
    assert days_of(list(later)) == ["2027-01-18", "2027-01-25", "2027-02-01"]


def test_a_list_is_shifted_to_the_second() -> None:
    listed = Listed(at=("+1h", "+2h"))
    anchor = datetime(2027, 3, 1, 8, tzinfo=UTC)
    found = shifted(
        listed, zone("UTC"), anchor=anchor, after=anchor + timedelta(hours=1), by=timedelta(minutes=90)
    )
    assert [slot.start for slot in found] == [anchor + timedelta(hours=2.5), anchor + timedelta(hours=3.5)]
