"""The whole reachable state space of every kind of dialogue, walked, with what must hold in each state.

The space is a finite projection: without words and instants, and with counters clipped. What the walk must find is
written down here on its own (who may do what, what has been confirmed, who has sent), not read from the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import pytest

from duologue.practice import grammar
from duologue.practice.grammar import Act, Dialogue, NotAllowed, Turn
from duologue.practice.kinds import KINDS
from duologue.practice.plan import KindName
from duologue.practice.shapes import (
    Kind,
    closing,
    empathy,
    exchange,
    frame,
    opening,
    summary,
    switch,
    validation,
    writing,
)
from duologue.practice.values import PARTNERS, Partner, Words, other

MOMENT = datetime(2027, 1, 4, 12, tzinfo=UTC)
LINES = 2
"""So many lines stand for the most that one person may write in a movement."""

SHARED = {
    *(Act.READY, Act.SWITCH, Act.APPRECIATE, Act.WRITE, Act.SHARE, Act.KEEP, Act.MARK),
    *(Act.TIME_OUT, Act.STOP),
}
"""What the table allows to both at once."""

SENDERS = {
    *(Act.FRAME, Act.SEND, Act.CONFIRM, Act.CORRECT, Act.NO_MORE, Act.REQUEST, Act.TELL, Act.ROLE_PLAY),
}
RECEIVERS = {
    *(Act.MIRROR, Act.SUMMARISE, Act.VALIDATE, Act.ASK_MORE, Act.EMPATHISE, Act.CHOOSE, Act.DECLINE),
    *(Act.HOLD_ON, Act.DEFER_SWITCH),
}

TO_BE_CONFIRMED = {Act.FRAME, Act.SEND, Act.REQUEST, Act.HOLD_ON, Act.SUMMARISE, Act.EMPATHISE}
"""After these the sender has to confirm before anything else goes on."""

WRITTEN_ONLY = {"vision", "caring"}
"""Kinds in which both have their say in writing. In all others each sends aloud, whatever they have written before."""


class Seen(NamedTuple):
    """What the walk itself has noted on its way to a state."""

    open: bool = False
    """Something was said and is not confirmed yet."""
    sent: frozenset[Partner] = frozenset()


@dataclass
class Space:
    states: dict[str, tuple[Dialogue, Seen]] = field(default_factory=dict)
    edges: dict[str, set[str]] = field(default_factory=dict)


def projected(dialogue: Dialogue, seen: Seen) -> str:
    """The dialogue without words and instants, counters clipped."""
    here = [n for n in dialogue.lines if n.movement == dialogue.movement]
    return repr(
        (
            *(dialogue.movement, dialogue.step, dialogue.sender, dialogue.half, dialogue.senders),
            *(dialogue.stem, min(dialogue.round, 3), sorted(dialogue.finished), dialogue.held),
            dialogue.time_out and dialogue.time_out.by,
            dialogue.gathering if dialogue.gathering is None else sorted(dialogue.gathering),
            *(tuple(min(sum(n.by == p for n in here), LINES) for p in PARTNERS),),
            *(tuple(any(n.by == p and n.shared for n in dialogue.lines) for p in PARTNERS),),
            *(len(dialogue.chosen), dialogue.deferred, dialogue.may_defer, dialogue.outcome),
            *(seen.open, sorted(seen.sent)),
        )
    )


def turns(dialogue: Dialogue, by: Partner, act: Act) -> Iterator[Turn]:
    """Every way to do `act` that differs."""
    own = [n.number for n in dialogue.lines if n.by == by and n.movement == dialogue.movement]
    theirs = [n.number for n in dialogue.lines if n.by != by and n.shared]
    match act:
        case Act.TIME_OUT | Act.EXTEND:
            yield Turn(by=by, act=act, until=MOMENT)
        case Act.REQUEST:
            yield Turn(by=by, act=act, words=Words(text="x"), within_days=7)
        case Act.CHOOSE:
            yield from (Turn(by=by, act=act, lines=(number,)) for number in theirs)
        case Act.SHARE:
            yield Turn(by=by, act=act)
            yield from (Turn(by=by, act=act, lines=(number,)) for number in own[:1])
        case Act.MARK:
            yield Turn(by=by, act=act)
            if theirs:
                yield Turn(by=by, act=act, lines=tuple(theirs))
        case _:
            yield Turn(by=by, act=act, words=Words(text="x"))


def noted(seen: Seen, kind: str, turn: Turn) -> Seen:
    still_open = turn.act in TO_BE_CONFIRMED or (seen.open and turn.act != Act.CONFIRM)
    sends = Act.SHARE if kind in WRITTEN_ONLY else Act.SEND
    sent = seen.sent | {turn.by} if turn.act == sends else seen.sent
    return Seen(still_open, sent)


def following(dialogue: Dialogue, seen: Seen) -> Iterator[tuple[Dialogue, Seen]]:
    """Every state one step further: by an act, by the end of a time-out, or by being broken off and taken up."""
    for by, acts in grammar.options(dialogue).items():
        for act in acts:
            for turn in turns(dialogue, by, act):
                grammar.check(dialogue, turn)
                yield grammar.take(dialogue, turn), noted(seen, dialogue.kind, turn)
    if dialogue.time_out is not None:
        yield grammar.end_time_out(dialogue), seen
    if dialogue.outcome is None:
        yield grammar.both_ready(grammar.resume(dialogue)), seen


def beginnings(kind: KindName) -> Iterator[Dialogue]:
    # The machine knows the two by their roles only, so whoever begins stands for both.
    yield grammar.begin(kind, "a")
    yield grammar.begin(kind, "a").with_(may_defer=False)
    if any(m.again for m in KINDS[kind].movements):
        yield grammar.other_half(grammar.begin(kind, "b"))


def explored(kind: KindName) -> Space:
    space = Space()
    waiting = [(dialogue, Seen()) for dialogue in beginnings(kind)]
    while waiting:
        dialogue, seen = waiting.pop()
        name = projected(dialogue, seen)
        if name in space.states:
            continue
        space.states[name] = dialogue, seen
        after = list(following(dialogue, seen))
        space.edges[name] = {projected(*step) for step in after}
        waiting += after
    return space


class OfAnyKind(Dialogue):
    """A dialogue whose kind may be one that `KindName` does not list."""

    kind: Any


class AnyKind(Kind):
    name: Any


ELEVENTH = AnyKind(
    name="letter",
    minutes=(30, 45),
    movements=(
        *(opening(), frame(), writing("letter"), exchange("reading", stems=("dear", "thank"), rounds=(1, 2))),
        *(summary(), validation("reading"), empathy(), switch("reading"), closing()),
    ),
)
"""A kind that nobody has thought of yet: a few lines of data, and everything below holds of it."""


@pytest.fixture(scope="module", params=[*KINDS, ELEVENTH.name])
def space(request: pytest.FixtureRequest) -> Iterator[Space]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grammar, "MOST_LINES", LINES)
        patch.setitem(KINDS, ELEVENTH.name, ELEVENTH)
        patch.setattr(grammar, "Dialogue", OfAnyKind)
        yield explored(request.param)


def running(space: Space) -> list[tuple[str, Dialogue, Seen]]:
    return [(name, d, seen) for name, (d, seen) in space.states.items() if d.outcome is None]


def test_the_space_is_finite_and_holds_both_ends(space: Space) -> None:
    assert {d.outcome for d, _ in space.states.values()} == {None, "done", "stopped"}
    assert len(space.states) < 50_000


def test_from_every_state_that_is_not_final_somebody_may_act(space: Space) -> None:
    for name, dialogue, _ in running(space):
        assert any(set(acts) - {Act.STOP} for acts in grammar.options(dialogue).values()), name
        assert dialogue.time_out or grammar.awaited(dialogue), name


def test_done_stays_reachable_from_every_state_that_has_not_been_stopped(space: Space) -> None:
    back: dict[str, set[str]] = {}
    for name, after in space.edges.items():
        for step in after:
            back.setdefault(step, set()).add(name)
    reaching = {name for name, (dialogue, _) in space.states.items() if dialogue.outcome == "done"}
    waiting = list(reaching)
    while waiting:
        new = back.get(waiting.pop(), set()) - reaching
        reaching |= new
        waiting += new
    assert {name for name, _, _ in running(space)} <= reaching


def test_no_act_is_allowed_to_both_where_the_table_names_one(space: Space) -> None:
    for name, dialogue, _ in running(space):
        acts = {by: set(acts) for by, acts in grammar.options(dialogue).items()}
        assert acts["a"] & acts["b"] <= SHARED, name
        sender = dialogue.sender
        assert not acts[sender] & RECEIVERS, name
        assert not acts[other(sender)] & SENDERS, name
        if Act.EXTEND in acts["a"] | acts["b"]:
            assert dialogue.time_out is not None
            assert Act.EXTEND not in acts[other(dialogue.time_out.by)], name


def test_either_may_always_stop_and_take_a_time_out(space: Space) -> None:
    for name, dialogue, _ in running(space):
        for acts in grammar.options(dialogue).values():
            assert Act.STOP in acts, name
            assert (Act.TIME_OUT in acts) == (dialogue.time_out is None), name


def test_nothing_goes_on_and_nothing_is_done_with_a_mirror_unconfirmed(space: Space) -> None:
    for name, (dialogue, seen) in space.states.items():
        if dialogue.outcome == "done":
            assert not seen.open, name
        if seen.open and dialogue.outcome is None:
            assert dialogue.step in ("mirror", "check", "say"), name
            assert grammar.current(dialogue).checked, name


def unheard(space: Space) -> list[str]:
    """Where it is done and somebody had no say who should have had one."""
    return [
        name
        for name, (dialogue, seen) in space.states.items()
        if dialogue.outcome == "done"
        and not seen.sent >= ({dialogue.sender} if dialogue.half or dialogue.deferred else set(PARTNERS))
    ]


def test_both_get_to_send_before_it_is_done_unless_one_half_stands_alone(space: Space) -> None:
    assert unheard(space) == []


def test_where_no_half_may_be_deferred_none_is(space: Space) -> None:
    assert {d.may_defer for d, _ in space.states.values() if d.outcome == "done"} == {True, False}
    for name, (dialogue, _) in space.states.items():
        if not dialogue.may_defer:
            assert not dialogue.deferred, name
            assert Act.DEFER_SWITCH not in {*grammar.options(dialogue)["a"], *grammar.options(dialogue)["b"]}


@pytest.mark.parametrize("kind", sorted(KINDS.keys() - WRITTEN_ONLY))
def test_a_kind_that_left_out_the_switch_would_be_found_out(
    kind: KindName, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = KINDS[kind]
    half = whole.with_(movements=tuple(m for m in whole.movements if not m.again))
    monkeypatch.setattr(grammar, "MOST_LINES", LINES)
    monkeypatch.setitem(KINDS, kind, half)
    assert unheard(explored(kind)) != []


ANYTHING = {
    (by, act): Turn(by=by, act=act, words=Words(text="x"), until=MOMENT) for by in PARTNERS for act in Act
}


def refusal(dialogue: Dialogue, turn: Turn) -> str | None:
    try:
        grammar.check(dialogue, turn)
    except NotAllowed as refused:
        return refused.reason
    return None


def test_every_act_outside_the_options_is_refused_with_a_reason(space: Space) -> None:
    for name, (dialogue, _) in space.states.items():
        allowed = grammar.options(dialogue)
        for by in PARTNERS:
            for act in set(Act) - set(allowed[by]):
                assert refusal(dialogue, ANYTHING[by, act]) in ("wrong_role", "out_of_turn"), name


def test_what_is_broken_off_comes_back_to_the_same_place(space: Space) -> None:
    for name, dialogue, _ in running(space):
        if dialogue.begun:
            again = grammar.both_ready(grammar.resume(dialogue))
            assert again == dialogue.with_(time_out=None, gathering=None), name
