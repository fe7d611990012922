"""The specification of a programme's life, scene by scene: enrolling, kinds and roles, the tail, pauses, the end."""

from datetime import datetime, timedelta

import pytest

from duologue.practice import events as e
from duologue.practice.decide import Cancelled
from duologue.practice.values import PARTNERS, Partner
from tests.support.core import (
    DAY,
    EVENING,
    MONDAY,
    NOT_WELL,
    WEEK,
    WELL,
    Play,
    asked_for,
    practising,
)

# --- enrolling --------------------------------------------------------------------------------------------------------


def test_both_are_welcomed_and_asked_the_private_questions() -> None:
    play = Play()
    assert play.told("welcome") == ["a", "b"]
    assert play.asked("intake") == ["a", "b"]
    assert play.stage() == "enrolling"


def test_it_begins_once_both_have_consented_and_are_well() -> None:
    play = Play()
    play.send("consent", "a")
    play.send("reply", "b", question=play.open_question("b", "intake"), answers=WELL)
    play.send("consent", "b")
    assert play.stage() == "enrolling"
    play.send("reply", "a", question=play.open_question("a", "intake"), answers=WELL)
    assert play.stage() == "practising"
    assert play.told("enrolled") == ["a", "b"]
    assert play.begins == EVENING
    assert play.told("invitation") == ["a", "b"]


def test_consent_is_given_once() -> None:
    play = Play()
    play.send("consent", "a")
    assert play.refused("consent", "a") == "not_open"
    assert practising().refused("consent", "a") == "stage"


def test_declining_ends_it_with_the_same_words_for_both() -> None:
    play = Play()
    play.send("consent", "b", agree=False)
    assert (play.stage(), play.state.ending) == ("ended", "not_enrolled")
    assert play.told("not_enrolled") == ["a", "b"]
    assert play.refused("consent", "a") == "stage"


@pytest.mark.parametrize("unwell", ["a", "b"])
def test_not_now_waits_for_both_answers_and_is_the_same_for_both(unwell: str) -> None:
    play = Play()
    play.send("consent", "a")
    play.send("consent", "b")
    play.later(hours=1)
    answers = {by: NOT_WELL if by == unwell else WELL for by in ("a", "b")}
    play.send("reply", "a", question=play.open_question("a", "intake"), answers=answers["a"])
    assert play.stage() == "enrolling"
    assert [s.message.template for s in play.sent()] == ["welcome", "welcome"]
    play.later(hours=1)
    play.send("reply", "b", question=play.open_question("b", "intake"), answers=answers["b"])
    assert play.state.ending == "not_now"
    assert play.told("not_now") == ["a", "b"]
    first, second = (s.message for s in play.sent("not_now"))
    assert first.with_(key="", to="a", ref="x") == second.with_(key="", to="a", ref="x")
    assert play.sees("a").ending == play.sees("b").ending == "not_now"


def test_an_answer_of_the_suitability_questions_is_whole_and_private() -> None:
    play = Play()
    question = play.open_question("a", "intake")
    assert play.refused("reply", "a", question=question, answers={"no_fear": "yes"}) == "malformed"
    assert play.refused("reply", "a", question=question, answer="yes") == "malformed"
    assert play.refused("reply", "b", question=question, answers=WELL) == "unknown_question"
    play.send("reply", "a", question=question, answers=NOT_WELL)
    assert play.refused("reply", "a", question=question, answers=WELL) == "unknown_question"
    assert all("no" not in (entry.detail, entry.by) for entry in play.state.journal)
    assert play.sees("b") == Play().sees("b")


@pytest.mark.parametrize("done", ["nothing", "consents", "consents and one answer"])
def test_enrolling_ends_at_its_deadline_whatever_is_missing(done: str) -> None:
    play = Play()
    if "consents" in done:
        play.send("consent", "a")
        play.send("consent", "b")
    if "answer" in done:
        play.send("reply", "a", question=play.open_question("a", "intake"), answers=NOT_WELL)
    play.at(MONDAY + timedelta(days=14, seconds=-1))
    assert play.stage() == "enrolling"
    play.at(MONDAY + timedelta(days=14))
    assert (play.state.ending, play.state.ended) == ("not_enrolled", MONDAY + timedelta(days=14))
    assert play.told("not_enrolled") == ["a", "b"]


def test_who_leaves_while_enrolling_ends_it_like_one_who_declines() -> None:
    play = Play()
    play.send("consent", "a")
    play.send("withdraw", "a")
    assert play.state.ending == "not_enrolled"
    assert play.told("not_enrolled") == ["a", "b"]


