"""How a programme ends when its cadence has no slot left: complete where that is true, and gently where it is not."""

from duologue.practice.values import PARTNERS
from tests.support.core import practising

LISTED = {"every": "list", "at": ["+10h", "+34h"]}


def test_when_the_listed_slots_are_used_up_it_completes() -> None:
    play = practising(cadence={"every": "list", "at": ["+10h", "+34h"]})
    play.hold().hold()
    assert (play.stage(), play.state.ending) == ("completed", "slots_used_up")


def test_when_the_last_slot_was_not_held_nobody_reads_that_it_is_complete() -> None:
    play = practising(cadence=LISTED).hold().miss()
    play.later(days=4)
    assert (play.stage(), play.state.ending) == ("ended", "no_slot_left")
    assert (play.told("ended"), play.told("completed")) == (["a", "b"], [])
    assert [play.sees(by).ending for by in PARTNERS] == ["ended", "ended"]


def test_neither_where_a_pause_has_taken_the_last_slot_back_nor_where_all_are_too_soon() -> None:
    play = practising(cadence=LISTED).hold()
    play.send("pause", "a")
    play.later(days=4).send("resume", "a")
    play.send("resume", "b")
    assert play.state.ending == "no_slot_left"
    assert practising(cadence={"every": "list", "at": ["+1h"]}).state.ending == "no_slot_left"


def test_a_tail_of_which_the_last_slot_was_missed_is_complete_as_the_curriculum_was() -> None:
    tail = {"item": {"kinds": ("mirroring",)}, "cadence": {"every": "list", "at": ["+34h"]}, "count": 2}
    play = practising(curriculum={"name": "x", "items": [{"kinds": ("mirroring",)}], "tail": tail}).hold()
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "tail"), answer="go_on")
    play.miss().later(days=4)
    assert (play.stage(), play.state.ending) == ("completed", "slots_used_up")


def test_slots_used_up_wait_for_what_became_of_a_gift() -> None:
    cadence = {"every": "list", "at": ["+1d"]}
    play = practising("request", "full", cadence=cadence).hold()
    assert (play.stage(), [s.status for s in play.state.sessions]) == ("practising", ["booking"])
    play.later(days=7)
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "followup"), answer="kept")
    assert play.state.ending == "slots_used_up"


def test_slots_used_up_wait_for_another_half_that_is_still_to_be_held() -> None:
    play = practising(cadence={"every": "list", "at": ["+10h"]}).hold(defer=True)
    assert play.stage() == "practising"
    play.hold()
    assert play.state.ending == "slots_used_up"
