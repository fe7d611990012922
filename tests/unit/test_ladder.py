"""The specification of the ladder, step by step, as the reference has it."""

from datetime import timedelta
from typing import Any

import pytest

from duologue.practice import events as e
from duologue.practice.messages import Refusal
from duologue.practice.values import PARTNERS
from tests.support.core import DAY, EVENING, WEEK, Play, missed_thrice, missed_twice, practising

# --- misses and the ladder --------------------------------------------------------------------------------------------


def test_a_miss_is_told_to_both_in_the_same_words_and_offers_times() -> None:
    play = practising().at(EVENING)
    play.turn("a", "ready")
    play.miss()
    assert play.told("rebook_offer") == ["a", "b"]
    [session] = play.state.sessions
    assert session.proposals == (EVENING + DAY, EVENING + 2 * DAY, EVENING + 3 * DAY)
    for by in PARTNERS:
        [seen] = play.sees(by).sessions
        assert seen.status == "to_book"
        assert seen.proposals == dict(enumerate(session.proposals, 1))
    first, second = play.sent("rebook_offer")
    assert first.message.with_(key="", to="b", ref="x") == second.message.with_(key="", to="b", ref="x")


def test_a_missed_session_is_booked_again_in_one_step_and_held() -> None:
    play = practising("mirroring", "full").miss()
    play.later(hours=3).send("reschedule", "b", session=1, proposal=2)
    assert play.begins == EVENING + 2 * DAY
    assert play.state.session(1) == play.session
    play.later(hours=72)
    assert play.told("check_in") == []
    play = practising("mirroring", "full").miss()
    play.send("reschedule", "b", session=1, proposal=1)
    play.hold()
    assert play.state.counts == {"missed": 1, "done": 1}
    assert (play.state.missed_in_a_row, play.state.escalation) == (0, None)
    assert (play.session.number, play.begins) == (2, EVENING + WEEK)


def test_two_days_without_a_booking_each_is_asked_privately() -> None:
    play = practising().miss()
    missed = play.now
    play.at(missed + timedelta(hours=48, seconds=-1))
    assert play.asked("check_in") == []
    play.at(missed + timedelta(hours=48))
    assert play.asked("check_in") == ["a", "b"]
    assert play.told("check_in") == ["a", "b"]
    play.send("reply", "a", question=play.open_question("a", "check_in"), answer="need_time")
    assert play.asked("check_in") == ["b"]
    assert [q.kind for q in play.sees("b").questions] == ["check_in"]


def test_what_was_asked_privately_after_a_miss_is_closed_once_a_dialogue_is_held() -> None:
    play = practising().miss().later(hours=49)
    play.send("reschedule", "b", session=1, proposal=3)
    play.check_in()
    assert play.asked("check_in") == []


def test_who_would_like_to_talk_to_someone_is_heard_and_not_named() -> None:
    play = practising().miss().later(hours=49)
    play.send("reply", "b", question=play.open_question("b", "check_in"), answer="talk_to_someone")
    [called] = play.sent("wants_to_talk")
    assert (called.message.to, called.message.ref) == ("facilitator", "facilitator-1")
    assert play.awaiting() == "facilitator"
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert)
    assert play.awaiting() == "couple"
    alone = wants_to_talk(facilitators=(), safeguarding=None)
    assert alone.told("wants_to_talk") == []


def test_without_a_facilitator_whoever_hears_of_concerns_is_called() -> None:
    play = wants_to_talk(facilitators=())
    [called] = play.sent("wants_to_talk")
    assert (called.message.to, called.message.ref) == ("safeguarding", "safeguarding-1")
    play.later(hours=24)
    assert [s.message.ref for s in play.sent("wants_to_talk")] == ["safeguarding-1"] * 2
    assert play.sees("facilitator").alerts == ()
    play.send("acknowledge", "facilitator", alert=play.state.called[0].id)
    assert play.state.called == ()


def wants_to_talk(**given: Any) -> Play:
    """Two days after the first miss A would like to talk to someone."""
    play = practising(**given).miss().later(hours=48)
    play.send("reply", "a", question=play.open_question("a", "check_in"), answer="talk_to_someone")
    return play


def called(play: Play) -> list[str]:
    return [s.message.ref for s in play.sent("wants_to_talk")]


