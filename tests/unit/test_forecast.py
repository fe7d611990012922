"""The dry run agrees with the simulator, with the calendar and with what is counted on a server."""

from datetime import UTC, date, datetime, timedelta

import pytest
from ical.calendar_stream import IcsCalendarStream

from duologue.activities.invitation import invitation
from duologue.forecast import forecast, manner_for, to_ics
from duologue.foreseen import Forecast
from duologue.habits import REFERENCE
from duologue.practice.asks import Message
from duologue.practice.events import Event, MessageSent, SessionBooked
from duologue.practice.plan import Listed, Plan, QuietHours, Tail, Weekly
from duologue.practice.state import State
from duologue.practice.values import Instant
from duologue.simulate import BEGINS, reference_plan, simulate
from duologue.tariff import DOLLARS_PER_MILLION_ACTIONS, table

SHORT = 3


def plan(sessions: int = SHORT) -> Plan:
    return reference_plan("planned", sessions)


def test_sessions_and_messages_are_those_of_the_simulator() -> None:
    found = forecast(plan(), starts=BEGINS)
    booked: dict[int, Instant] = {}
    sent: dict[str, int] = {"a": 0, "b": 0}

    def watch(given: object, written: list[Event], state: State, now: Instant) -> None:
        for event in written:
            if isinstance(event, SessionBooked):
                booked[event.session] = event.start
            if isinstance(event, MessageSent):
                sent[event.message.to] += 1

    simulation = simulate(plan(), manner=manner_for(plan()))
    simulation.watch = watch  # type: ignore[assignment]
    simulation.run()
    assert {s.number: s.start for s in found.sessions} == booked
    assert {to: sum(templates.values()) for to, templates in found.messages.items()} == sent
    assert (found.ending, found.ends) == (simulation.state.ending, simulation.state.ended)
    assert [s.week for s in found.sessions] == [1, 2, 3]


def test_each_partner_has_a_clock_and_reminders_of_their_own() -> None:
    first = forecast(plan(), starts=BEGINS).sessions[0]
    assert first.local == "2027-01-07T19:00:00+01:00"
    assert first.each["b"].local == "2027-01-07T18:00:00+00:00"
    assert [(r.to, r.local, r.status) for r in first.reminders] == [
        ("a", "2027-01-06T19:00:00+01:00", "on_time"),
        ("b", "2027-01-06T18:00:00+00:00", "on_time"),
        ("a", "2027-01-07T18:00:00+01:00", "on_time"),
        ("b", "2027-01-07T17:00:00+00:00", "on_time"),
    ]


def at_night() -> Forecast:
    given = plan(5)
    people = given.people.with_(
        a=given.people.a.with_(language="de-AT"),
        b=given.people.b.with_(zone="Asia/Tokyo", quiet=QuietHours(), language="fr"),
    )
    cadence = Weekly(on=("sunday",), at="02:30", start=date(2027, 3, 14), count=SHORT)
    changed = given.with_(people=people, cadence=cadence, facilitators=(), safeguarding=None)
    return forecast(changed, starts=datetime(2027, 3, 1, 9, tzinfo=UTC))


def test_it_is_said_where_a_single_miss_would_cost_the_last_session() -> None:
    scarce, spare = "the cadence has no slot to spare", (0, 1)
    for more in spare:
        given = plan(SHORT)
        cadence = Weekly(on=("monday",), at="19:30", count=SHORT + more)
        found = forecast(given.with_(cadence=cadence), starts=datetime(2027, 1, 4, 9, tzinfo=UTC))
        assert len(found.sessions) == SHORT
        assert any(scarce in said for said in found.warnings) == (not more)