def test_what_belongs_to_practising_waits_until_it_begins() -> None:
    play = Play()
    assert play.refused("turn", "a", act="ready") == "stage"
    assert play.refused("ask_dialogue", "a") == "stage"
    assert play.refused("reschedule", "a", session=1, proposal=1) == "stage"
    assert play.refused("pause", "a") == "stage"
    assert play.refused("resume", "a") == "stage"
    assert play.refused("decide", "facilitator", decision="end") == "stage"


# --- who may send what ------------------------------------------------------------------------------------------------


def test_partners_and_facilitators_each_have_commands_of_their_own() -> None:
    play = practising()
    assert play.refused("consent", "facilitator") == "not_a_participant"
    assert play.refused("turn", "facilitator", act="ready") == "not_a_participant"
    assert play.refused("decide", "a", decision="end") == "not_a_participant"
    assert play.refused("acknowledge", "b", alert="x") == "not_a_participant"


def test_a_programme_that_has_ended_answers_with_a_typed_refusal() -> None:
    play = practising()
    play.send("withdraw", "a")
    assert play.refused("turn", "a", act="ready") == "stage"
    assert play.refused("decide", "facilitator", decision="go_on") == "stage"


# --- kinds and roles --------------------------------------------------------------------------------------------------


def test_the_first_sender_alternates_unless_the_item_names_one() -> None:
    play = practising("mirroring", "mirroring", "mirroring", first_sender="b")
    senders = []
    for _ in range(3):
        senders.append(play.session.first_sender)
        play.hold()
    assert senders == ["b", "a", "b"]
    items = [{"kinds": ("request",), "first_sender": "a"}, {"kinds": ("request",), "first_sender": "a"}]
    play = practising(curriculum={"name": "x", "items": items})
    assert [play.session.first_sender, play.hold().session.first_sender] == ["a", "a"]


def test_an_opt_in_kind_is_held_as_its_fallback_until_both_have_opted_in() -> None:
    play = practising("commitment", "commitment", "story")
    play.send("adjust", "a", opt_in={"commitment": True})
    assert play.check_in().session.kinds == ("full",)
    play.hold().send("adjust", "b", opt_in={"commitment": True})
    assert play.check_in().session.kinds == ("commitment",)


def test_an_opt_in_is_revocable_until_both_have_checked_in() -> None:
    play = practising("story")
    for by in PARTNERS:
        play.send("adjust", by, opt_in={"story": True})
    play.at(EVENING).turn("a", "ready")
    play.send("adjust", "a", opt_in={"story": False})
    play.turn("b", "ready")
    assert play.session.kinds == ("full",)


def test_only_kinds_that_are_opt_in_can_be_opted_into() -> None:
    assert practising().refused("adjust", "a", opt_in={"full": True}) == "malformed"


def opted_in(*kinds: str | tuple[str, ...]) -> Play:
    play = practising(*kinds)
    play.send("adjust", "a", opt_in={"story": True, "commitment": True})
    play.send("adjust", "b", opt_in={"story": True, "commitment": True})
    return play


def test_a_dialogue_that_was_broken_off_is_not_taken_up_after_its_opt_in_is_revoked() -> None:
    play = opted_in("story")
    play.hold(stop_before="story").at(EVENING + timedelta(hours=2))
    assert [s.status for s in play.state.sessions] == ["unfinished"]
    play.send("adjust", "b", opt_in={"story": False})
    play.later(days=5).check_in()
    assert (play.session.kinds, play.session.dialogue and play.session.dialogue.movement) == (
        ("full",),
        "frame",
    )


def test_a_fallback_that_was_broken_off_goes_on_even_if_both_have_opted_in_meanwhile() -> None:
    play = practising("story").hold(stop_before="summary").at(EVENING + timedelta(hours=2))
    play.send("adjust", "a", opt_in={"story": True})
    play.send("adjust", "b", opt_in={"story": True})
    play.later(days=5).check_in()
    assert (play.session.kinds, play.session.dialogue and play.session.dialogue.movement) == (
        ("full",),
        "summary",
    )


def test_an_opt_in_revoked_during_a_session_counts_for_its_next_part() -> None:
    play = opted_in(("mirroring", "commitment"))
    play.hold(stop_before="closing")
    play.send("adjust", "a", opt_in={"commitment": False})
    play.turn("a", "appreciate")
    play.turn("b", "appreciate")
    assert play.session.dialogue is not None
    assert (play.session.part, play.session.dialogue.kind) == (1, "full")