def test_nobody_who_would_like_to_talk_is_left_waiting_because_a_facilitator_is_silent() -> None:
    play = wants_to_talk()
    play.later(hours=24, seconds=-1)
    assert called(play) == ["facilitator-1"]
    play.later(seconds=1)
    assert called(play) == ["facilitator-1", "facilitator-2"]
    play.later(days=3)
    assert called(play) == ["facilitator-1", "facilitator-2"]
    assert play.awaiting() == "facilitator"
    alone = wants_to_talk(facilitators=("only",)).later(hours=24)
    assert called(alone) == ["only", "only"]


@pytest.mark.parametrize("becomes", ["held", "missed", "paused", "decided"])
def test_a_call_stays_open_until_it_is_acknowledged_whatever_becomes_of_the_miss(becomes: str) -> None:
    play = wants_to_talk()
    [call] = play.sees("facilitator").alerts
    match becomes:
        case "held":
            play.send("reschedule", "b", session=1, proposal=3)
            play.hold()
        case "missed":
            play.send("reschedule", "b", session=1, proposal=3)
            play.miss()
        case "paused":
            play.send("pause", "b")
        case "decided":
            play.send("decide", "facilitator", decision="go_on")
    assert (call in play.sees("facilitator").alerts, play.awaiting()) == (True, "facilitator")
    play.send("acknowledge", "facilitator", alert=call)
    play.later(days=2)
    assert call not in play.sees("facilitator").alerts
    assert play.refused("acknowledge", "facilitator", alert=call) == "unknown_alert"


@pytest.mark.parametrize("later", [0, 30])
def test_a_call_that_nobody_has_taken_goes_to_the_next_contact_when_the_programme_ends(later: int) -> None:
    play = wants_to_talk().later(hours=later)
    play.send("withdraw", "b")
    assert called(play) == ["facilitator-1", "facilitator-2"]
    seen = wants_to_talk()
    [call] = seen.sees("facilitator").alerts
    seen.send("acknowledge", "facilitator", alert=call)
    seen.send("withdraw", "b")
    assert called(seen) == ["facilitator-1"], "somebody has it in hand"


def test_whoever_of_the_staff_acknowledges_a_call_has_taken_it() -> None:
    play = wants_to_talk().later(hours=30)
    first, second = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=second)
    assert first not in play.sees("facilitator").alerts
    play.later(days=3)
    assert called(play) == ["facilitator-1", "facilitator-2"]


def test_a_call_that_is_put_off_comes_back_and_has_its_day_again() -> None:
    play = wants_to_talk()
    [call] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=call, snooze="30h")
    play.later(hours=30)
    assert called(play) == ["facilitator-1"] * 2
    play.later(hours=24)
    assert called(play) == ["facilitator-1", "facilitator-1", "facilitator-2"]


def test_both_may_wish_to_talk_and_one_call_is_made() -> None:
    play = wants_to_talk()
    play.send("reply", "b", question=play.open_question("b", "check_in"), answer="talk_to_someone")
    assert called(play) == ["facilitator-1"]
    play = wants_to_talk()
    play.send("decide", "facilitator", decision="go_on")
    [call] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=call)
    play.send("reply", "b", question=play.open_question("b", "check_in"), answer="talk_to_someone")
    assert called(play) == ["facilitator-1"] * 2, "what was asked for later is another call"


def test_how_long_a_call_waits_is_policy() -> None:
    assert called(wants_to_talk(policy={"call_again_after": "2h"}).later(hours=2)) == [
        "facilitator-1",
        "facilitator-2",
    ]


def test_with_nothing_booked_the_next_regular_slot_takes_the_dialogue() -> None:
    play = practising().miss()
    play.at(EVENING + timedelta(days=4, minutes=15))
    assert play.begins == EVENING + WEEK
    assert play.session.number == 1
    assert play.told("moved") == ["a", "b"]


def test_the_second_miss_in_a_row_alerts_the_facilitator() -> None:
    play = missed_twice()
    [alert] = play.sent("second_miss")
    assert (alert.message.to, alert.message.ref, alert.at) == ("facilitator", "facilitator-1", play.now)
    assert play.awaiting() == "facilitator"
    assert play.state.missed_in_a_row == 2
    [open_alert] = play.sees("facilitator").alerts
    assert play.sees("a").alerts == ()
    play.later(hours=3).send("acknowledge", "facilitator", alert=open_alert)
    assert play.sees("facilitator").alerts == ()
    assert play.awaiting() == "couple"
    assert play.refused("acknowledge", "facilitator", alert=open_alert) == "unknown_alert"
    play.later(hours=24)
    assert len(play.sent("second_miss")) == 1