def test_what_people_should_know_is_said() -> None:
    found = at_night()
    assert found.ending == "slots_used_up"
    said = "\n".join(found.warnings)
    for part in (
        "ends after 3 sessions, and the curriculum has 5",
        "sessions 1, 2, 3 at night for a (02:30 in Europe/Berlin; quiet hours 22:00-07:00)",
        "session 3: the clock leaves its time out that day",
        "a reminder to a is not sent for sessions 1, 2, 3: quiet hours 22:00-07:00",
        "a reminder to a is held back for sessions 1, 2, 3",
        "there are no texts in 'fr' for b: messages and prompts are in English",
        "nobody is named as a facilitator",
        "safeguarding",
    ):
        assert part in said, part
    assert "de-AT" not in said
    last = found.sessions[-1]
    assert (last.shifted, last.local, last.night_for) == (True, "2027-03-28T03:00:00+02:00", ("a",))
    assert last.each["b"].local == "2027-03-28T10:00:00+09:00"
    reminders = {(r.to, r.status): r for r in last.reminders}
    assert reminders["a", "held"].local == "2027-03-27T07:00:00+01:00"
    assert reminders["a", "skipped"].why == "quiet hours 22:00-07:00"


def test_a_night_is_said_and_no_session_comes_before_its_invitation() -> None:
    given = plan(2)
    nearly_always = QuietHours(start="08:00", end="07:59")
    people = given.people.with_(
        a=given.people.a.with_(quiet=nearly_always),
        b=given.people.b.with_(zone="Asia/Tokyo", quiet=None),
    )
    cadence, starts = Listed(at=("+2h", "+8h", "+3d")), datetime(2027, 1, 4, 17, tzinfo=UTC)
    found = forecast(given.with_(people=people, cadence=cadence), starts=starts)
    assert [s.start.day for s in found.sessions] == [7], "nobody can tell A before the eighth hour"
    assert found.sessions[0].night_for == ("a", "b")
    assert "at night for b (03:00 in Asia/Tokyo)" in "\n".join(found.warnings)


def test_of_reminders_that_are_held_until_the_same_minute_only_one_is_planned() -> None:
    given = plan(1)
    early = Weekly(on=("tuesday",), at="07:30")
    policy = given.policy.with_(reminders=tuple(timedelta(hours=n) for n in (24, 2, 1)))
    quiet = given.people.a.with_(quiet=QuietHours(start="21:00", end="07:00"), zone=given.zone)
    people = given.people.with_(a=quiet)
    found = forecast(given.with_(cadence=early, policy=policy, people=people), starts=BEGINS)
    [session] = found.sessions
    shown = [(r.status, r.why) for r in session.reminders if r.to == "a"]
    assert ("skipped", "another is sent at the same moment") in shown
    assert [status for status, _ in shown].count("held") == 1


def test_a_midpoint_after_the_last_session_is_named_as_useless() -> None:
    given = plan(1)
    item, warning = given.curriculum.items[-1], "the last session has 'midpoint'"
    for midpoint in (False, True):
        curriculum = given.curriculum.with_(items=(item.with_(midpoint=midpoint),), tail=None)
        found = forecast(given.with_(curriculum=curriculum), starts=BEGINS)
        assert any(warning in said for said in found.warnings) == midpoint


def test_an_hour_that_changes_for_one_of_them_is_said() -> None:
    given = plan()
    people = given.people.with_(b=given.people.b.with_(zone="America/New_York"))
    found = forecast(given.with_(people=people), starts=datetime(2027, 3, 1, 9, tzinfo=UTC))
    assert "the hour changes for b: sessions are at 13:00 and 14:00 on that clock" in found.warnings


def test_the_hour_that_comes_twice_is_named() -> None:
    cadence = Weekly(on=("sunday",), at="02:30", start=date(2026, 10, 25), fold="second")
    found = forecast(plan(1).with_(cadence=cadence), starts=datetime(2026, 10, 1, 9, tzinfo=UTC))
    assert (found.sessions[0].fold, found.sessions[0].twice) == (1, True)
    assert any("twice that day; the second is meant" in warning for warning in found.warnings)


def test_a_first_session_too_soon_has_no_reminders() -> None:
    cadence = Listed(at=("+30min", "+7d"))
    given = plan(2)
    given = given.with_(cadence=cadence, policy=given.policy.with_(notice=timedelta(minutes=10)))
    found = forecast(given, starts=BEGINS)
    early, later = found.sessions
    assert {r.status for r in early.reminders} == {"skipped"}
    assert {r.wanted for r in early.reminders} == {
        early.start - timedelta(days=1),
        early.start - timedelta(hours=1),
    }
    assert {r.status for r in later.reminders} == {"on_time"}
    assert any("its moment was past" in warning for warning in found.warnings)


