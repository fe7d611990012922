"""The grammar of a dialogue: the machine that runs any composition of the two shapes of movement.

A kind of dialogue is a tuple of movements (`kinds.py`), each of one of two shapes (`shapes.py`). *Spoken*: one partner
says, the other may mirror, the one whose meaning it is checks; that is an exchange, a summary, a validation, an empathy
and a choice. *Together*: both act, each alone and in any order, until both have finished; that is an opening, a
writing, a marking, a switch and a closing. Nothing here knows of sessions, time or messages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from duologue.practice.kinds import KINDS
from duologue.practice.plan import KindName
from duologue.practice.shapes import MOST_LINES, Act, Kind, Movement, Role, StepName
from duologue.practice.values import LINE_BYTES, PARTNERS, Frozen, Instant, Partner, Words, other

__all__ = [
    "MOST_LINES", "Act", "Dialogue", "Kind", "Line", "Movement", "NotAllowed", "Role", "StepName", "TimeOut", "Turn",
    "awaited", "begin", "both_ready", "check", "current", "end_time_out", "kind_of", "options", "other_half", "resume",
    "take", "visible",
]  # fmt: skip


class Line(Frozen):
    """A numbered text that stays for the length of a dialogue."""

    number: int
    movement: str
    by: Partner
    words: Words | None
    shared: bool = False
    within_days: int | None = None
    """For a request: in how many days it would be done."""


class TimeOut(Frozen):
    """A time-out that one of the two has called."""

    by: Partner
    until: Instant


class Dialogue(Frozen):
    """Where a dialogue stands. `outcome` is None while it runs."""

    kind: KindName
    movement: str = "opening"
    step: StepName = "together"
    sender: Partner
    half: str = ""
    """For a deferred half held on its own: the movement it begins with; there is no switch then."""
    senders: tuple[Partner, ...] = ()
    """Who has sent through to the switch."""
    stem: int = 0
    round: int = 0
    finished: tuple[Partner, ...] = ()
    """Who has finished a movement in which both act."""
    held: StepName | None = None
    """Where the receiver asked the sender to hold on until the mirror is given; it returns there once confirmed."""
    time_out: TimeOut | None = None
    gathering: tuple[Partner, ...] | None = None
    """After a time-out or a break: who is ready again; None: nobody needs to be."""
    topic: Words | None = None
    said: Words | None = None
    """What was said last and is to be mirrored, or checked against."""
    mirrored: Words | None = None
    lines: tuple[Line, ...] = ()
    marks: Mapping[Partner, tuple[int, ...]] = Field(default_factory=dict)
    common: tuple[int, ...] = ()
    """Lines that both marked, dearest first."""
    chosen: tuple[int, ...] = ()
    """The requests that were chosen as gifts, at most one of each sender's."""
    deferred: bool = False
    may_defer: bool = True
    """Whether the other half may be left to a session of its own: not while another half waits to be held."""
    outcome: Literal["done", "stopped"] | None = None

    def role(self, person: Partner) -> Role:
        """The role that `person` has now."""
        return "sender" if person == self.sender else "receiver"

    def person(self, role: Role) -> Partner:
        """Who has `role` now."""
        return self.sender if role == "sender" else other(self.sender)

    @property
    def begun(self) -> bool:
        """Whether both have checked in."""
        return self.movement != "opening"


class Turn(Frozen):
    """What a `turn` carries into the grammar."""

    by: Partner
    act: Act
    words: Words | None = None
    lines: tuple[int, ...] = ()
    within_days: int | None = None
    until: Instant | None = None


