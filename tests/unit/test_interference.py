"""What one of the two does in private makes no difference to what the other, or ops, can find out.

Each test tells a programme twice, up to a choice that is A's own, and goes on the same way. Then all that has reached a
reader by then is compared, what a look at days to come would show, and what that reader's own commands are answered.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from duologue.practice.asks import Delivered, Message
from duologue.practice.decide import Tick
from duologue.practice.values import PARTNERS, Partner, other
from tests.support.core import (
    NOT_WELL,
    WELL,
    Play,
    asked_for,
    missed_thrice,
    missed_twice,
    payloads,
    practising,
)
from tests.support.eyes import Reader, eyes, kept, read

Course = Callable[[Any], Play]
"""A programme, by what A chooses."""

AHEAD = [timedelta(0), *(timedelta(days=n) for n in (1, 3, 8, 15, 40))]


def answer(play: Play, by: Partner, kind: str, answer: str) -> Play:
    play.send("reply", by, question=play.open_question(by, kind), answer=answer)
    return play


def intake(answers: dict[str, str]) -> Play:
    play = Play()
    for by in PARTNERS:
        play.send("consent", by)
    play.send("reply", "a", question=play.open_question("a", "intake"), answers=answers)
    return play.later(days=1)


def midpoint(answers: dict[str, str]) -> Play:
    items = [{"kinds": ["mirroring"], "midpoint": True}, {"kinds": ["full"]}]
    play = practising(curriculum={"name": "c", "items": items}).hold()
    play.send("reply", "a", question=play.open_question("a", "midpoint"), answers=answers)
    return play.later(days=1)


def check_in(choice: str) -> Play:
    return answer(missed_twice().later(days=2, hours=1), "a", "check_in", choice).later(hours=1)


def go_on(choice: str) -> Play:
    return answer(missed_thrice().later(hours=1), "a", "go_on", choice).later(hours=1)


def go_on_after_the_other(choice: str) -> Play:
    return answer(answer(missed_thrice(), "b", "go_on", "go_on"), "a", "go_on", choice).later(hours=1)


def tail(choice: str) -> Play:
    longer = {
        "item": {"kinds": ["full"]},
        "cadence": {"every": "month", "on": "monday", "at": "19:00"},
        "count": 3,
    }
    items = [{"kinds": ["mirroring"]}]
    play = practising(curriculum={"name": "c", "items": items, "tail": longer}).hold()
    return answer(play, "a", "tail", choice).later(days=1)


def followed_up(choice: str) -> Play:
    return answer(practising("request", "full").hold().later(days=8), "a", "followup", choice).later(hours=1)


def note(words: str) -> Play:
    play = practising("full")
    if words:
        play.send("note", "a", words=words)
    return play.later(hours=1)


def language(own: str) -> Play:
    play = practising("full")
    play.send("adjust", "a", language=own)
    return play.later(hours=1)


def came(while_the_other_did_not: bool) -> Play:  # noqa: FBT001 - what A chooses
    play = practising("full")
    play.at(play.begins)
    if while_the_other_did_not:
        play.turn("a", "ready")
    return play.later(days=3)


def alone(who: Partner) -> Play:
    play = practising("full")
    play.at(play.begins).turn(who, "ready")
    play.answers = False
    return play.later(minutes=6)


def missed_alone(who: Partner) -> Play:
    return alone(who).later(days=3)


def reached(outcome: str) -> Play:
    play = practising("full")
    play.answers = False
    play.at(play.begins - timedelta(hours=1))
    while play.state.asks:
        ask = next(iter(play.state.asks.values()))
        to_a = isinstance(ask, Message) and ask.to == "a"
        play.apply(Delivered(key=ask.key, outcome=outcome if to_a else "delivered"))  # type: ignore[arg-type]
        play.apply(Tick())
    return play.later(minutes=1)


def paused(by: Partner) -> Play:
    play = practising("full")
    play.send("pause", by)
    return play.later(days=1)


def concerned(concern: bool) -> Play:  # noqa: FBT001 - what A chooses
    play = practising("full")
    play.send("pause", "a", concern=concern)
    return play


def concerned_for_weeks(concern: bool) -> Play:  # noqa: FBT001 - what A chooses
    play = practising("full")
    play.send("pause", "a", until=play.now + timedelta(days=5), concern=concern)
    return play.later(days=20)


def decided_after_a_concern(concern: bool) -> Play:  # noqa: FBT001 - what A chooses
    play = concerned(concern).later(days=3)
    play.send("resume", "b")
    play.later(days=1).send("decide", "facilitator", decision="go_on")
    return play.later(days=1)


def left(by: Partner) -> Play:
    play = practising("full")
    play.send("withdraw", by)
    return play.later(days=1)


def paused_and_practised(by: Partner) -> Play:
    play = practising("full")
    play.send("pause", by, until=play.now + timedelta(hours=1))
    play.later(hours=2)
    for each in PARTNERS:
        answer(play, each, "resume", "yes")
    return play.hold()


def answered_and_practised(by: Partner) -> Play:
    play = missed_twice().later(days=2, hours=1)
    return booked_again(answer(play, by, "check_in", "soon")).hold()


def absent_and_practised(who: Partner) -> Play:
    play = alone(other(who)).later(days=3)
    play.answers = True
    play.settle()
    return booked_again(play).hold()


def booked_again(play: Play) -> Play:
    for _ in range(14):
        if play.state.next_session is None:
            play.later(days=1)
    return play


def marked(lines: list[int]) -> Play:
    play = practising("vision").hold(stop_before="common")
    play.turn("a", "mark", lines=lines)
    return play.later(hours=1)


def consented(by: Partner) -> Play:
    play = Play()
    play.send("consent", by, share_attendance=True)
    return play.later(hours=1)


def declined(by: Partner) -> Play:
    play = Play()
    play.send("consent", by, agree=False)
    return play.later(hours=1)


def kept_a_note(shared: bool) -> Play:  # noqa: FBT001 - what A chooses
    play = practising("full")
    play.send("note", "a", words="what hurt", shared=shared)
    return play.later(hours=1)


BOTH: tuple[Reader, ...] = ("b", "ops")

COURSES: list[tuple[Course, Any, Any, tuple[Reader, ...]]] = [
    (intake, WELL, NOT_WELL, BOTH),
    (midpoint, WELL, NOT_WELL, BOTH),
    (check_in, "soon", "need_time", BOTH),
    # A facilitator is called, which is what A wishes; ops see the call.
    (check_in, "soon", "talk_to_someone", ("b",)),
    (go_on, "go_on", "pause", BOTH),
    (go_on_after_the_other, "go_on", "pause", BOTH),
    (tail, "go_on", "complete", BOTH),
    (followed_up, "kept", "not_yet", BOTH),
    (note, "", "what hurt", ("b",)),
    (language, "en", "de", ("b",)),
    (came, True, False, ("b",)),
    # Who was absent is for ops only where both share it.
    (alone, "a", "b", ("ops",)),
    (missed_alone, "a", "b", ("ops",)),
    (reached, "delivered", "undeliverable", ("b",)),
    (paused, "a", "b", BOTH),
    (concerned, False, True, BOTH),
    (concerned_for_weeks, False, True, ("ops",)),
    (decided_after_a_concern, False, True, BOTH),
    (left, "a", "b", BOTH),
    (paused_and_practised, "a", "b", ("ops",)),
    (answered_and_practised, "a", "b", ("ops",)),
    (absent_and_practised, "a", "b", ("ops",)),
    (marked, [1], [2], BOTH),
    (consented, "a", "b", ("ops",)),
    (declined, "a", "b", BOTH),
    (kept_a_note, False, True, ("ops",)),
]


@pytest.mark.parametrize(
    ("course", "one", "another", "readers"),
    COURSES,
    ids=[f"{c.__name__}-{i}" for i, (c, *_) in enumerate(COURSES)],
)
def test_a_private_choice_makes_no_difference_to(
    course: Course, one: Any, another: Any, readers: tuple[Reader, ...]
) -> None:
    first, second = course(one), course(another)
    assert first.events != second.events
    for reader in readers:
        assert found_out(first, reader) == found_out(second, reader), reader


def found_out(play: Play, reader: Reader) -> list[Any]:
    """All that a reader has been told, and can see now and by asking about days to come."""
    told = [read(sent.message) for sent in play.sent(to=reader)]
    if reader != "b":
        return [told, eyes(play.state, play.now)[reader], kept(payloads(play))]
    ahead = [eyes(play.state, play.now + span)[reader] for span in AHEAD]
    return [told, ahead, answered(play)]


def answered(play: Play) -> list[Any]:
    """How two commands of B's are answered, apart from how often B has sent any."""
    if play.state.over:
        return [play.refused("note", "b", words="anything")]
    receipts = [play.send("note", "b", words=words) for words in ("one thing", "another")]
    return [(r.movement, r.awaiting, r.next_acts, r.seq - play.state.sent["b"]) for r in receipts]


def test_while_a_concern_is_open_the_other_sees_the_same_though_nobody_is_nudged() -> None:
    one, another = (concerned_for_weeks(concern) for concern in (False, True))
    assert one.told("resume_asked")
    assert not another.told("resume_asked")
    for span in AHEAD:
        assert eyes(one.state, one.now + span)["b"] == eyes(another.state, another.now + span)["b"]
    assert answered(one) == answered(another)


def test_what_is_asked_between_the_two_is_in_no_private_hands_but_the_others() -> None:
    play, quiet = asked_for(topic="something"), asked_for(topic="something else")
    assert found_out(play, "ops") == found_out(quiet, "ops")
    assert found_out(play, "b") != found_out(quiet, "b")
