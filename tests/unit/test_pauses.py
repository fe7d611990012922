"""No pause lasts for ever unnoticed: both are asked, again and not for long, then staff, then comes a gentle end."""

from datetime import timedelta

import pytest
from pydantic import ValidationError

from duologue.practice import events as e
from duologue.practice.passing import due
from duologue.practice.policy import Policy
from duologue.practice.values import PARTNERS
from duologue.practice.views import attributes, details, escalation_level, overview
from tests.support.core import DAY, EVENING, NOT_WELL, WELL, Play, missed_thrice, practising

WEEK = 7 * DAY


def paused_until(days: int) -> Play:
    """A pause whose named end comes now."""
    play = practising()
    until = play.now + days * DAY
    play.send("pause", "a", until=until)
    return play.at(until)


def asked_at(play: Play, by: str) -> list[timedelta]:
    """How long after the pause began somebody was asked to go on, each time."""
    [began] = [event.at for event in play.of(e.PauseBegan)]
    return [s.at - began for s in play.sent("resume_asked", by)]


def test_a_pause_whose_end_nobody_takes_up_is_asked_about_again_and_ends_gently() -> None:
    play = paused_until(10).later(days=60)
    for by in PARTNERS:
        assert asked_at(play, by) == [10 * DAY, 17 * DAY, 24 * DAY, 31 * DAY]
    assert [s.message.ref for s in play.sent("pause_unanswered")] == ["facilitator-1", "facilitator-2"]
    assert (play.stage(), play.state.ending) == ("ended", "silence")
    assert play.told("ended") == ["a", "b"]
    [ended] = play.of(e.Ended)
    assert ended.at == play.of(e.PauseBegan)[0].at + 52 * DAY


def test_whoever_has_answered_is_not_asked_again() -> None:
    play = paused_until(10)
    play.send("reply", "a", question=play.open_question("a", "resume"), answer="yes")
    play.later(days=8)
    assert (len(play.sent("resume_asked", "a")), len(play.sent("resume_asked", "b"))) == (1, 2)


def test_a_wish_to_go_on_that_the_other_leaves_unanswered_takes_the_same_course() -> None:
    play = practising()
    play.send("pause", "b")
    play.later(days=3).send("resume", "a")
    play.later(days=8)
    assert asked_at(play, "b") == [3 * DAY, 10 * DAY]
    assert play.sent("resume_asked", "a") == []
    play.later(days=40)
    assert play.state.ending == "silence"


def test_the_course_stops_the_moment_both_have_answered() -> None:
    play = paused_until(10).later(days=29)
    assert play.told("pause_unanswered") == ["facilitator"]
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "resume"), answer="not_yet")
    assert (play.state.escalation, play.awaiting()) == (None, "none")
    play.later(days=29)
    assert play.told("pause_unanswered") == ["facilitator"]
    assert play.stage() == "paused"


def test_not_yet_is_an_answer_and_both_are_asked_anew_after_a_while() -> None:
    play = paused_until(10)
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "resume"), answer="not_yet")
    play.later(days=30)
    assert play.asked("resume") == ["a", "b"]
    assert asked_at(play, "a") == [10 * DAY, 40 * DAY]


def test_a_pause_without_an_end_is_asked_about_after_a_while_in_neutral_words() -> None:
    play = practising()
    play.send("pause", "a")
    play.later(days=30, seconds=-1)
    assert play.asked("resume") == []
    play.later(seconds=1)
    assert play.asked("resume") == ["a", "b"]
    assert play.awaiting() == "couple"
    first, second = play.sent("resume_asked")
    same = {"key": "", "to": "b", "ref": "x", "question": None}
    assert first.message.with_(**same) == second.message.with_(**same)
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "resume"), answer="yes")
    assert play.stage() == "practising"


@pytest.mark.parametrize("days", [None, 10, 300])
def test_no_pause_lasts_two_thousand_days_unless_a_concern_is_open(days: int | None) -> None:
    play = practising()
    play.send("pause", "a", until=None if days is None else play.now + days * DAY)
    play.later(days=2000)
    assert play.stage() == "ended"


def test_a_pause_that_a_facilitator_decided_on_is_asked_about_too() -> None:
    play = missed_thrice()
    play.send("decide", "facilitator", decision="pause")
    play.later(days=30)
    assert play.asked("resume") == ["a", "b"]