class NotAllowed(Exception):
    """An act that the grammar does not allow now. `reason` is one of the contract's."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def kind_of(dialogue: Dialogue) -> Kind:
    """The kind that a dialogue is of."""
    return KINDS[dialogue.kind]


def current(dialogue: Dialogue) -> Movement:
    """The movement that a dialogue is in."""
    return kind_of(dialogue).movement(dialogue.movement)


def begin(kind: KindName, sender: Partner) -> Dialogue:
    """A new dialogue, waiting for both to be ready."""
    return Dialogue(kind=kind, sender=sender)


def other_half(dialogue: Dialogue) -> Dialogue:
    """The half that was deferred, as a dialogue of its own: the other sends, on the same topic."""
    switching = next(m for m in kind_of(dialogue).movements if m.again)
    return Dialogue(
        kind=dialogue.kind, sender=other(dialogue.sender), half=switching.again, topic=dialogue.topic
    )


def resume(dialogue: Dialogue) -> Dialogue:
    """A dialogue that was broken off, waiting for both to be ready again where it stopped."""
    return dialogue.with_(time_out=None, gathering=())


def both_ready(dialogue: Dialogue) -> Dialogue:
    """Both have said `ready`: the dialogue begins, or goes on where it stopped."""
    dialogue = dialogue.with_(time_out=None, gathering=None)
    if dialogue.begun:
        return dialogue
    kind = kind_of(dialogue)
    return _enter(dialogue, kind.movement(dialogue.half) if dialogue.half else kind.after(current(dialogue)))


def options(dialogue: Dialogue) -> dict[Partner, tuple[Act, ...]]:
    """What each partner may do now. Deterministic in order; empty once the dialogue has an outcome."""
    acts: dict[Partner, list[Act]] = {p: [] for p in PARTNERS}
    if dialogue.outcome is not None:
        return dict.fromkeys(PARTNERS, ())
    if dialogue.time_out is not None:
        acts[dialogue.time_out.by].append(Act.EXTEND)
    elif dialogue.gathering is not None:
        for person in PARTNERS:
            if person not in dialogue.gathering:
                acts[person].append(Act.READY)
            acts[person].append(Act.TIME_OUT)
    else:
        movement = current(dialogue)
        _together(dialogue, movement, acts) if movement.says is None else _spoken(dialogue, movement, acts)
        for person in PARTNERS:
            acts[person].append(Act.TIME_OUT)
    return {p: (*acts[p], Act.STOP) for p in PARTNERS}


def _together(dialogue: Dialogue, movement: Movement, acts: dict[Partner, list[Act]]) -> None:
    for person in PARTNERS:
        if person in dialogue.finished:
            continue
        if movement.also and len(_own_lines(dialogue, person)) < MOST_LINES:
            acts[person].extend(movement.also)
        acts[person].extend(movement.finish)
        if movement.again and person != dialogue.sender and dialogue.may_defer:
            acts[person].append(Act.DEFER_SWITCH)


def _spoken(dialogue: Dialogue, movement: Movement, acts: dict[Partner, list[Act]]) -> None:
    speaker, listener = dialogue.person(movement.by), other(dialogue.person(movement.by))
    assert movement.says is not None  # noqa: S101 - narrows the type; the caller has looked
    match dialogue.step:
        case "mirror":
            acts[listener].append(Act.MIRROR)
            if dialogue.held is None:
                acts[listener].append(Act.HOLD_ON)
        case "check":
            acts[dialogue.sender].extend((Act.CONFIRM, Act.CORRECT))
        case "more":
            acts[speaker].extend((movement.says, Act.NO_MORE))
            if movement.mirrored:
                acts[listener].append(Act.HOLD_ON)
        case _:
            acts[speaker].extend((movement.says, *movement.instead))
            if movement.mirrored and dialogue.stem + dialogue.round > 0:
                acts[listener].append(Act.HOLD_ON)


def awaited(dialogue: Dialogue) -> tuple[Partner, ...]:
    """Whose turn it is: those who can move the dialogue on (a time-out, a hold or a stop does not count)."""
    aside = {Act.STOP, Act.TIME_OUT, Act.EXTEND, Act.HOLD_ON}
    return tuple(p for p, acts in options(dialogue).items() if set(acts) - aside)


def _own_lines(dialogue: Dialogue, person: Partner) -> list[Line]:
    return [line for line in dialogue.lines if line.by == person and line.movement == dialogue.movement]


def visible(dialogue: Dialogue, person: Partner) -> tuple[Line, ...]:
    """The lines that `person` may see: those shared, and that person's own."""
    return tuple(line for line in dialogue.lines if line.shared or line.by == person)


def _may_mark(dialogue: Dialogue, person: Partner) -> set[int]:
    movement = current(dialogue)
    return {n.number for n in dialogue.lines if n.shared and (movement.of == "all" or n.by != person)}