def test_the_ladder_is_climbed_with_dates() -> None:
    first = forecast(plan(), starts=BEGINS).sessions[0]
    rungs = first.if_nobody_came
    assert [r.at for r in rungs] == sorted(r.at for r in rungs)
    missed = [r for r in rungs if r.what == "missed"]
    assert [r.at for r in missed] == [first.start + timedelta(weeks=n, minutes=15) for n in range(3)]
    assert [r.misses for r in missed] == [1, 2, 3]
    called = [(r.to, r.at - missed[1].at) for r in rungs if r.text == "second_miss"]
    assert called[:2] == [("facilitator", timedelta(0)), ("next_contact", timedelta(days=1))]
    pause = next(r for r in rungs if r.what == "pause")
    end = next(r for r in rungs if r.what == "end")
    assert (pause.at, end.at - pause.at, end.text) == (missed[2].at, timedelta(days=14), "silence")


def test_a_ladder_that_never_ends_is_let_be() -> None:
    given = plan(1)
    policy = given.policy.with_(ladder=((),))
    found = forecast(given.with_(policy=policy), starts=BEGINS)
    assert 2 <= sum(r.what == "missed" for r in found.sessions[0].if_nobody_came) <= 3


# Counted on the time-skipping server; `tests/workflow/test_forecast_cost.py` holds two sessions against one anew.
COUNTED_EVENTS, COUNTED_ACTIONS, COUNTED_BYTES = 3284, 675, 542_202


def test_the_reference_programme_costs_what_was_counted_and_never_less() -> None:
    cost = forecast(reference_plan(), starts=BEGINS, manner=REFERENCE).cost
    assert COUNTED_ACTIONS <= cost.actions <= COUNTED_ACTIONS * 1.02
    assert COUNTED_EVENTS <= cost.events <= COUNTED_EVENTS * 1.02
    assert COUNTED_BYTES <= cost.history_bytes <= COUNTED_BYTES * 1.1
    assert cost.runs == 1
    assert cost.dollars == pytest.approx(cost.actions * DOLLARS_PER_MILLION_ACTIONS / 1e6)
    assert sum(cost.by_action.values()) == cost.actions


def test_a_very_long_programme_continues_as_new() -> None:
    cost = forecast(reference_plan(sessions=20), starts=BEGINS, manner=REFERENCE).cost
    assert cost.runs == 2
    assert cost.by_action["continue_as_new"] == 1


def test_the_table_of_costs_is_that_of_the_reference() -> None:
    costs = {step.what: (step.events, step.actions) for step in table()}
    assert costs["update"] == (5, 1)
    assert (costs["activity"][0] + costs["answer"][0], costs["activity"][1]) == (6, 1)
    assert (costs["timer"][0] + costs["fired"][0], costs["timer"][1]) == (5, 1)
    assert costs["search_attributes"] == (1, 1)


def test_the_calendar_is_read_by_another_library_and_meets_the_invitations() -> None:
    found = forecast(plan(), starts=BEGINS)
    calendar = IcsCalendarStream.calendar_from_ics(to_ics(found))
    assert [event.start for event in calendar.events] == [s.start for s in found.sessions]
    first, session = calendar.events[0], found.sessions[0]
    later = invitation(
        Message(
            key="k",
            programme="planned",
            to="b",
            ref="person-b",
            template="invitation",
            session=1,
            revision=1,
            start=session.start,
        )
    )
    assert later is not None
    assert (first.uid, first.sequence) == (later.uid, later.sequence)
    assert not first.attendees
    assert str(first.status) in ("TENTATIVE", "EventStatus.TENTATIVE")
    assert first.summary is not None
    assert first.summary.endswith("(1 of 3)")


def test_a_tail_is_counted_when_wished() -> None:
    given = plan(1)
    tailed = given.with_(curriculum=given.curriculum.with_(tail=Tail(count=2)))
    assert len(forecast(tailed, starts=BEGINS).sessions) == 1
    assert len(forecast(tailed, starts=BEGINS, tail=True).sessions) == 3
