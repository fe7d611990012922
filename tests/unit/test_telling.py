"""The specification of what is told when: reminders, quiet hours, keys."""

import ast
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import get_args

from duologue.practice import course, telling, texts
from duologue.practice import events as e
from duologue.practice.asks import To
from duologue.practice.moments import allowed_from
from duologue.practice.policy import Policy
from duologue.practice.state import CHOICES, QuestionKind
from duologue.practice.telling import Ledger, tell
from duologue.practice.values import PARTNERS
from tests.support.core import DAY, EVENING, MONDAY, WEEK, Play, a_plan, missed_thrice, practising

# --- reminders --------------------------------------------------------------------------------------------------------


def test_each_is_reminded_a_day_and_an_hour_before() -> None:
    play = practising("mirroring", "mirroring").hold()
    play.at(play.begins)
    reminders = [s for s in play.sent("reminder") if s.message.session == 2]
    assert [(s.message.to, s.at) for s in reminders] == [
        (to, EVENING + WEEK - before)
        for before in (timedelta(days=1), timedelta(hours=1))
        for to in ("a", "b")
    ]


def test_reminders_whose_moment_has_passed_are_skipped_on_the_record() -> None:
    play = practising()
    assert play.skipped("reminder") == [("a", "past"), ("b", "past")]
    assert [p.at for p in play.state.outbox] == [EVENING - timedelta(hours=1)] * 2


def test_a_moved_session_takes_its_reminders_along_and_the_old_ones_are_void() -> None:
    play = practising()
    play.send("reschedule", "a", session=1, at=EVENING + 2 * DAY)
    assert play.told("moved") == ["a", "b"]
    assert [reason for _, reason in play.skipped("reminder")] == ["past", "past", "void", "void"]
    assert sorted(p.at for p in play.state.outbox) == sorted(
        [EVENING + 2 * DAY - DAY, EVENING + 2 * DAY - timedelta(hours=1)] * 2
    )
    assert {p.message.start for p in play.state.outbox} == {EVENING + 2 * DAY}
    assert {p.message.revision for p in play.state.outbox} == {2}


# --- quiet hours ------------------------------------------------------------------------------------------------------

NIGHTS = {
    "a": {"ref": "person-a", "zone": "UTC", "quiet": {"start": "22:00", "end": "07:00"}},
    "b": {"ref": "person-b", "zone": "America/New_York", "quiet": {"start": "22:00", "end": "07:00"}},
}
"""When it is 09:00 in UTC it is four in the morning in New York."""


def test_a_message_is_held_until_the_recipient_s_next_allowed_minute() -> None:
    play = practising(people=NIGHTS).hold()
    play.at(MONDAY + timedelta(days=2))
    play.send("pause", "a")
    assert play.told("paused") == ["a"]
    [held] = play.state.outbox
    assert (held.message.to, held.at) == ("b", MONDAY.replace(day=6, hour=12))
    play.at(held.at)
    assert play.told("paused") == ["a", "b"]


def test_a_message_that_would_be_held_past_its_purpose_is_skipped_with_the_reason() -> None:
    people = {**NIGHTS, "b": {**NIGHTS["b"], "zone": "Asia/Tokyo"}}
    play = practising(people=people)
    play.at(EVENING + timedelta(minutes=5))
    assert play.told("still_on") == ["a"]
    assert ("b", "quiet_hours") in play.skipped("still_on")
    assert ("b", "quiet_hours") in play.skipped("reminder")


def test_where_the_known_windows_end_in_the_night_nothing_is_known_of_the_morning() -> None:
    state = practising(people=NIGHTS).state
    assert state.windows is not None
    midnight = EVENING + timedelta(hours=5)
    cut = state.windows.with_(until=midnight + timedelta(hours=1), a=state.windows.a[:1])
    state = state.with_(windows=cut)
    assert allowed_from(state, "a", EVENING) == EVENING
    assert [allowed_from(state, "a", at) for at in (midnight, cut.until)] == [None, None]
    assert allowed_from(state, "facilitator", midnight) == midnight