def check(dialogue: Dialogue, turn: Turn, *, wordless: bool = False) -> None:
    """Raises `NotAllowed` unless `turn` is allowed now. `wordless`: acts are recorded without any words at all."""
    allowed = options(dialogue)
    if turn.act not in allowed[turn.by]:
        if turn.by in (dialogue.gathering or dialogue.finished):
            raise NotAllowed(
                "out_of_turn", "you have done your part here; it goes on when your partner has too"
            )
        if turn.act in allowed[other(turn.by)]:
            raise NotAllowed("wrong_role", f"'{turn.act}' is for the other partner now")
        raise NotAllowed("out_of_turn", f"'{turn.act}' does not fit here now")
    if turn.act in (Act.WRITE, Act.REQUEST) and turn.words is None and not wordless:
        raise NotAllowed("malformed", f"'{turn.act}' needs words")
    if _stays(dialogue, turn.act) and turn.words and turn.words.size > LINE_BYTES:
        raise NotAllowed("malformed", f"'{turn.act}' takes at most {LINE_BYTES} bytes; say it in fewer words")
    if turn.act == Act.REQUEST and turn.within_days is None:
        raise NotAllowed("malformed", "a request is limited in time: say in how many days ('within_days')")
    if turn.act in (Act.TIME_OUT, Act.EXTEND) and turn.until is None:
        raise NotAllowed("malformed", f"'{turn.act}' names the moment it lasts until ('until')")
    known = {
        Act.SHARE: {n.number for n in _own_lines(dialogue, turn.by)},
        Act.MARK: _may_mark(dialogue, turn.by),
        Act.CHOOSE: {n.number for n in dialogue.lines if n.by == dialogue.sender and n.shared},
    }.get(turn.act, set())
    if len(set(turn.lines)) != len(turn.lines) or not set(turn.lines) <= known:
        raise NotAllowed("unknown_line", "choose among the line numbers that 'view' shows, each once")
    if turn.act == Act.CHOOSE and len(turn.lines) != 1:
        raise NotAllowed("malformed", "'choose' names one line")


def _stays(dialogue: Dialogue, act: Act) -> bool:
    """Whether the words of an act stay in state for days or weeks, as a topic or a line, or put one of them right."""
    movement = current(dialogue)
    corrects = act == Act.CORRECT and (movement.says == Act.FRAME or movement.lines)
    return act in (Act.FRAME, Act.WRITE, Act.REQUEST) or corrects


def take(dialogue: Dialogue, turn: Turn) -> Dialogue:
    """The dialogue after `turn`, which `check` has allowed."""
    match turn.act:
        case Act.STOP:
            return dialogue.with_(outcome="stopped", time_out=None)
        case Act.TIME_OUT | Act.EXTEND:
            assert turn.until is not None  # noqa: S101 - checked before
            return dialogue.with_(time_out=TimeOut(by=turn.by, until=turn.until), gathering=None)
        case Act.READY if dialogue.gathering is not None:
            ready = (*dialogue.gathering, turn.by)
            return both_ready(dialogue) if len(ready) == len(PARTNERS) else dialogue.with_(gathering=ready)
    return _after_together(dialogue, turn) if dialogue.step == "together" else _after_spoken(dialogue, turn)


def end_time_out(dialogue: Dialogue) -> Dialogue:
    """The named moment has come: both say `ready` again."""
    return dialogue.with_(time_out=None, gathering=())


def _add_line(dialogue: Dialogue, turn: Turn, *, shared: bool) -> Dialogue:
    line = Line(
        number=len(dialogue.lines) + 1,
        movement=dialogue.movement,
        by=turn.by,
        words=turn.words,
        shared=shared,
        within_days=turn.within_days,
    )
    return dialogue.with_(lines=(*dialogue.lines, line))


