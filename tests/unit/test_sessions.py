"""The specification of a session, scene by scene: check-in, the window, time-outs, moving, other halves, asking."""

from datetime import timedelta
from typing import Any

from duologue.practice import events as e
from duologue.practice.messages import Refusal
from duologue.practice.state import NOTES_KEPT
from duologue.practice.values import PARTNERS
from tests.support.core import (
    DAY,
    EVENING,
    WEEK,
    Play,
    asked_for,
    practising,
)

# --- check-in ---------------------------------------------------------------------------------------------------------


def test_check_in_opens_ten_minutes_before_and_the_dialogue_begins_with_both() -> None:
    play = practising()
    assert play.at(EVENING - timedelta(minutes=10, seconds=1)).refused("turn", "a", act="ready") == "not_open"
    play.at(EVENING - timedelta(minutes=10)).turn("a", "ready")
    assert play.refused("turn", "a", act="ready") == "out_of_turn"
    assert play.refused("turn", "b", act="frame") == "out_of_turn"
    assert play.session.status == "booked"
    receipt = play.turn("b", "ready")
    assert (play.session.status, receipt.movement, receipt.awaiting) == ("open", "frame", "a")
    assert play.session.ends == EVENING + timedelta(minutes=90)


def test_a_session_counts_as_missed_a_quarter_of_an_hour_after_its_start() -> None:
    play = practising().at(EVENING + timedelta(minutes=15, seconds=-1))
    play.turn("a", "ready")
    assert play.state.counts == {}
    play.at(EVENING + timedelta(minutes=15))
    assert play.state.counts == {"missed": 1}
    assert [event.absent for event in play.of(e.SessionMissed)] == [("b",)]
    assert play.refused("turn", "b", act="ready") == "too_late"


def test_whoever_comes_just_in_time_is_in_time() -> None:
    play = practising().at(EVENING + timedelta(minutes=15, seconds=-1))
    play.turn("a", "ready")
    play.turn("b", "ready")
    assert play.session.status == "open"


def test_only_the_one_who_is_absent_is_asked_whether_it_is_still_on() -> None:
    play = practising().at(EVENING)
    play.turn("b", "ready")
    play.at(EVENING + timedelta(minutes=5))
    assert play.told("still_on") == ["a"]
    assert practising().at(EVENING + timedelta(minutes=5)).told("still_on") == ["a", "b"]


def test_nobody_is_asked_once_both_are_there() -> None:
    play = practising().check_in().later(minutes=10)
    assert play.told("still_on") == []


def test_awaiting_names_one_partner_only_once_a_deadline_has_passed() -> None:
    play = practising().share_attendance()
    play.at(EVENING).turn("a", "ready")
    assert play.awaiting() == "couple"
    play.at(EVENING + timedelta(minutes=5))
    assert play.awaiting() == "b"
    play.turn("b", "ready")
    assert play.awaiting() == "couple"


# --- the window -------------------------------------------------------------------------------------------------------


def test_a_dialogue_that_falls_silent_is_nudged_once_for_each_silence() -> None:
    play = practising().check_in()
    play.later(minutes=29, seconds=59)
    assert play.told("idle_nudge") == []
    play.later(seconds=1)
    assert play.told("idle_nudge") == ["a", "b"]
    play.later(minutes=25).turn("a", "frame")
    assert play.told("idle_nudge") == ["a", "b"]
    play.later(minutes=30)
    assert play.told("idle_nudge") == ["a", "b", "a", "b"]


def test_no_nudge_comes_when_the_window_is_over_first() -> None:
    play = practising().check_in()
    play.later(minutes=29).turn("a", "frame")
    play.later(minutes=29).turn("b", "mirror")
    play.later(minutes=29).turn("a", "confirm")
    play.later(hours=2)
    assert play.told("idle_nudge") == []


def test_unfinished_keeps_where_it_stopped_resumes_there_and_is_not_a_miss() -> None:
    play = practising("full").hold(stop_before="sending")
    play.turn("a", "send", words="what was said")
    play.at(EVENING + timedelta(minutes=90))
    [session] = play.state.sessions
    assert (session.status, play.state.counts, play.state.missed_in_a_row) == (
        "unfinished",
        {"unfinished": 1},
        0,
    )
    assert play.state.escalation is None
    assert play.told("unfinished") == ["a", "b"]
    assert session.proposals == (EVENING + DAY, EVENING + 2 * DAY, EVENING + 3 * DAY)
    assert play.refused("turn", "b", act="mirror") == "too_late"
    play.send("reschedule", "b", session=1, proposal=1)
    play.check_in()
    dialogue = play.session.dialogue
    assert dialogue is not None
    assert (dialogue.movement, dialogue.step) == ("sending", "mirror")
    assert dialogue.said is not None
    assert dialogue.said.text == "what was said"
    assert play.hold().state.counts == {"unfinished": 1, "done": 1}