def test_an_opt_in_revoked_during_a_session_changes_nothing_of_what_was_held_before() -> None:
    play = opted_in(("commitment", "mirroring"), "full")
    play.hold(stop_before="closing")
    play.send("adjust", "a", opt_in={"commitment": False})
    play.hold(stop_before="sending").at(EVENING + timedelta(hours=2))
    assert [h.kinds for h in play.state.held] == [("commitment", "mirroring")]
    play.later(days=5).hold()
    assert play.state.held[-1].kinds == ("commitment", "mirroring")


def test_a_session_of_two_kinds_holds_one_after_the_other() -> None:
    play = practising(("appreciation", "mirroring"), "full").hold()
    assert [h.kinds for h in play.state.held] == [("appreciation", "mirroring")]
    assert [event.session for event in play.of(e.PartBegan)] == [1]
    assert play.session.number == 2


# --- the end and the tail ---------------------------------------------------------------------------------------------

TAIL = {
    "item": {"kinds": ("full",)},
    "cadence": {"every": "month", "on": "monday", "at": "19:00"},
    "count": 2,
}


def at_the_end() -> Play:
    curriculum = {"name": "x", "items": [{"kinds": ("mirroring",)}], "tail": TAIL}
    return practising(curriculum=curriculum).hold()


def test_without_a_tail_it_completes_after_the_last_session() -> None:
    play = practising("mirroring").hold()
    assert (play.stage(), play.state.ending) == ("completed", "completed")
    assert play.told("completed") == ["a", "b"]


def test_both_are_asked_about_the_tail_and_go_on_monthly() -> None:
    play = at_the_end()
    assert play.asked("tail") == ["a", "b"]
    play.send("reply", "a", question=play.open_question("a", "tail"), answer="go_on")
    assert play.state.sessions == ()
    play.send("reply", "b", question=play.open_question("b", "tail"), answer="go_on")
    assert (play.session.origin, play.begins) == ("tail", datetime.fromisoformat("2027-02-01T19:00Z"))
    assert play.session.first_sender == "b"
    play.hold()
    assert (play.session.first_sender, play.begins) == ("a", datetime.fromisoformat("2027-03-01T19:00Z"))
    play.hold()
    assert play.state.ending == "completed"


@pytest.mark.parametrize(
    "answers", [("go_on", "complete"), ("complete", "go_on"), ("go_on", None), (None, None)]
)
def test_unless_both_go_on_it_completes(answers: tuple[str | None, str | None]) -> None:
    play = at_the_end()
    if answers[0]:
        play.send("reply", "a", question=play.open_question("a", "tail"), answer=answers[0])
    if answers[1]:
        play.send("reply", "b", question=play.open_question("b", "tail"), answer=answers[1])
    play.later(days=14)
    assert (play.stage(), play.state.ending) == ("completed", "completed")


def test_a_regular_slot_that_another_dialogue_has_taken_is_passed_over() -> None:
    play = practising("full", "full", "full").hold(defer=True)
    half, regular = play.state.sessions
    play.send("reschedule", "a", session=regular.number, at=EVENING + 3 * DAY)
    play.send("reschedule", "a", session=half.number, at=EVENING + 2 * WEEK)
    play.at(EVENING + 3 * DAY).hold()
    third = next(s for s in play.state.sessions if s.origin == "curriculum")
    assert third.start == EVENING + 3 * WEEK


# --- pauses -----------------------------------------------------------------------------------------------------------


def test_either_pauses_without_a_reason_and_both_are_told_the_same() -> None:
    views = []
    for by in PARTNERS:
        play = practising()
        play.send("pause", by)
        assert play.told("paused") == ["a", "b"]
        assert play.told("none") == ["safeguarding"] * 4
        assert (play.stage(), play.state.outbox) == ("paused", ())
        views.append([play.sees("a"), play.sees("b")])
    assert views[0] == views[1]


def test_nothing_is_held_or_due_while_paused() -> None:
    play = practising()
    play.send("pause", "a")
    assert play.refused("turn", "a", act="ready") == "stage"
    assert play.refused("reschedule", "a", session=1, at=EVENING + DAY) == "stage"
    assert play.refused("ask_dialogue", "a") == "stage"
    before = len(play.events)
    play.later(days=29)
    assert len(play.events) == before


def test_an_open_pause_ends_when_both_wish_it() -> None:
    play = practising()
    play.send("pause", "b")
    play.later(days=3).send("resume", "a")
    assert play.asked("resume") == ["b"]
    assert play.told("resume_asked") == ["b"]
    assert play.refused("resume", "a") == "not_open"
    play.send("reply", "b", question=play.open_question("b", "resume"), answer="not_yet")
    assert play.stage() == "paused"
    play.later(days=10).send("resume", "b")
    assert play.stage() == "practising"
    assert play.told("resumed") == ["a", "b"]
    assert (play.session.number, play.begins) == (1, EVENING + 2 * WEEK)