def test_a_facilitator_may_let_it_rest_for_another_while_or_go_on_or_put_the_alert_off() -> None:
    play = paused_until(10).later(days=28)
    [alert] = play.sees("facilitator").alerts
    assert (play.awaiting(), attributes(play.state).DuologueEscalation) == ("facilitator", "facilitator")
    play.send("acknowledge", "facilitator", alert=alert, snooze="1d")
    play.later(days=1)
    assert len(play.sent("pause_unanswered")) == 2
    play.send("decide", "facilitator", decision="pause")
    assert (play.state.escalation, play.asked("resume")) == (None, [])
    play.later(days=30)
    assert play.asked("resume") == ["a", "b"]
    play.send("decide", "facilitator", decision="go_on")
    assert play.stage() == "practising"


def test_while_both_are_asked_ops_see_that_and_what_comes() -> None:
    play = paused_until(10)
    assert escalation_level(play.state) == "checking_in"
    assert overview(play.state).ladder[-1].startswith("5 after 42d: end")


def test_the_numbers_are_policy() -> None:
    play = practising(
        policy={"pause_asks_after": "5d", "resuming": [{"after": "2d", "do": "end", "reason": "unanswered"}]}
    )
    play.send("pause", "a")
    play.later(days=7)
    assert play.state.ending == "silence"
    once = practising(policy={"resuming": []})
    once.send("pause", "a")
    once.later(days=400)
    assert (once.stage(), len(once.sent("resume_asked"))) == ("paused", 2)


def test_a_policy_that_would_ask_all_the_time_or_pause_a_pause_or_nudge_in_one_is_none() -> None:
    for wrong in (
        {"pause_asks_after": "0s"},
        {"resuming": [{"after": "0s", "do": "pause"}]},
        {"resuming": [{"after": "1d", "do": "tell", "text": "paused"}]},
        {"resuming": [{"after": "1d", "do": "ask", "text": "go_on"}]},
        {"resuming": [{"after": "1d", "do": "ask", "to": "absent", "text": "resume_asked"}]},
        {"ladder": [[{"after": "1d", "do": "pause"}, {"after": "2d", "do": "tell", "text": "rebook_offer"}]]},
        {
            "ladder": [
                [
                    {"after": "2d", "do": "pause"},
                    {"after": "1d", "do": "ask", "text": "check_in", "every": "1d", "times": 2},
                ]
            ]
        },
    ):
        with pytest.raises(ValidationError):
            Policy.model_validate(wrong)


def test_without_facilitators_it_still_ends() -> None:
    play = practising(facilitators=())
    play.send("pause", "a")
    play.later(days=72)
    assert (play.state.ending, play.told("pause_unanswered")) == ("silence", [])


# --- a pause in a pause -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("concern", [False, True], ids=["pause", "concern"])
def test_a_pause_leaves_what_the_third_miss_has_put_to_all_three(*, concern: bool) -> None:
    play = missed_thrice()
    paused, escalation = play.now, play.state.escalation
    play.later(hours=1).send("pause", "a", concern=concern)
    assert (play.asked("go_on"), play.awaiting(), play.state.escalation) == (
        ["a", "b"],
        "facilitator",
        escalation,
    )
    assert play.refused("resume", "b") == "not_open"
    play.at(paused + DAY)
    assert [s.message.ref for s in play.sent("third_miss")] == ["facilitator-1", "facilitator-2"]
    undecided = len(play.sent("undecided"))
    play.at(paused + 3 * DAY)
    assert len(play.sent("undecided")) == undecided + 1
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "go_on"), answer="go_on")
    play.send("decide", "facilitator", decision="go_on")
    assert play.stage() == "practising"


def test_a_pause_after_the_third_miss_does_not_put_off_the_gentle_end() -> None:
    play = missed_thrice()
    paused = play.now
    play.later(days=5).send("pause", "b", until=play.now + 100 * DAY)
    play.at(paused + 14 * DAY)
    assert play.state.ending == "silence"
    concerned = missed_thrice()
    concerned.later(days=5).send("pause", "b", concern=True)
    concerned.later(days=400)
    assert concerned.stage() == "paused", "unless a concern is open"


def test_what_both_choose_after_the_third_miss_goes_on_without_a_facilitator_unless_a_concern_is_open() -> (
    None
):
    for concern, stage in (False, "practising"), (True, "paused"):
        play = missed_thrice(facilitators=())
        play.send("pause", "a", concern=concern)
        for by in PARTNERS:
            play.send("reply", by, question=play.open_question(by, "go_on"), answer="go_on")
        assert play.later(days=20).stage() == stage
        play.send("withdraw", "a")