def test_a_session_broken_off_between_its_parts_goes_on_with_the_second() -> None:
    play = practising(("mirroring", "full")).hold(stop_before="closing")
    play.turn("a", "appreciate")
    play.turn("b", "appreciate")
    play.turn("a", "ready")
    play.at(EVENING + timedelta(minutes=90))
    play.send("reschedule", "a", session=1, proposal=2)
    play.check_in()
    assert play.session.dialogue is not None
    assert (play.session.part, play.session.dialogue.kind, play.session.dialogue.movement) == (
        1,
        "full",
        "frame",
    )


def test_a_pause_in_the_second_part_s_opening_loses_nothing_either() -> None:
    play = practising(("mirroring", "full")).hold(stop_before="closing")
    play.turn("a", "appreciate")
    play.turn("b", "appreciate")
    play.turn("a", "ready")
    play.send("pause", "b")
    play.send("resume", "a")
    play.send("resume", "b")
    play.check_in()
    assert play.session.dialogue is not None
    assert (play.session.dialogue.kind, play.session.dialogue.movement, play.session.dialogue.step) == (
        "full",
        "frame",
        "say",
    )


# --- time-outs --------------------------------------------------------------------------------------------------------


def test_a_time_out_moves_the_end_and_both_say_ready_again() -> None:
    play = practising().check_in()
    until = play.now + timedelta(minutes=40)
    play.turn("b", "time_out", until=until)
    assert play.session.ends == EVENING + timedelta(minutes=130)
    play.at(until - timedelta(seconds=1))
    assert play.refused("turn", "a", act="ready") == "out_of_turn"
    play.at(until)
    assert play.told("time_out_over") == ["a", "b"]
    assert play.told("idle_nudge") == []
    play.turn("a", "ready")
    play.turn("b", "ready")
    play.turn("a", "frame")


def test_a_time_out_lasts_from_twenty_minutes_to_a_day_and_only_gets_longer() -> None:
    play = practising().check_in()

    def too(**span: float) -> bool:
        until = play.now + timedelta(**span)
        return play.refused("turn", "a", act="time_out", until=until) == "out_of_range"

    assert too(minutes=19)
    assert too(hours=24, seconds=1)
    play.turn("a", "time_out", until=play.now + timedelta(hours=1))
    until = play.now + timedelta(minutes=59)
    assert play.refused("turn", "a", act="extend", until=until) == "out_of_range"
    assert play.refused("turn", "b", act="extend", until=play.now + timedelta(hours=2)) == "wrong_role"
    play.turn("a", "extend", until=play.now + timedelta(hours=2))
    assert play.session.ends == EVENING + timedelta(minutes=90 + 120)


def test_a_time_out_that_runs_into_another_session_moves_that_one() -> None:
    play = practising("mirroring", "mirroring")
    play.hold(defer=True)
    half, regular = play.state.sessions
    assert half.start == EVENING + timedelta(days=2)
    assert regular.start == EVENING + WEEK
    play.send("reschedule", "a", session=regular.number, at=half.start + timedelta(hours=3))
    play.check_in().turn("a", "time_out", until=play.now + timedelta(hours=3))
    moved = play.state.session(regular.number)
    assert moved is not None
    assert moved.start == EVENING + 2 * WEEK
    play.at(half.start + timedelta(hours=3, minutes=15))
    assert play.state.counts == {"done": 1}


# --- moving -----------------------------------------------------------------------------------------------------------


def test_a_booked_session_can_be_moved_so_often_and_not_into_another() -> None:
    play = practising()
    for day in (1, 2, 3):
        play.send("reschedule", "a", session=1, at=EVENING + day * DAY)
    assert play.refused("reschedule", "b", session=1, at=EVENING) == "limit"