def test_staff_are_told_at_any_hour() -> None:
    play = practising(people=NIGHTS)
    play.at(EVENING + timedelta(hours=5)).send("pause", "a", concern=True)
    assert [s.at for s in play.sent("concern")] == [play.now]


def test_new_quiet_hours_move_what_waits() -> None:
    play = practising().hold()
    reminder = EVENING + WEEK - timedelta(hours=1)
    assert [p.at for p in play.state.outbox if p.message.to == "a"] == [EVENING + WEEK - DAY, reminder]
    play.send("adjust", "a", quiet={"start": "17:30", "end": "18:30"})
    assert [p.at for p in play.state.outbox if p.message.to == "a"] == [
        EVENING + WEEK - DAY,
        reminder + timedelta(minutes=30),
    ]
    assert [p.at for p in play.state.outbox if p.message.to == "b"] == [EVENING + WEEK - DAY, reminder]
    assert (play.begins, play.session.revision, play.told("moved")) == (EVENING + WEEK, 1, [])
    play.send("adjust", "a", no_quiet_hours=True)
    assert [p.at for p in play.state.outbox if p.message.to == "a"][-1] == reminder


def test_a_new_zone_moves_what_is_held_and_is_the_one_that_the_message_is_written_in() -> None:
    play = practising(people=NIGHTS).hold()
    play.at(MONDAY + timedelta(days=2)).send("decide", "facilitator", decision="pause")
    play.send("decide", "facilitator", decision="go_on")
    assert [p.message.to for p in play.state.outbox if p.message.template == "resumed"] == ["b"]
    play.send("adjust", "b", zone="Europe/Berlin", language="de")
    resumed = play.sent("resumed", to="b")
    assert [(s.at, s.message.zone, s.message.language) for s in resumed] == [
        (play.now, "Europe/Berlin", "de")
    ]
    assert {p.message.zone for p in play.state.outbox} == {"UTC", "America/New_York"}
    play.at(play.begins)
    assert {s.message.zone for s in play.sent("reminder", to="b")[-2:]} == {"Europe/Berlin"}


def test_new_quiet_hours_count_for_a_booking_under_way() -> None:
    play = Play(a_plan())
    play.answers = False
    play.enrol()
    play.send("adjust", "a", quiet={"start": "17:30", "end": "18:30"})
    play.answers = True
    play.settle()
    assert [p.at for p in play.state.outbox if p.message.to == "a"] == [
        EVENING - timedelta(minutes=30),
    ]


def test_new_quiet_hours_while_a_missed_session_waits_ask_for_the_windows_only() -> None:
    play = practising().miss()
    [before] = play.state.sessions
    play.send("adjust", "b", quiet={"start": "01:00", "end": "02:00"})
    [after] = play.state.sessions
    assert (after.status, after.proposals) == (before.status, before.proposals)
    assert play.state.windows is not None
    assert len(play.state.windows.b) > 1


# --- keys -------------------------------------------------------------------------------------------------------------


def keys_are_unique(play: Play) -> None:
    sent = [s.message for s in play.sent()]
    assert len({m.key for m in sent}) == len(sent)


def test_every_message_has_a_key_of_its_own() -> None:
    play = missed_thrice()
    play.send("decide", "facilitator", decision="go_on")
    play.send("pause", "a")
    play.send("pause", "a", until=play.now + timedelta(days=1))
    play.later(days=2)
    play.send("decide", "facilitator", decision="go_on")
    play.check_in().later(minutes=31).turn("a", "frame")
    play.turn("b", "time_out", until=play.now + timedelta(minutes=20))
    play.later(minutes=20).turn("a", "time_out", until=play.now + timedelta(minutes=20))
    play.later(minutes=80)
    play.later(days=5).miss()
    play.send("reschedule", "a", session=1, proposal=1)
    play.miss().later(days=3)
    keys_are_unique(play)
    assert {"time_out_over", "idle_nudge", "unfinished", "paused", "moved"} <= {
        s.message.template for s in play.sent()
    }


