"""What one partner says the other can read, whatever was said and wherever it leads."""

from collections.abc import Iterator
from copy import copy
from datetime import timedelta

import pytest

from duologue.practice import grammar
from duologue.practice.kinds import KINDS
from duologue.practice.plan import OPT_IN, KindName
from duologue.practice.shapes import ALONE, WITHOUT_WORDS, Act
from duologue.practice.spoken import SPOKEN_KEPT
from duologue.practice.state import State
from duologue.practice.values import PARTNERS, WORDS_BYTES, By, Partner, other
from tests.support.core import Play, next_turn, practising


def heard(play: Play, by: By) -> list[tuple[str, str, str | None]]:
    """What was said last, in somebody's eyes."""
    spoken = play.sees(by).spoken
    return [(u.by, u.act, u.words.text) for u in spoken.utterances] if spoken else []


def open_(kind: KindName) -> Play:
    play = practising(kind, "mirroring")
    if kind in OPT_IN:
        for by in PARTNERS:
            play.send("adjust", by, opt_in={kind: True})
    return play.check_in()


def branches(play: Play) -> Iterator[tuple[Play, Partner, Act]]:
    """For each act that is allowed now and may carry words, the programme after it was taken with some."""
    dialogue = play.session.dialogue
    assert dialogue is not None
    for by, acts in grammar.options(dialogue).items():
        for act in set(acts) - WITHOUT_WORDS - ALONE:
            then = copy(play)
            then.events = []
            until = {"until": play.now + timedelta(minutes=30)} if act in (Act.TIME_OUT, Act.EXTEND) else {}
            days = {"within_days": 7} if act == Act.REQUEST else {}
            own = [n.number for n in dialogue.lines if n.by == dialogue.sender]
            lines = {"lines": own[:1]} if act == Act.CHOOSE else {}
            then.turn(by, act, words=f"{by} says: {act}", **until, **days, **lines)
            yield then, by, act


@pytest.mark.parametrize("kind", KINDS)
def test_whatever_is_said_the_other_reads_next(kind: KindName) -> None:
    play, met = open_(kind), set[Act]()
    while play.state.open_session is not None and play.session.number == 1:
        for then, by, act in branches(play):
            assert heard(then, other(by))[-1] == (by, act, f"{by} says: {act}")
            met.add(act)
        assert play.session.dialogue is not None
        by, act, fields = next_turn(play.session.dialogue)
        play.turn(by, act, **fields)
    movements = KINDS[kind].movements
    said = {act for m in movements if m.says for act in (m.says, *m.instead)}
    assert said | {Act.APPRECIATE, Act.STOP, Act.TIME_OUT} <= met


def test_what_the_finding_of_sense_and_the_asking_for_more_said_is_not_lost() -> None:
    play = practising("full").hold(stop_before="validation")
    play.turn("b", "ask_more", words="more of the evening")
    assert ("b", "ask_more", "more of the evening") in heard(play, "a")
    play.hold(stop_before="validation")
    play.turn("b", "validate", words="it makes sense")
    play.turn("b", "empathise", words="you felt alone")
    assert heard(play, "a")[-2:] == [
        ("b", "validate", "it makes sense"),
        ("b", "empathise", "you felt alone"),
    ]


def test_a_time_out_and_what_follows_it_may_have_words() -> None:
    play = practising("full").check_in()
    play.turn("a", "time_out", until=play.now + timedelta(minutes=20), words="I need some air")
    play.turn("a", "extend", until=play.now + timedelta(minutes=40), words="a little longer")
    assert heard(play, "b") == [("a", "time_out", "I need some air"), ("a", "extend", "a little longer")]


def test_both_read_the_others_appreciation_also_once_the_dialogue_is_over() -> None:
    play = practising("full", "full").hold(stop_before="closing")
    for by in PARTNERS:
        play.turn(by, "appreciate", words=f"thank you from {by}")
    assert play.state.open_session is None
    thanks = [(by, "appreciate", f"thank you from {by}") for by in PARTNERS]
    assert heard(play, "a")[-2:] == heard(play, "b")[-2:] == thanks
    play.at(play.begins)
    assert heard(play, "a")[-2:] == thanks
    play.check_in()
    assert heard(play, "a") == heard(play, "b") == []


def test_the_last_appreciations_can_be_read_when_the_programme_is_over() -> None:
    play = practising("mirroring").hold()
    assert play.stage() == "completed"
    assert {(by, act) for by, act, _ in heard(play, "a")[-2:]} == {("a", "appreciate"), ("b", "appreciate")}


def test_what_was_said_stays_from_one_part_of_a_session_to_the_next() -> None:
    play = practising(("appreciation", "mirroring")).hold(stop_before="closing")
    play.turn("a", "appreciate", words="thank you")
    play.turn("b", "appreciate", words="and you")
    assert play.session.dialogue is not None
    assert play.session.dialogue.kind == "mirroring"
    assert heard(play, "b")[-2:] == [("a", "appreciate", "thank you"), ("b", "appreciate", "and you")]


def test_what_was_said_is_there_again_when_a_broken_off_dialogue_goes_on() -> None:
    play = practising("full").hold(stop_before="empathy")
    play.later(hours=2)
    play.send("reschedule", "a", session=1, proposal=1)
    play.check_in()
    assert ("b", "validate", "b validate") in heard(play, "a")


def test_what_is_written_alone_is_not_said() -> None:
    play = practising("vision").check_in()
    play.turn("a", "write", words="only mine so far")
    assert heard(play, "b") == heard(play, "a") == []
    assert play.sees("facilitator").spoken is None


@pytest.mark.parametrize("act", sorted(WITHOUT_WORDS - {Act.READY}))
def test_acts_that_say_nothing_take_no_words(act: str) -> None:
    play = practising("review").check_in()
    assert play.refused("turn", "a", act=act, words="for whom?") == "malformed"


def test_nobody_says_anything_by_checking_in() -> None:
    play = practising("full").at(practising("full").begins)
    assert play.refused("turn", "a", act="ready", words="here I am") == "malformed"


def test_of_what_is_said_only_the_last_is_kept() -> None:
    play = practising("mirroring").check_in()
    for _ in range(20):
        session = play.session
        assert session.dialogue is not None
        by, act, fields = next_turn(session.dialogue, sends=9)
        play.turn(by, act, **fields)
    assert len(heard(play, "a")) == SPOKEN_KEPT
    long = {"text": "x" * WORDS_BYTES}
    for _ in range(4):
        session = play.session
        assert session.dialogue is not None
        by, act, fields = next_turn(session.dialogue, sends=9)
        play.turn(by, act, **(fields | {"words": long}))
    assert sizes(play.state) == [WORDS_BYTES, WORDS_BYTES]


def sizes(state: State) -> list[int]:
    return [u.words.size for u in state.spoken.utterances] if state.spoken else []