def test_a_day_without_an_answer_the_next_contact_is_alerted() -> None:
    play = missed_twice()
    alerted = play.now
    play.at(alerted + timedelta(hours=24))
    assert [s.message.ref for s in play.sent("second_miss")] == ["facilitator-1", "facilitator-2"]
    assert len(play.sees("facilitator").alerts) == 2


def test_acknowledged_but_undecided_the_facilitator_is_alerted_again() -> None:
    play = missed_twice()
    alerted = play.now
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert)
    play.at(alerted + timedelta(hours=72))
    assert play.told("undecided") == ["facilitator"]
    assert play.awaiting() == "facilitator"


def test_nothing_more_is_due_once_they_have_booked_again() -> None:
    play = missed_twice()
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert)
    play.send("reschedule", "a", session=1, proposal=3)
    before = len(play.sent("check_in"))
    play.at(play.begins)
    assert play.told("undecided") == []
    assert len(play.sent("check_in")) == before


def test_the_facilitator_may_decide_to_let_it_go_on_as_it_is() -> None:
    play = missed_twice()
    play.send("decide", "facilitator", decision="go_on")
    assert (play.stage(), play.state.escalation) == ("practising", None)
    assert play.refused("decide", "facilitator", decision="go_on") == "not_open"


def test_without_facilitators_their_steps_are_skipped() -> None:
    play = missed_twice(facilitators=())
    play.later(hours=80)
    assert play.sent(to="facilitator") == []
    assert play.told("check_in") == ["a", "b", "a", "b"]
    assert play.awaiting() == "couple"


def test_with_one_facilitator_nobody_is_the_next_contact() -> None:
    play = missed_twice(facilitators=("only",)).later(hours=80)
    assert [s.message.ref for s in play.sent(to="facilitator")] == ["only", "only"]


def test_the_third_miss_in_a_row_pauses_and_asks_each_privately() -> None:
    play = missed_thrice()
    assert (play.stage(), play.asked("go_on")) == ("paused", ["a", "b"])
    assert play.told("go_on") == ["a", "b"]
    assert play.told("third_miss") == ["facilitator"]
    refused = play.try_("resume", "a")
    assert isinstance(refused, Refusal)
    assert "the question that 'view' shows" in refused.message
    assert [q.kind for q in play.sees("a").questions] == ["go_on"]
    play.send("reply", "a", question=play.open_question("a", "go_on"), answer="go_on")
    refused = play.try_("resume", "a")
    assert isinstance(refused, Refusal)
    assert "is being decided" in refused.message
    assert not play.sees("a").questions, "which is why it names none"
    play.send("reply", "b", question=play.open_question("b", "go_on"), answer="go_on")
    assert play.stage() == "paused"
    play.send("decide", "facilitator", decision="go_on")
    assert (play.stage(), play.state.missed_in_a_row) == ("practising", 0)
    assert play.told("resumed") == ["a", "b"]
    assert play.session.number == 1
    play.hold()
    assert play.state.counts["done"] == 1


def test_a_day_after_the_third_miss_without_an_answer_the_next_contact_is_alerted() -> None:
    play = missed_thrice()
    paused = play.now
    play.at(paused + timedelta(hours=24, seconds=-1))
    assert [s.message.ref for s in play.sent("third_miss")] == ["facilitator-1"]
    play.at(paused + timedelta(hours=24))
    assert [s.message.ref for s in play.sent("third_miss")] == ["facilitator-1", "facilitator-2"]
    assert (play.awaiting(), len(play.sees("facilitator").alerts)) == ("facilitator", 2)


def test_who_has_acknowledged_the_third_miss_spares_the_next_contact() -> None:
    play = missed_thrice()
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert)
    play.later(hours=71)
    assert [s.message.ref for s in play.sent("third_miss")] == ["facilitator-1"]