# --- who is told ---


def addressed(to: To, template: str) -> list[e.Event]:
    """What comes of telling somebody something, by whatever mistake."""
    ledger = Ledger(practising().state, MONDAY)
    tell(ledger, to, template)
    return ledger.events


def test_no_partner_is_ever_told_what_is_for_staff() -> None:
    for to in PARTNERS:
        for template in (*texts.FOR_STAFF, texts.PADDING, "nonsense"):
            [event] = addressed(to, template)
            assert isinstance(event, e.MessageSkipped), template
            assert event.reason == "wrong_audience"
        for template in texts.FOR_PARTNERS:
            assert [type(event) for event in addressed(to, template)] == [e.MessageSent]


def test_no_staff_are_ever_told_what_is_for_the_two_nor_a_facilitator_of_a_concern() -> None:
    own: dict[To, frozenset[str]] = {
        "facilitator": texts.FOR_STAFF - {telling.CONCERN},
        "safeguarding": texts.FOR_STAFF | {texts.PADDING},
    }
    for to, for_them in own.items():
        for template in {*texts.TEMPLATES, "nonsense"}:
            [event] = addressed(to, template)
            assert isinstance(event, e.MessageSent) == (template in for_them), template


# --- texts ------------------------------------------------------------------------------------------------------------


def named(node: ast.expr | None) -> Iterator[str]:
    """The message templates that an argument can be."""
    match node:
        case ast.Constant(value=str(template)):
            yield template
        case ast.IfExp(body=one, orelse=other):
            yield from (*named(one), *named(other))


def templates() -> set[str]:
    """Every template that the source of the core names."""
    place = {"tell": 2, "tell_each": 1}
    found: set[str] = {
        *course._FAREWELL.values(),
        *(telling.CONCERN, texts.PADDING),
        *(s.text for rung in Policy().ladder for s in rung if s.text),
    }
    for file in Path(course.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in place:
                    found |= set(named(node.args[place[node.func.id]]))
                found |= {t for k in node.keywords if k.arg == "template" for t in named(k.value)}
    return found


def test_every_message_that_the_core_can_send_has_its_text() -> None:
    assert {"time_out_over", "welcome", "none", "concern", "second_miss", "moved"} <= templates()
    assert templates() <= set(texts.TEMPLATES)


def test_every_question_and_choice_that_the_core_can_put_has_its_text() -> None:
    for kind in get_args(QuestionKind):
        assert texts.question(kind, "en")
        assert all(texts.choice(kind, choice, "en") for choice in CHOICES[kind])


# --- who does not want to be reminded ---------------------------------------------------------------------------------


def test_whoever_does_not_want_to_be_reminded_is_not_and_the_other_is() -> None:
    play = practising().hold()
    before = len(play.told("reminder"))
    play.send("adjust", "a", reminders=False)
    play.at(play.begins)
    assert play.told("reminder")[before:] == ["b", "b"]
    assert play.skipped("reminder")[-2:] == [("a", "not_wanted")] * 2
    assert play.told("invitation")[-2:] == ["a", "b"]


def test_without_reminders_everything_else_still_comes() -> None:
    play = practising()
    play.send("adjust", "a", reminders=False)
    play.send("reschedule", "b", session=1, at=play.begins + timedelta(hours=1))
    play.miss()
    assert all("a" in play.told(what) for what in ("moved", "still_on", "rebook_offer"))


def test_reminders_can_be_turned_on_again_for_what_is_booked_already() -> None:
    play = practising().hold()
    before = len(play.told("reminder"))
    play.send("adjust", "a", reminders=False)
    play.send("adjust", "a", reminders=True)
    play.at(play.begins)
    assert play.told("reminder")[before:] == ["a", "b", "a", "b"]