def test_what_was_decided_to_rest_rests_until_the_end_that_was_named() -> None:
    play = missed_thrice()
    until = play.now + 20 * DAY
    play.send("pause", "a", until=until)
    play.send("decide", "facilitator", decision="pause")
    play.at(until)
    assert play.asked("resume") == ["a", "b"]


@pytest.mark.parametrize("concern", [False, True], ids=["pause", "concern"])
def test_what_is_held_back_for_the_morning_about_the_third_miss_is_not_taken_back(*, concern: bool) -> None:
    people = {"a": {"ref": "person-a", "quiet": None}, "b": {"ref": "person-b", "quiet": {"start": "19:10"}}}
    play = missed_thrice(people=people)
    assert play.told("go_on") == ["a"]
    play.send("pause", "a", concern=concern)
    assert ("b", "void") not in play.skipped("go_on")


def test_what_remains_shifts_by_all_of_a_pause_whose_end_was_set_anew() -> None:
    for concern in (False, True):
        play = practising(policy={"after_pause": "shift"})
        play.send("pause", "a")
        play.later(days=6).send("pause", "b", concern=concern)
        play.later(days=4).send("decide", "facilitator", decision="go_on")
        assert play.begins == EVENING + 10 * DAY


@pytest.mark.parametrize("concern", [False, True], ids=["pause", "concern"])
def test_a_pause_that_changes_nothing_is_not_told_again_but_goes_to_safeguarding(*, concern: bool) -> None:
    play, until = practising(), EVENING + 9 * DAY
    play.send("pause", "a", until=until, concern=concern)
    each = len(play.sent(to="safeguarding"))
    for _ in range(4):
        play.send("pause", "a", until=until, concern=concern)
    assert play.told("paused") == ["a", "b"]
    assert len(play.sent(to="safeguarding")) == 5 * each > 0
    play.send("pause", "b", until=until, concern=not concern)
    assert play.told("paused") == ["a", "b"]
    assert len(play.sent(to="safeguarding")) == 6 * each
    play.send("pause", "b", until=until + DAY)
    assert play.told("paused") == ["a", "b"] * 2


def test_a_pause_is_told_again_where_it_takes_back_what_they_were_asked() -> None:
    play = practising()
    play.send("pause", "a")
    play.later(days=1).send("resume", "b")
    play.send("pause", "a")
    assert (play.told("paused"), play.asked("resume")) == (["a", "b"] * 2, [])


def test_what_is_held_back_of_a_pause_still_comes_when_it_is_called_again() -> None:
    people = {
        "a": {"ref": "person-a", "quiet": None},
        "b": {"ref": "person-b", "quiet": {"start": "09:00", "end": "12:00"}},
    }
    play = practising(people=people)
    for _ in range(3):
        play.send("pause", "a")
    assert play.told("paused") == ["a"]
    play.at("12:00")
    assert play.told("paused") == ["a", "b"]


# --- a concern --------------------------------------------------------------------------------------------------------


def test_after_a_concern_nothing_is_sent_to_either_and_nothing_ends_by_itself() -> None:
    play = practising()
    play.send("pause", "a", concern=True)
    play.later(days=2000)
    for by in PARTNERS:
        assert {s.message.template for s in play.sent(to=by)[-4:]} == {"none"}, "delivered to nobody"
    assert play.told("resume_asked") == []
    assert (play.stage(), due(play.state)) == ("paused", None)
    play.send("decide", "facilitator", decision="go_on")
    assert play.stage() == "practising"


def test_until_the_gentle_end_a_concern_looks_to_all_others_as_any_pause_does() -> None:
    plays = []
    for concern in (False, True):
        play = practising()
        play.send("pause", "a", concern=concern)
        plays.append(play.later(days=71))
    ordinary, concerned = plays
    for by in ("a", "b", "facilitator"):
        assert ordinary.sees(by) == concerned.sees(by)
    assert attributes(ordinary.state) == attributes(concerned.state)
    assert details(ordinary.state) == details(concerned.state)
    assert overview(ordinary.state).with_(digest="") == overview(concerned.state).with_(digest="")
    staff = [[s.message for s in play.sent(to="facilitator")] for play in plays]
    assert staff[0] == staff[1]


