"""A booked session is moved to one of a short list of free times that came with its own, at no cost of its own."""

from datetime import timedelta

from duologue.calendar import resolve
from duologue.practice import events as e
from duologue.practice.asks import Resolve
from duologue.practice.values import PARTNERS
from tests.support.core import DAY, EVENING, Play, a_plan, practising


def test_whoever_looks_at_a_booked_session_sees_free_times_to_move_it_to() -> None:
    play = practising()
    for by in PARTNERS:
        [seen] = play.sees(by).sessions
        assert (seen.status, seen.start) == ("booked", EVENING)
        assert seen.proposals == {1: EVENING + DAY, 2: EVENING + 2 * DAY, 3: EVENING + 3 * DAY}


def test_a_booked_session_is_moved_by_the_number_of_a_proposal_and_its_reminders_move_along() -> None:
    play = practising().hold()
    number, start = play.session.number, play.begins
    play.later(days=1).send("reschedule", "b", session=number, proposal=2)
    assert (play.session.number, play.begins) == (number, start + 2 * DAY)
    assert play.told("moved") == ["a", "b"]
    play.at(play.begins)
    reminded = [s.at for s in play.sent("reminder", "a") if s.message.session == number]
    assert reminded == [start + DAY, start + 2 * DAY - timedelta(hours=1)]
    assert ("a", "void") in play.skipped("reminder")


def test_a_moved_session_has_proposals_of_its_new_time_as_often_as_it_may_be_moved() -> None:
    play = practising(policy={"moves": 2})
    play.send("reschedule", "a", session=1, proposal=1)
    assert play.sees("b").sessions[0].proposals[1] == EVENING + 2 * DAY
    play.send("reschedule", "b", session=1, proposal=1)
    assert play.begins == EVENING + 2 * DAY
    assert play.sees("a").sessions[0].proposals == {}
    assert play.refused("reschedule", "a", session=1, proposal=1) == "limit"


def test_proposals_keep_the_wall_clock_over_a_changeover() -> None:
    play = Play(a_plan(zone="Europe/Berlin"), EVENING.replace(month=3, day=22, hour=9)).enrol()
    monday = play.begins
    play.send("reschedule", "a", session=1, at=monday + 5 * DAY)
    [seen] = play.sees("a").sessions
    # Saturday at seven is followed by a Sunday that is an hour shorter.
    assert seen.proposals[1] == monday + 6 * DAY - timedelta(hours=1)


def test_what_comes_with_a_slot_takes_no_question_of_its_own_to_the_calendar() -> None:
    play = practising()
    asked = [event.ask.want for event in play.of(e.TimeAsked)]
    assert asked == ["slot"]


def test_a_time_that_is_taken_is_not_offered_and_the_others_keep_their_numbers() -> None:
    play = practising("full", "full", policy={"proposals": ["2h", "1d", "2d"]}).hold()
    number, start = play.session.number, play.begins
    play.at(start - timedelta(hours=9)).send("ask_dialogue", "a", kind="mirroring")
    question = play.open_question("b", "dialogue_request")
    play.send("reply", "b", question=question, answer="at", at=start + timedelta(hours=2))
    assert play.sees("a").sessions[0].proposals == {2: start + DAY, 3: start + 2 * DAY}
    assert play.refused("reschedule", "a", session=number, proposal=1) == "clash"
    play.send("reschedule", "a", session=number, proposal=2)
    moved = play.state.session(number)
    assert moved is not None
    assert moved.start == start + DAY


def test_what_has_passed_of_the_times_after_a_miss_is_not_offered_any_more() -> None:
    play = practising().miss().later(days=1)
    assert play.sees("a").sessions[0].proposals == {2: EVENING + 2 * DAY, 3: EVENING + 3 * DAY}
    assert play.refused("reschedule", "a", session=1, proposal=1) == "out_of_range"
    play.send("reschedule", "a", session=1, proposal=2)
    assert play.begins == EVENING + 2 * DAY


def test_a_deferred_half_may_be_moved_to_the_other_times_that_were_found_for_it() -> None:
    play = practising("full", "mirroring").hold(defer=True)
    half = play.sees("b").sessions[0]
    assert half.start is not None
    assert half.proposals == {1: half.start + 2 * DAY, 2: half.start + 4 * DAY}


def test_once_both_are_there_nothing_is_offered() -> None:
    play = practising().at(EVENING)
    assert play.sees("a").sessions[0].proposals
    play.check_in()
    assert play.sees("a").sessions[0].proposals == {}


def test_what_is_night_for_one_of_them_is_offered_after_all_others() -> None:
    quiet = {"start": "21:30", "end": "07:00"}
    people = {"a": {"ref": "person-a", "quiet": quiet}, "b": {"ref": "person-b", "quiet": None}}
    play = practising(people=people, policy={"proposals": ["3h", "1d"]})
    later = EVENING + timedelta(hours=3)
    assert play.sees("a").sessions[0].proposals == {1: EVENING + DAY, 2: later}


def test_blackout_dates_are_not_offered() -> None:
    cadence = {"every": "week", "on": ("monday",), "at": "19:00", "skip": ["2027-01-05"]}
    play = practising(cadence=cadence)
    assert play.sees("a").sessions[0].proposals == {1: EVENING + 2 * DAY, 2: EVENING + 3 * DAY}


def test_who_chooses_a_blackout_date_by_name_may_have_it() -> None:
    cadence = {"every": "week", "on": ("monday",), "at": "19:00", "skip": ["2027-01-05"]}
    play = practising(cadence=cadence)
    play.send("reschedule", "a", session=1, at=EVENING + DAY)
    assert play.begins == EVENING + DAY


def test_the_calendar_answers_an_old_question_without_offsets_as_ever() -> None:
    play = practising()
    [asked] = [event.ask for event in play.of(e.TimeAsked)]
    plain = resolve(Resolve.model_validate(asked.model_dump() | {"offsets": ()}))
    assert (plain.slots, plain.others) == (resolve(asked).slots, ())