def test_what_cannot_be_moved() -> None:
    play = practising()
    assert play.refused("reschedule", "a", session=9, proposal=1) == "unknown_session"
    assert play.refused("reschedule", "a", session=1) == "malformed"
    assert play.refused("reschedule", "a", session=1, proposal=4) == "out_of_range"
    assert play.refused("reschedule", "a", session=1, at=play.now) == "out_of_range"
    assert play.refused("reschedule", "a", session=1, at=play.now + timedelta(days=61)) == "out_of_range"
    play.check_in()
    assert play.refused("reschedule", "a", session=1, at=EVENING + DAY) == "not_open"


def test_a_session_can_be_moved_after_its_start_while_not_both_are_there() -> None:
    play = practising()
    play.at(EVENING).turn("b", "ready")
    play.later(minutes=5)
    assert play.told("still_on") == ["a"]
    assert play.sees("a").sessions[0].proposals
    play.send("reschedule", "a", session=1, at=EVENING + DAY)
    assert play.told("moved") == ["a", "b"]
    play.later(hours=1)
    assert (play.begins, play.state.counts, play.state.missed_in_a_row) == (EVENING + DAY, {}, 0)


def test_no_time_is_offered_or_taken_that_runs_into_another_session() -> None:
    play = practising().hold(defer=True)
    half, regular = play.state.sessions
    assert half.start is not None
    for minutes in (0, 60, 104, -60, -104):
        at = half.start + timedelta(minutes=minutes)
        assert play.refused("reschedule", "a", session=regular.number, at=at) == "clash"
    play.send("reschedule", "a", session=regular.number, at=half.start + timedelta(minutes=105))


# --- the other half ---------------------------------------------------------------------------------------------------


def test_a_deferred_half_is_booked_as_its_own_session_and_held() -> None:
    play = practising("full", "mirroring").hold(defer=True)
    half, regular = play.state.sessions
    assert (half.origin, half.first_sender, half.start) == ("deferred", "b", EVENING + timedelta(days=2))
    assert (regular.origin, regular.start) == ("curriculum", EVENING + WEEK)
    play.check_in()
    assert play.session.number == half.number
    assert play.session.dialogue is not None
    assert (play.session.dialogue.movement, play.session.dialogue.sender) == ("sending", "b")
    assert play.session.dialogue.topic is not None
    play.hold()
    assert play.state.counts == {"done": 2}
    assert [s.number for s in play.state.sessions] == [regular.number]


def test_a_deferred_half_is_booked_even_if_the_closing_is_stopped() -> None:
    play = practising("full", "mirroring").hold(stop_before="switch")
    play.turn("b", "defer_switch")
    play.turn("a", "stop")
    assert play.state.counts == {"stopped": 1}
    assert [s.origin for s in play.state.sessions] == ["deferred", "curriculum"]


def test_a_deferred_half_has_the_fallback_of_its_session() -> None:
    items = [{"kinds": ("story",), "fallback": "mirroring"}]
    opted_in = {p: {"ref": f"person-{p}", "quiet": None, "opt_in": ("story",)} for p in PARTNERS}
    play = practising(curriculum={"name": "x", "items": items}, people=opted_in).hold(defer=True)
    play.send("adjust", "a", opt_in={"story": False})
    assert play.check_in().session.kinds == ("mirroring",)


def test_who_checks_in_to_another_half_sees_whose_it_is_and_its_topic() -> None:
    play = practising("full", "mirroring").hold(defer=True)
    seen = play.at(play.begins).sees("b").dialogue
    assert seen is not None
    assert (seen.role, seen.topic and seen.topic.text, [p.act for p in seen.acts]) == (
        "sender",
        "a frame",
        ["ready"],
    )


def test_who_checks_in_to_a_dialogue_that_was_broken_off_sees_where_it_stopped() -> None:
    play = practising("full").hold(stop_before="summary").at(EVENING + timedelta(hours=2))
    play.send("reschedule", "a", session=1, proposal=1)
    seen = play.at(play.begins).sees("b").dialogue
    assert seen is not None
    assert (seen.movement, seen.role, seen.topic and seen.topic.text) == ("summary", "receiver", "a frame")
    assert ([p.act for p in seen.acts], seen.awaiting) == (["ready"], "couple")


def test_a_programme_is_complete_only_when_its_last_other_half_is_held() -> None:
    play = practising("full").hold(defer=True)
    assert play.stage() == "practising"
    play.hold()
    assert (play.stage(), play.state.counts) == ("completed", {"done": 2})