def _after_together(dialogue: Dialogue, turn: Turn) -> Dialogue:
    movement = current(dialogue)
    match turn.act:
        case Act.WRITE:
            return _add_line(dialogue, turn, shared=False)
        case Act.DEFER_SWITCH:
            return _enter(dialogue.with_(deferred=True), kind_of(dialogue).after(movement))
        case Act.SHARE:
            own = {n.number for n in _own_lines(dialogue, turn.by)}
            shared = set(turn.lines) or own
            lines = tuple(n.with_(shared=True) if n.number in shared & own else n for n in dialogue.lines)
            dialogue = dialogue.with_(lines=lines)
        case Act.MARK:
            dialogue = dialogue.with_(marks={**dialogue.marks, turn.by: turn.lines})
    dialogue = dialogue.with_(finished=(*dialogue.finished, turn.by))
    if len(dialogue.finished) < len(PARTNERS):
        return dialogue
    if turn.act == Act.MARK:
        ranks = {p: {n: i for i, n in enumerate(dialogue.marks[p])} for p in PARTNERS}
        both = set(ranks["a"]) & set(ranks["b"])
        common = tuple(sorted(both, key=lambda n: (ranks["a"][n] + ranks["b"][n], n)))
        dialogue = dialogue.with_(common=common)
    if movement.again:
        dialogue = dialogue.with_(sender=other(dialogue.sender))
        return _enter(dialogue, kind_of(dialogue).movement(movement.again))
    if not dialogue.begun:
        return both_ready(dialogue)
    return _enter(dialogue, kind_of(dialogue).after(movement))


def _after_spoken(dialogue: Dialogue, turn: Turn) -> Dialogue:
    movement = current(dialogue)
    match turn.act:
        case Act.HOLD_ON:
            return dialogue.with_(step="mirror", held=dialogue.step)
        case Act.MIRROR:
            return dialogue.with_(step="check", mirrored=turn.words)
        case Act.CORRECT:
            back = "mirror" if movement.mirrored else "say"
            return _put_right(dialogue, movement, turn).with_(step=back, said=turn.words or dialogue.said)
        case Act.CONFIRM:
            if dialogue.held in ("more", "say"):
                return dialogue.with_(step=dialogue.held, held=None)
            return _said_all(dialogue.with_(held=None), movement)
        case Act.NO_MORE:
            return _enter(dialogue, kind_of(dialogue).after(movement))
    if turn.act in movement.instead:
        kind, target = kind_of(dialogue), movement.instead[turn.act]
        return _enter(dialogue, kind.movement(target) if target else kind.after(movement))
    return _say(dialogue, movement, turn)


def _say(dialogue: Dialogue, movement: Movement, turn: Turn) -> Dialogue:
    dialogue = dialogue.with_(said=turn.words, mirrored=None)
    if movement.says == Act.FRAME:
        dialogue = dialogue.with_(topic=turn.words)
    if turn.act == Act.CHOOSE:
        dialogue = dialogue.with_(chosen=(*dialogue.chosen, turn.lines[0]))
    if movement.lines:
        dialogue = _add_line(dialogue, turn, shared=True)
    if movement.mirrored:
        return dialogue.with_(step="mirror")
    return dialogue.with_(step="check") if movement.checked else _said_all(dialogue, movement)


def _put_right(dialogue: Dialogue, movement: Movement, turn: Turn) -> Dialogue:
    """What stays of a saying, its topic or its line, is what the sender has put it right to."""
    if turn.words and movement.says == Act.FRAME:
        return dialogue.with_(topic=turn.words)
    if turn.words and movement.lines:
        *before, last = dialogue.lines
        return dialogue.with_(lines=(*before, last.with_(words=turn.words)))
    return dialogue


def _said_all(dialogue: Dialogue, movement: Movement) -> Dialogue:
    """One saying is through: the next stem, the next round, or the next movement."""
    if dialogue.stem + 1 < len(movement.stems):
        return dialogue.with_(stem=dialogue.stem + 1, step="say")
    done, (fewest, most) = dialogue.round + 1, movement.rounds
    if most is not None and done >= most:
        return _enter(dialogue, kind_of(dialogue).after(movement))
    return dialogue.with_(stem=0, round=min(done, 99), step="more" if done >= fewest else "say")


def _enter(dialogue: Dialogue, movement: Movement | None) -> Dialogue:
    if movement is None:
        return dialogue.with_(outcome="done", movement="closing", step="together", said=None, mirrored=None)
    if movement.again:
        senders = (*dialogue.senders, dialogue.sender)
        dialogue = dialogue.with_(senders=senders)
        if dialogue.half or len(senders) == len(PARTNERS):
            return _enter(dialogue, kind_of(dialogue).after(movement))
    return dialogue.with_(
        movement=movement.name,
        step="together" if movement.says is None else "say",
        stem=0,
        round=0,
        finished=(),
        held=None,
        said=None,
        mirrored=None,
    )
