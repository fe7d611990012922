"""A dialogue that was asked for between the booked ones, and did not come about or to its end: both hear, kindly."""

from duologue.practice import events as e
from tests.support.core import Play, asked_for


def agreed() -> Play:
    """A asked for a dialogue between the booked ones, and B said: now."""
    play = asked_for()
    play.send("reply", "b", question=play.open_question("b", "dialogue_request"), answer="now")
    assert play.session.origin == "asked"
    return play


def let_go(play: Play) -> None:
    """Both have been told, nobody has been counted out, and the programme goes on."""
    assert play.told("lapsed") == ["a", "b"]
    assert play.state.counts == {"done": 1, "lapsed": 1}
    assert play.of(e.SessionMissed) == []
    assert (play.state.missed_in_a_row, play.state.escalation) == (0, None)
    assert play.sees("facilitator").missed == ()
    assert [s.origin for s in play.state.sessions] == ["curriculum"]
    play.send("ask_dialogue", "b", kind="mirroring")
    assert play.told("dialogue_asked")[-1] == "a"


def test_one_to_which_nobody_or_only_one_came_is_let_go_without_a_miss() -> None:
    let_go(agreed().later(minutes=15))
    half = agreed()
    half.turn("a", "ready")
    let_go(half.later(minutes=15))


def test_one_that_fell_silent_is_let_go_at_the_end_of_its_window() -> None:
    play = agreed().hold(stop_before="sending").later(minutes=90)
    assert play.told("unfinished") == []
    assert play.told("cancelled") == []
    let_go(play)


def test_the_words_say_nothing_of_who_was_there() -> None:
    [silent, alone] = [agreed(), agreed()]
    silent.later(minutes=15)
    alone.turn("b", "ready")
    alone.later(minutes=15)
    for to in ("a", "b"):
        [one], [another] = silent.sent("lapsed", to), alone.sent("lapsed", to)
        assert one.message == another.message