def test_a_missed_other_half_counts_and_is_booked_again() -> None:
    play = practising("full", "full").hold(defer=True).miss()
    assert play.state.missed_in_a_row == 1
    half, _ = play.state.sessions
    assert half.status == "missed"
    play.send("reschedule", "a", session=half.number, proposal=1)
    play.hold()
    assert play.state.missed_in_a_row == 0


def test_one_other_half_waits_at_a_time() -> None:
    play = practising("full", "full").hold(defer=True)
    half, regular = play.state.sessions
    play.send("reschedule", "a", session=half.number, at=EVENING + 2 * WEEK)
    assert play.hold(stop_before="switch").session.number == regular.number
    assert play.refused("turn", "a", act="defer_switch") == "out_of_turn"
    assert play.turn("a", "switch").next_acts == ("time_out", "stop")


# --- asking for a dialogue between the booked ones --------------------------------------------------------------------


def test_the_other_is_asked_and_now_is_now() -> None:
    play = asked_for(topic={"text": "the garden"})
    assert play.told("dialogue_asked") == ["b"]
    [question] = play.sees("b").questions
    assert (question.kind, question.about, question.topic and question.topic.text) == (
        "dialogue_request",
        "mirroring",
        "the garden",
    )
    assert play.sees("a").questions == ()
    play.later(hours=2).send("reply", "b", question=question.id, answer="now")
    assert play.told("dialogue_answered") == ["a"]
    assert (play.session.origin, play.begins, play.session.first_sender) == ("asked", play.now, "a")
    seen = play.sees("b").dialogue
    assert seen is not None
    assert seen.topic is not None
    assert (seen.role, seen.topic.text) == ("receiver", "the garden")
    play.hold()
    assert play.state.counts == {"done": 2}
    assert play.session.number == 2


def test_a_moment_can_be_named_within_its_own_deadline() -> None:
    play = asked_for()
    asked = play.now
    question = play.open_question("b", "dialogue_request")
    play.later(hours=20)
    for at in (None, asked + timedelta(hours=24, seconds=1), play.now - timedelta(seconds=1)):
        assert play.refused("reply", "b", question=question, answer="at", at=at) == "out_of_range"
    for answer in ("now", "no"):
        assert play.refused("reply", "b", question=question, answer=answer, at=play.now) == "malformed"
    play.send("reply", "b", question=question, answer="at", at=asked + timedelta(hours=23))
    assert play.begins == asked + timedelta(hours=23)
    assert play.sent("invitation")[-1].message.start == play.begins
    play.hold()


def told(play: Play, question: str, **answer: Any) -> str:
    outcome = play.try_("reply", "b", question=question, **answer)
    assert isinstance(outcome, Refusal)
    assert outcome.reason == "out_of_range"
    return outcome.message


def test_late_in_the_day_it_is_said_that_no_moment_is_left_to_name() -> None:
    play = asked_for()
    latest, question = play.now + DAY, play.open_question("b", "dialogue_request")
    play.later(hours=23)
    for hours in (0.5, 2.5):
        at = play.now + timedelta(hours=hours)
        assert told(play, question, answer="at", at=at) == (
            f"'at' cannot be any more: it begins by {latest:%Y-%m-%d %H:%M} UTC, and both hear of it before; "
            "answer 'now' or 'no'"
        )
    play.send("reply", "b", question=question, answer="now")


def test_now_is_for_while_the_asker_can_be_reached_and_the_refusal_says_nothing_of_quiet_hours() -> None:
    """A asks at half past eight in the evening; A's quiet hours begin at ten."""
    people = {"a": {"ref": "person-a"}, "b": {"ref": "person-b", "quiet": None}}
    play = practising("full", "full", people=people).hold()
    play.at("20:30").send("ask_dialogue", "a", kind="mirroring")
    question = play.open_question("b", "dialogue_request")
    play.at("23:30")
    said = told(play, question, answer="now")
    assert said.endswith("answer 'at' with a moment or 'no'")
    assert "22:00" not in said
    assert "quiet" not in said
    play.send("reply", "b", question=question, answer="at", at=play.now + timedelta(hours=12))
    assert play.state.counts == {"done": 1}


def test_a_no_is_respected_and_no_violation() -> None:
    play = asked_for()
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="no")
    assert play.told("dialogue_answered") == ["a"]
    assert (play.state.counts, len(play.state.sessions)) == ({"done": 1}, 1)