def test_a_facilitator_may_jump_to_the_end_of_any_pause() -> None:
    for concern in (False, True):
        play = practising()
        play.send("pause", "a", concern=concern)
        play.later(days=31).send("decide", "facilitator", decision="jump", step=5)
        assert play.state.ending == "silence"
        assert play.told("ended") == ["a", "b"]


# --- questions that stay open -----------------------------------------------------------------------------------------

TOKYO = {
    "a": {"ref": "person-a", "quiet": None},
    "b": {"ref": "person-b", "zone": "Asia/Tokyo", "quiet": {"start": "22:00", "end": "09:00"}},
}
"""The first session ends at half past four in the morning at B's."""


def asked_in_private(kind: str) -> Play:
    """The session after which both are asked at the midpoint, or how to go on, was held: only A has been told."""
    items = [
        {"kinds": ["mirroring"], "midpoint": True},
        *([{"kinds": ["mirroring"]}] if kind == "midpoint" else []),
    ]
    play = practising(people=TOKYO, curriculum={"name": "x", "items": items, "tail": {"count": 2}}).hold()
    for by in PARTNERS if kind == "tail" else ():
        play.send("reply", by, question=play.open_question(by, "midpoint"), answers=WELL)
    assert (play.asked(kind), play.told(kind)) == (["a", "b"], ["a"])
    return play


def rest(play: Play, **span: float) -> Play:
    play.send("pause", "a")
    play.later(**span)
    for by in PARTNERS:
        play.send("resume", by)
    return play


@pytest.mark.parametrize("kind", ["midpoint", "tail"])
def test_a_question_whose_message_a_pause_took_away_is_told_when_it_ends(kind: str) -> None:
    play = rest(asked_in_private(kind), days=1)
    assert play.asked(kind) == ["a", "b"]
    play.later(hours=12)
    assert play.told(kind) == ["a", "a", "b"]
    assert {s.message.question for s in play.sent(kind)} == {play.open_question(by, kind) for by in PARTNERS}


@pytest.mark.parametrize(("kind", "days"), [("midpoint", 14), ("tail", 10)])
def test_nobody_need_answer_while_it_is_paused(kind: str, days: int) -> None:
    """The time left is there after it; at the midpoint it has come round meanwhile, and is there whole."""
    play = rest(asked_in_private(kind).later(days=4), days=21)
    assert {q.answer_by for q in play.state.questions if q.kind == kind} == {play.now + days * DAY}
    play.later(days=days)
    assert play.asked(kind) == []


def test_to_rest_is_no_answer_to_whether_to_go_on_after_the_last() -> None:
    play = asked_in_private("tail")
    play.send("reply", "a", question=play.open_question("a", "tail"), answer="go_on")
    rest(play, days=21)
    assert play.stage() == "practising"
    play.send("reply", "b", question=play.open_question("b", "tail"), answer="go_on")
    assert play.state.in_tail


def test_while_it_is_paused_nobody_is_shown_a_day_to_answer_by() -> None:
    play = asked_in_private("tail")
    [shown] = play.sees("b").questions
    assert shown.answer_by == play.now + 14 * DAY
    play.send("pause", "a")
    [shown] = play.sees("b").questions
    assert shown.answer_by is None


def test_a_worry_at_the_midpoint_reaches_safeguarding_in_a_pause_as_it_does_outside_one() -> None:
    play = asked_in_private("midpoint")
    play.send("reply", "a", question=play.open_question("a", "midpoint"), answers=NOT_WELL)
    play.send("pause", "b")
    play.later(days=14)
    assert play.told("concern") == ["safeguarding"]
    assert play.asked("midpoint") == ["b"], "who was never told of it can still answer"
    assert play.told("midpoint") == ["a"]


@pytest.mark.parametrize("kind", ["midpoint", "tail"])
def test_a_pause_with_a_concern_does_the_same_to_open_questions_as_any_other(kind: str) -> None:
    plays = [asked_in_private(kind) for _ in range(2)]
    for play, concern in zip(plays, (False, True), strict=True):
        play.send("pause", "a", concern=concern)
        play.later(days=20)
        play.send("decide", "facilitator", decision="go_on")
        play.later(days=1)
    one, another = ([(type(x), x.at, x.detail) for x in play.events] for play in plays)
    assert one == another
    assert plays[1].told(kind) == ["a", "a", "b"]