def test_three_days_after_the_third_miss_the_facilitator_is_alerted_that_it_is_undecided() -> None:
    play = missed_thrice()
    paused, before = play.now, len(play.sent("undecided"))
    [alert] = play.sees("facilitator").alerts
    play.send("acknowledge", "facilitator", alert=alert)
    play.at(paused + timedelta(hours=72, seconds=-1))
    assert len(play.sent("undecided")) == before
    play.at(paused + timedelta(hours=72))
    [again] = play.sent("undecided")[before:]
    assert (again.message.to, again.message.ref) == ("facilitator", "facilitator-1")
    assert play.awaiting() == "facilitator"


def test_what_is_decided_within_three_days_of_the_third_miss_is_not_asked_for() -> None:
    play = missed_thrice()
    before = len(play.sent("undecided"))
    play.later(hours=71).send("decide", "facilitator", decision="pause")
    play.later(hours=48)
    assert len(play.sent("undecided")) == before


def test_after_the_third_miss_either_may_stop_at_once() -> None:
    play = missed_thrice()
    play.send("reply", "b", question=play.open_question("b", "go_on"), answer="stop")
    assert play.state.ending == "withdrawn"
    assert play.told("ended") == ["a", "b"]


def test_without_a_facilitator_both_going_on_is_a_decision() -> None:
    play = missed_thrice(facilitators=())
    play.send("reply", "a", question=play.open_question("a", "go_on"), answer="go_on")
    assert play.stage() == "paused"
    play.send("reply", "b", question=play.open_question("b", "go_on"), answer="go_on")
    assert play.stage() == "practising"
    assert [event.by for event in play.of(e.Decided)] == [""]


def test_without_a_facilitator_a_wish_to_pause_leaves_it_paused() -> None:
    play = missed_thrice(facilitators=())
    play.send("reply", "a", question=play.open_question("a", "go_on"), answer="go_on")
    play.send("reply", "b", question=play.open_question("b", "go_on"), answer="pause")
    assert play.stage() == "paused"
    play.later(days=60)
    assert play.stage() == "paused"
    play.send("resume", "a")
    play.send("resume", "b")
    assert play.stage() == "practising"


def test_two_weeks_of_silence_end_it_gently() -> None:
    play = missed_thrice()
    paused = play.now
    play.at(paused + timedelta(days=14, seconds=-1))
    assert play.stage() == "paused"
    play.at(paused + timedelta(days=14))
    assert (play.stage(), play.state.ending) == ("ended", "silence")
    assert play.told("ended") == ["a", "b"]


def test_who_has_answered_is_not_ended_by_the_facilitator_s_silence() -> None:
    play = missed_thrice()
    play.send("reply", "a", question=play.open_question("a", "go_on"), answer="go_on")
    play.send("reply", "b", question=play.open_question("b", "go_on"), answer="go_on")
    play.later(days=15)
    assert play.stage() == "practising"
    play = missed_thrice()
    play.send("reply", "a", question=play.open_question("a", "go_on"), answer="go_on")
    play.send("reply", "b", question=play.open_question("b", "go_on"), answer="pause")
    play.later(days=15)
    assert (play.stage(), play.state.escalation) == ("paused", None)


def test_a_policy_is_taken_at_the_miss_and_its_steps_in_the_order_of_their_time() -> None:
    rung = [
        {"after": "48h", "do": "ask", "text": "check_in"},
        {"after": "1h", "do": "alert", "to": "facilitator", "text": "second_miss", "reason": "always"},
        {"after": "0s", "do": "tell", "text": "rebook_offer"},
    ]
    play = practising(policy={"ladder": [rung]}).miss()
    missed = play.now
    play.at(missed + timedelta(hours=50))
    assert [(s.message.template, s.at - missed) for s in play.sent() if s.at >= missed] == [
        ("rebook_offer", timedelta(0)),
        ("rebook_offer", timedelta(0)),
        ("second_miss", timedelta(hours=1)),
        ("check_in", timedelta(hours=48)),
        ("check_in", timedelta(hours=48)),
    ]


def test_a_session_that_was_asked_for_is_no_miss_on_the_ladder() -> None:
    play = practising()
    play.hold()
    play.later(days=1).send("ask_dialogue", "a", kind="mirroring")
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="now")
    play.later(minutes=15)
    assert play.state.counts == {"done": 1, "lapsed": 1}
    assert (play.state.missed_in_a_row, play.state.escalation) == (0, None)
    assert [s.number for s in play.state.sessions] == [2]