def test_without_an_answer_it_lapses_after_a_day() -> None:
    play = asked_for().later(hours=23, minutes=59)
    assert play.asked("dialogue_request") == ["b"]
    play.later(minutes=1)
    assert play.asked("dialogue_request") == []
    assert play.told("question_lapsed") == ["a"]


def test_the_two_deadlines_are_separate() -> None:
    play = practising("full", "full", policy={"answer_within": "2h", "hold_within": "3d"}).hold()
    play.later(days=1).send("ask_dialogue", "b")
    asked, question = play.now, play.open_question("a", "dialogue_request")
    play.send("reply", "a", question=question, answer="at", at=asked + timedelta(days=3))
    assert play.begins == asked + timedelta(days=3)
    play.later(hours=1).send("ask_dialogue", "b")
    play.later(hours=2)
    assert play.told("question_lapsed") == ["b"]


def test_when_no_dialogue_can_be_asked_for() -> None:
    play = asked_for()
    assert play.refused("ask_dialogue", "b") == "not_open"
    play.later(days=1)
    assert play.refused("ask_dialogue", "b", kind="story") == "not_open"
    assert play.refused("ask_dialogue", "b", topic={"text": "x" * 2000}) == "malformed"
    play.check_in()
    assert play.refused("ask_dialogue", "b") == "not_open"


def test_an_answer_that_runs_into_a_booked_session_is_refused_with_what_to_do() -> None:
    play = practising("full", "full").hold()
    play.at(EVENING + WEEK - timedelta(hours=3)).send("ask_dialogue", "a")
    question = play.open_question("b", "dialogue_request")
    assert play.refused("reply", "b", question=question, answer="at", at=EVENING + WEEK) == "clash"
    play.send("reply", "b", question=question, answer="now")


def test_a_named_moment_that_the_calendar_answers_too_late_is_called_off() -> None:
    play = asked_for()
    play.answers = False
    at = play.now + timedelta(hours=3)
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="at", at=at)
    play.later(hours=4)
    play.answers = True
    play.settle()
    assert play.told("cancelled") == ["a", "b"]
    assert [s.origin for s in play.state.sessions] == ["curriculum"]


# --- requests ---------------------------------------------------------------------------------------------------------


def test_a_chosen_request_is_granted_due_and_followed_up() -> None:
    play = practising("request", "full", "full").hold()
    first, second = play.state.requests
    assert (first.asked_by, second.asked_by) == ("a", "b")
    assert first.due == play.now + timedelta(days=7)
    play.at(play.begins).hold()
    play.at(max(first.due, play.now))
    assert play.asked("followup") == ["a", "b"]
    assert play.told("followup") == ["a", "b"]
    play.send("reply", "a", question=play.open_question("a", "followup"), answer="kept")
    assert [r.status for r in play.state.requests] == ["kept", "asked"]
    play.later(days=14)
    assert [r.status for r in play.state.requests] == ["kept", "not_yet"]


def test_whoever_is_asked_of_two_gifts_sees_which_is_meant() -> None:
    play = practising("request", "request", "full").hold().hold()
    play.later(days=7)
    questions = [q for q in play.sees("a").questions if q.kind == "followup"]
    wishes = {r.id: r.words for r in play.sees("a").requests if r.asked_by == "a"}
    assert sorted(q.request or "" for q in questions) == sorted(wishes)
    assert len(questions) == 2


def test_a_programme_is_complete_only_when_its_gifts_are_followed_up() -> None:
    play = practising("request").hold()
    assert (play.stage(), play.state.sessions) == ("practising", ())
    play.later(days=7)
    play.send("reply", "b", question=play.open_question("b", "followup"), answer="kept")
    assert play.stage() == "practising"
    play.later(days=13, hours=23)
    assert play.stage() == "practising"
    play.later(hours=1)
    assert (play.stage(), play.told("completed")) == ("completed", ["a", "b"])
    assert [r.status for r in play.state.requests] == ["not_yet", "kept"]


def test_what_a_last_review_asks_can_be_answered_after_it() -> None:
    play = practising("request", "review", policy={"decide_within": "2d"})
    play.hold()
    play.send("reschedule", "a", session=2, at=EVENING + 2 * DAY)
    play.hold()
    assert (play.stage(), play.asked("followup")) == ("practising", ["a", "b"])
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "followup"), answer="partly")
    assert play.stage() == "completed"


