"""Nobody is booked into a session of which nothing could tell them in time; for that would count as a miss."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duologue.practice import events as e
from duologue.practice.messages import Refusal
from duologue.practice.policy import Policy
from duologue.practice.values import PARTNERS
from tests.support.core import DAY, EVENING, MONDAY, WEEK, Play, a_plan, asked_for, practising

HOUR = timedelta(hours=1)

APART: dict[str, Any] = {
    "people": {
        "a": {"ref": "person-a", "zone": "America/Los_Angeles"},
        "b": {"ref": "person-b", "zone": "Europe/Berlin"},
    }
}
"""Nine hours apart, both with the usual quiet hours: B's end at six in UTC, and A's at fifteen."""

A_S_AFTERNOON = datetime(2027, 1, 6, 22, 0, tzinfo=UTC)
"""Fourteen o'clock where A lives, and eleven at night where B does."""


def invited(play: Play) -> dict[str, datetime]:
    """When each was told of the session that is booked now, after which of their messages."""
    told = [s for s in (*play.sent("invitation"), *play.sent("moved")) if s.message.start == play.begins]
    return {s.message.to: s.at for s in told}


def far_apart(**given: Any) -> Play:
    """The first session is on Monday the eleventh at 19:00; now it is an afternoon before."""
    return Play(a_plan(**(APART | given)), MONDAY + 9 * HOUR).enrol().at(A_S_AFTERNOON)


def test_a_session_is_not_moved_to_where_the_other_cannot_be_told_before_it() -> None:
    play = far_apart()
    early = datetime(2027, 1, 7, 5, 0, tzinfo=UTC)
    assert play.refused("reschedule", "a", session=1, at=early) == "out_of_range", "six o'clock in Berlin"
    assert play.refused("reschedule", "a", session=1, at=early + 3 * HOUR) == "out_of_range", (
        "two hours first"
    )
    play.send("reschedule", "a", session=1, at=early + 4 * HOUR)
    play.at(play.begins)
    assert invited(play)["b"] <= play.begins - 2 * HOUR
    assert play.skipped("moved") == []


def test_what_is_too_soon_is_refused_with_what_to_do_and_without_anybody_s_quiet_hours() -> None:
    play = far_apart()
    said = play.try_("reschedule", "a", session=1, at=A_S_AFTERNOON + 7 * HOUR)
    assert isinstance(said, Refusal)
    assert said.message == "too soon: both are told at least 2h before; choose a later moment"


def test_a_move_at_once_is_refused_and_not_booked_at_another_time() -> None:
    play = practising().hold().later(days=1)
    number, before = play.session.number, play.begins
    soon = play.now + timedelta(seconds=1)
    assert play.refused("reschedule", "a", session=number, at=soon) == "out_of_range"
    play.answers = False
    at = play.now + timedelta(hours=2, seconds=1)
    play.send("reschedule", "a", session=number, at=at)
    play.later(minutes=30)
    play.answers = True
    play.settle()
    assert (play.begins, before) == (at, EVENING + WEEK), "however long the calendar takes, the choice stands"


def test_a_choice_that_the_calendar_answers_after_its_time_is_booked_at_the_next_slot() -> None:
    play = practising().hold().later(days=1)
    play.answers = False
    play.send("reschedule", "a", session=2, at=play.now + 3 * HOUR)
    play.later(hours=4)
    play.answers = True
    play.settle()
    assert play.begins == EVENING + WEEK
    assert set(invited(play)) == {"a", "b"}


def test_a_choice_is_not_booked_where_the_answer_comes_when_one_cannot_be_told_any_more() -> None:
    play = practising(**APART).at(datetime(2027, 1, 6, 19, 0, tzinfo=UTC))
    play.answers = False
    play.send("reschedule", "a", session=1, at=datetime(2027, 1, 7, 5, 0, tzinfo=UTC))
    play.at(datetime(2027, 1, 6, 22, 0, tzinfo=UTC))
    play.answers = True
    play.settle()
    assert play.begins == EVENING + WEEK, "after ten at night nobody tells B of five in the morning"


@pytest.mark.parametrize("minutes", [3, 119])
def test_a_slot_that_is_too_soon_when_practice_begins_is_passed_over(minutes: int) -> None:
    play = Play(a_plan(), EVENING - timedelta(minutes=minutes)).enrol()
    assert play.begins == EVENING + WEEK


def test_a_slot_is_passed_over_that_comes_before_one_of_them_can_be_told() -> None:
    people = {
        "a": {"ref": "person-a", "quiet": None},
        "b": {"ref": "person-b", "quiet": {"start": "08:00", "end": "20:00"}},
    }
    play = Play(a_plan(people=people), MONDAY).enrol()
    assert play.begins == EVENING + WEEK
    play.at(play.begins)
    assert set(invited(play)) == {"a", "b"}


def test_a_slot_costs_no_second_question_only_because_it_is_too_soon() -> None:
    play = Play(a_plan(), EVENING - 1 * HOUR).enrol()
    assert len(play.of(e.TimeAsked)) == 1


def test_what_is_too_soon_is_not_offered() -> None:
    play = practising(policy={"proposals": ["1h", "2h50min", "1d"]}).miss()
    assert play.sees("a").sessions[0].proposals == {
        1: EVENING + timedelta(hours=2, minutes=50),
        2: EVENING + DAY,
    }
    play.later(minutes=50)
    assert play.sees("a").sessions[0].proposals == {2: EVENING + DAY}
    assert play.refused("reschedule", "b", session=1, proposal=1) == "out_of_range"


def test_a_dialogue_that_is_asked_for_is_named_in_time_or_held_now() -> None:
    play = asked_for()
    question = play.open_question("b", "dialogue_request")
    soon = play.now + HOUR
    assert play.refused("reply", "b", question=question, answer="at", at=soon) == "out_of_range"
    play.send("reply", "b", question=question, answer="now")
    assert play.begins == play.now


def test_the_notice_is_policy() -> None:
    play = practising(policy={"notice": "0s"}).hold().later(days=1)
    play.send("reschedule", "a", session=2, at=play.now + timedelta(minutes=1))
    assert play.begins == play.now + timedelta(minutes=1)
    play = practising(policy={"notice": "1d"})
    assert play.begins == EVENING + WEEK


def test_without_a_notice_each_can_be_told_before_it_all_the_same() -> None:
    play = far_apart(policy=Policy(notice=timedelta(0)))
    six = datetime(2027, 1, 7, 6, 0, tzinfo=UTC)
    assert play.refused("reschedule", "a", session=1, at=six) == "out_of_range"
    play.send("reschedule", "a", session=1, at=six + timedelta(minutes=1))
    play.at(play.begins)
    assert invited(play)["b"] == six


def test_a_choice_for_which_new_quiet_hours_leave_no_time_is_booked_at_the_next_slot() -> None:
    play = practising().hold().later(days=1)
    play.answers = False
    play.send("adjust", "b", quiet={"start": "12:00", "end": "23:00"})
    play.send("reschedule", "a", session=2, at=play.now + 3 * HOUR)
    play.answers = True
    play.settle()
    assert play.begins == EVENING + WEEK
    for by in PARTNERS:
        assert play.sees(by).sessions[0].status == "booked"
