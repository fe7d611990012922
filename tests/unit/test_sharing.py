"""Who was absent is known to staff only as far as both partners share it; each chooses, and may choose anew."""

from duologue.practice import texts
from duologue.practice.values import PARTNERS, By
from duologue.practice.views import details, overview
from tests.support.core import EVENING, WELL, Play, a_plan, practising


def b_does_not_come(play: Play) -> Play:
    """A is there, B is not, and the deadline has passed."""
    play.at(play.begins)
    play.turn("a", "ready")
    return play.later(minutes=6)


def enrolled(shares: dict[By, bool]) -> Play:
    play = Play(a_plan())
    for by in PARTNERS:
        play.send("consent", by, share_attendance=shares[by])
        play.send("reply", by, question=play.open_question(by, "intake"), answers=WELL)
    return play


def told_to_ops(play: Play) -> str:
    """Everything that ops are shown."""
    return overview(play.state).model_dump_json() + details(play.state)


def test_before_consent_both_are_told_what_others_get_to_see() -> None:
    play = Play(a_plan())
    assert play.told("welcome") == ["a", "b"]
    for language, words in (
        ("en", "is shown only while both of you wish to share that"),
        ("de", "ist nur zu sehen, solange ihr beide das teilen möchtet"),
    ):
        assert words in texts.message("welcome", language).body


def test_who_is_awaited_after_a_deadline_is_told_only_if_both_share_it() -> None:
    for a, b, awaited in ((True, True, "b"), (True, False, "couple"), (False, True, "couple")):
        play = b_does_not_come(enrolled({"a": a, "b": b}))
        assert play.told("still_on") == ["b"]
        assert play.awaiting() == awaited


def test_unless_both_share_it_nothing_that_ops_see_differs_with_who_was_absent() -> None:
    seen = []
    for here in PARTNERS:
        play = practising().at(EVENING)
        play.turn(here, "ready")
        play.answers = False
        play.later(minutes=6)
        shown = overview(play.state).with_(digest="")
        seen.append((shown, details(play.state)))
    assert seen[0] == seen[1]
    assert "1 of 2" in seen[0][1]


def test_if_both_share_it_ops_see_who_is_there_and_who_was_asked() -> None:
    play = b_does_not_come(practising().share_attendance())
    told = told_to_ops(play)
    assert "still_on to b" in told
    assert "Checked in:** a" in told


def test_a_facilitator_sees_that_a_dialogue_did_not_take_place_and_who_was_absent_as_far_as_both_share_it() -> (
    None
):
    play = practising()
    b_does_not_come(play).later(minutes=9)
    [missed] = play.sees("facilitator").missed
    assert (missed.session, missed.at, missed.absent) == (1, play.now, ())
    assert play.sees("a").missed == play.sees("b").missed == ()
    shared = practising().share_attendance()
    b_does_not_come(shared).later(minutes=9)
    assert [m.absent for m in shared.sees("facilitator").missed] == [("b",)]
    assert shared.sees("a").missed == ()


def test_what_was_missed_before_both_shared_it_stays_between_them() -> None:
    play = practising()
    b_does_not_come(play).later(minutes=9)
    assert [held.absent for held in play.state.held] == [()]
    play.share_attendance()
    assert [m.absent for m in play.sees("facilitator").missed] == [()]


def test_either_may_take_it_back_and_then_nothing_of_it_is_shown_any_more() -> None:
    play = practising().share_attendance()
    b_does_not_come(play).later(minutes=9)
    play.send("adjust", "b", share_attendance=False)
    assert [m.absent for m in play.sees("facilitator").missed] == [()]
    assert "still_on to b" not in told_to_ops(play)