def test_a_pause_in_the_meantime_completes_nothing() -> None:
    play = practising("request").hold()
    play.later(days=7).send("pause", "a")
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "followup"), answer="kept")
    assert play.stage() == "paused"
    for by in PARTNERS:
        play.send("resume", by)
    assert play.stage() == "completed"


def test_a_review_follows_up_what_is_still_open() -> None:
    play = practising("request", "review", "full").hold()
    assert play.asked("followup") == []
    play.send("reschedule", "a", session=2, at=EVENING + 2 * DAY)
    play.check_in()
    assert play.asked("followup") == ["a", "b"]


def test_a_gift_holds_even_if_the_dialogue_is_stopped_afterwards() -> None:
    play = practising("request", "full").hold(stop_before="switch")
    play.turn("b", "stop")
    assert [(r.asked_by, r.status) for r in play.state.requests] == [("a", "open")]
    assert play.state.counts == {"stopped": 1}


def test_a_request_that_was_not_chosen_before_a_stop_is_not_granted() -> None:
    play = practising("request", "full").hold(stop_before="gift")
    play.turn("b", "stop")
    assert play.state.requests == ()


def test_a_gift_holds_if_a_dialogue_between_the_booked_ones_lapses_or_is_paused() -> None:
    for lapses in (True, False):
        play = practising("full", "full").hold().later(days=1)
        play.send("ask_dialogue", "a", kind="request")
        play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="now")
        play.hold(stop_before="switch")
        play.later(hours=3) if lapses else play.send("pause", "a")
        assert play.state.counts == {"done": 1, "lapsed" if lapses else "cancelled": 1}
        assert [r.asked_by for r in play.state.requests] == ["a"]


def test_a_follow_up_waits_while_the_programme_is_paused() -> None:
    play = practising("request", "full").hold()
    play.send("pause", "a")
    play.later(days=20)
    assert play.asked("followup") == []
    play.send("resume", "a")
    play.send("resume", "b")
    assert play.asked("followup") == ["a", "b"]


# --- the trigger log --------------------------------------------------------------------------------------------------


def test_notes_are_private_until_shared_and_can_be_removed() -> None:
    play = practising()
    play.send("note", "a", words="when plans change")
    [note] = play.sees("a").notes
    assert play.sees("b").notes == ()
    assert play.refused("note", "b", note=note.id, remove=True) == "unknown_note"
    play.send("note", "a", note=note.id, shared=True)
    assert [(n.id, n.mine, n.words.text) for n in play.sees("b").notes] == [
        (note.id, False, "when plans change")
    ]
    play.send("note", "a", note=note.id, words="when plans change at the last minute")
    assert [n.words.text for n in play.sees("b").notes] == ["when plans change at the last minute"]
    play.send("note", "a", note=note.id, shared=False)
    assert play.sees("b").notes == ()
    play.send("note", "a", note=note.id, remove=True)
    assert play.sees("a").notes == ()


def test_the_number_of_a_note_tells_nothing_of_the_other_s() -> None:
    play = practising()
    for _ in range(3):
        play.send("note", "a", words="mine")
    play.send("note", "b", words="first of mine")
    assert [n.id for n in play.sees("b").notes] == ["b1"]


def test_what_a_note_must_be() -> None:
    play = practising()
    assert play.refused("note", "a") == "malformed"
    assert play.refused("note", "a", words="x" * 2000) == "malformed"
    assert play.refused("note", "a", note="a9", words="x") == "unknown_note"
    for _ in range(NOTES_KEPT):
        play.send("note", "a", words="x")
    assert play.refused("note", "a", words="x") == "limit"
    play.send("note", "b", words="x")


def test_the_topic_can_be_drawn_from_a_note_that_one_may_see() -> None:
    play = practising("trigger", "trigger")
    play.send("note", "a", words="mine")
    play.send("note", "b", words="theirs, private")
    play.send("note", "b", words="theirs, shared", shared=True)
    play.check_in()
    assert play.refused("turn", "a", act="frame", note="b1") == "unknown_note"
    assert play.refused("turn", "a", act="mirror", note="a1") == "malformed"
    assert play.refused("turn", "a", act="frame", note="a1", words="a topic of its own") == "malformed"
    play.turn("a", "frame", note="b2")
    assert play.session.dialogue is not None
    assert play.session.dialogue.topic is not None
    assert play.session.dialogue.topic.text == "theirs, shared"