def test_a_slot_that_a_pause_gave_back_can_be_taken_again() -> None:
    play = practising().hold().later(days=1)
    assert play.begins == EVENING + WEEK
    play.send("pause", "a")
    play.later(days=1).send("resume", "a")
    play.send("resume", "b")
    assert play.begins == EVENING + WEEK


def test_a_pause_with_a_date_asks_both_when_it_comes() -> None:
    play = practising()
    until = play.now + timedelta(days=10)
    play.send("pause", "a", until=until)
    assert play.sees("b").paused_until == until
    play.at(until)
    assert play.asked("resume") == ["a", "b"]
    assert play.awaiting() == "couple"
    play.send("reply", "a", question=play.open_question("a", "resume"), answer="yes")
    play.send("reply", "b", question=play.open_question("b", "resume"), answer="yes")
    assert play.stage() == "practising"


def test_who_wished_to_go_on_early_does_not_take_the_date_away() -> None:
    play = practising()
    until = play.now + timedelta(days=10)
    play.send("pause", "a", until=until)
    play.later(days=2).send("resume", "a")
    play.send("reply", "b", question=play.open_question("b", "resume"), answer="not_yet")
    play.at(until)
    assert play.asked("resume") == ["b"]
    play.send("reply", "b", question=play.open_question("b", "resume"), answer="yes")
    assert play.stage() == "practising"


def test_whoever_says_yes_by_a_command_has_answered_the_question_too() -> None:
    play = practising()
    play.send("pause", "a", until=play.now + timedelta(days=1))
    play.later(days=1).send("resume", "b")
    assert play.asked("resume") == ["a"]
    play.send("resume", "a")
    assert (play.stage(), play.state.questions) == ("practising", ())


def test_a_pause_ends_within_a_year() -> None:
    play = practising()
    assert play.refused("pause", "a", until=play.now) == "out_of_range"
    assert play.refused("pause", "a", until=play.now + timedelta(days=367)) == "out_of_range"


def test_while_paused_the_end_can_be_set_anew() -> None:
    play = practising()
    play.send("pause", "a")
    until = play.now + timedelta(days=5)
    play.later(days=1).send("pause", "b", until=until)
    assert play.state.paused is not None
    assert play.state.paused.until == until


def test_a_pause_keeps_a_dialogue_where_it_stands() -> None:
    play = practising("full").hold(stop_before="summary")
    play.send("pause", "a")
    assert play.state.counts == {}
    play.later(days=2).send("resume", "a")
    play.send("resume", "b")
    play.check_in()
    assert play.session.dialogue is not None
    assert play.session.dialogue.movement == "summary"


def test_a_pause_calls_off_a_dialogue_that_was_asked_for() -> None:
    play = asked_for()
    at = play.now + timedelta(hours=5)
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="at", at=at)
    play.send("pause", "a")
    assert [s.origin for s in play.state.sessions] == ["curriculum"]
    assert play.state.held[-1].outcome == "cancelled"


def test_a_facilitator_may_pause_go_on_and_end() -> None:
    play = practising()
    play.send("decide", "facilitator", decision="pause")
    assert (play.stage(), play.told("paused")) == ("paused", ["a", "b"])
    play.send("decide", "facilitator", decision="go_on")
    assert play.stage() == "practising"
    play.send("decide", "facilitator", decision="end")
    assert (play.state.ending, play.told("ended")) == ("decided", ["a", "b"])


# --- leaving ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["a", "b"])
def test_either_may_leave_and_both_read_the_same(by: Partner) -> None:
    play = practising().check_in()
    play.send("withdraw", by)
    assert (play.stage(), play.state.ending) == ("ended", "withdrawn")
    first, second = play.sent("ended")
    assert first.message.with_(key="", to="b", ref="x") == second.message.with_(key="", to="b", ref="x")
    assert play.sees("a").ending == play.sees("b").ending == "ended"
    assert [*play.state.sessions, *play.state.outbox, *play.state.questions] == []


def test_cancelling_ends_it_gently_and_only_once() -> None:
    play = practising()
    play.apply(Cancelled())
    assert (play.stage(), play.state.ending) == ("ended", "cancelled")
    assert play.told("ended") == ["a", "b"]
    assert play.apply(Cancelled()) == []
