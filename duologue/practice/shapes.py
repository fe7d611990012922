"""The vocabulary of the grammar: the acts, the two shapes of a movement, and the words to compose a kind of them.

Everything here is data or writes data. What may be done with it is in `grammar.py`; the kinds composed of it are in
`kinds.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Literal

from pydantic import Field, model_validator

from duologue.practice.plan import KindName
from duologue.practice.values import Frozen


class Act(StrEnum):
    """Everything a partner can do in a dialogue."""

    READY = "ready"
    FRAME = "frame"
    SEND = "send"
    MIRROR = "mirror"
    CONFIRM = "confirm"
    CORRECT = "correct"
    NO_MORE = "no_more"
    SUMMARISE = "summarise"
    VALIDATE = "validate"
    ASK_MORE = "ask_more"
    EMPATHISE = "empathise"
    SWITCH = "switch"
    DEFER_SWITCH = "defer_switch"
    APPRECIATE = "appreciate"
    WRITE = "write"
    SHARE = "share"
    KEEP = "keep"
    MARK = "mark"
    REQUEST = "request"
    CHOOSE = "choose"
    DECLINE = "decline"
    TELL = "tell"
    ROLE_PLAY = "role_play"
    TIME_OUT = "time_out"
    EXTEND = "extend"
    HOLD_ON = "hold_on"
    STOP = "stop"


WITHOUT_WORDS = frozenset({Act.READY, Act.SHARE, Act.KEEP, Act.MARK})
"""Acts that say nothing to anybody; words that came with one would be lost, or be shown where they were to be kept."""

ALONE = frozenset({Act.WRITE})
"""Acts whose words are one's own until they are shared."""

Role = Literal["sender", "receiver"]
StepName = Literal["say", "mirror", "check", "more", "together"]


class Movement(Frozen):
    """One movement of a dialogue, as data. The constructors below write the field's own names for them."""

    name: str
    # Spoken
    says: Act | None = None
    """What the speaker does; None: both act together."""
    by: Role = "sender"
    mirrored: bool = False
    """Whether the listener says it back; then it is always checked."""
    checked: bool = False
    """Whether the sender confirms or corrects: always the sender, whose meaning it is."""
    rounds: tuple[int, int | None] = (1, 1)
    """The fewest and the most rounds; None: until `no_more`. A round passes through all stems."""
    stems: tuple[str, ...] = ()
    """Sentence stems said and mirrored one after the other within a round."""
    lines: bool = False
    """What is said stays as a numbered line."""
    instead: Mapping[Act, str] = Field(default_factory=dict)
    """Acts the speaker may choose instead, each with the movement it leads to ("": the following one)."""
    then: str = ""
    """The movement that follows; "": the next in order."""
    # Together
    finish: tuple[Act, ...] = ()
    """The acts that finish one person's part."""
    also: tuple[Act, ...] = ()
    """Acts each may do before finishing."""
    of: Literal["all", "others"] = "all"
    """Which lines a marking chooses among."""
    again: str = ""
    """For a switch: the movement from which the other partner sends."""


class Kind(Frozen):
    """A kind of dialogue."""

    name: KindName
    minutes: tuple[int, int]
    """Its typical length."""
    movements: tuple[Movement, ...]

    @model_validator(mode="after")
    def _names_resolve(self) -> Kind:
        names = [m.name for m in self.movements]
        targets = {t for m in self.movements for t in (*m.instead.values(), m.then, m.again) if t}
        if len(set(names)) != len(names) or not targets <= set(names):
            message = f"{self.name}: a movement's name is used twice, or leads to one that does not exist"
            raise ValueError(message)
        return self

    def movement(self, name: str) -> Movement:
        """The movement of that name."""
        return next(m for m in self.movements if m.name == name)

    def after(self, movement: Movement) -> Movement | None:
        """The movement that follows in order, or by `then`; None after the last."""
        if movement.then:
            return self.movement(movement.then)
        index = [m.name for m in self.movements].index(movement.name) + 1
        return self.movements[index] if index < len(self.movements) else None


def opening() -> Movement:
    """Both say that they are ready; this is also the check-in."""
    return Movement(name="opening", finish=(Act.READY,))


def frame() -> Movement:
    """The sender names the topic and the intent; it is mirrored and checked."""
    return Movement(name="frame", says=Act.FRAME, mirrored=True, checked=True)


def exchange(
    name: str,
    *,
    says: Act = Act.SEND,
    stems: tuple[str, ...] = (),
    rounds: tuple[int, int | None] = (1, None),
    lines: bool = False,
    then: str = "",
) -> Movement:
    """Say, mirror, confirm or correct; by default until `no_more`."""
    return Movement(
        name=name, says=says, mirrored=True, checked=True, stems=stems, rounds=rounds, lines=lines, then=then
    )


def summary() -> Movement:
    """The receiver says it all back; the sender confirms or corrects."""
    return Movement(name="summary", says=Act.SUMMARISE, by="receiver", checked=True)


def validation(more: str) -> Movement:
    """The receiver finds the sense in it, or asks for more, which leads back to the movement `more`."""
    return Movement(name="validation", says=Act.VALIDATE, by="receiver", instead={Act.ASK_MORE: more})


def empathy() -> Movement:
    """The receiver guesses the feelings; the sender confirms or corrects."""
    return Movement(name="empathy", says=Act.EMPATHISE, by="receiver", checked=True)


def choice(name: str, by: Role, acts: Mapping[Act, str]) -> Movement:
    """One person chooses one act of several; each leads to a movement ("": the following one)."""
    first, *_ = acts
    return Movement(
        name=name, says=first, by=by, then=acts[first], instead={a: t for a, t in acts.items() if a != first}
    )


def writing(name: str, *, private: bool = False) -> Movement:
    """Each writes lines alone, then shares them all or some; with `private` each may keep them."""
    return Movement(name=name, also=(Act.WRITE,), finish=(Act.SHARE, Act.KEEP) if private else (Act.SHARE,))


def marking(name: str, *, of: Literal["all", "others"] = "all") -> Movement:
    """Each marks lines, dearest first; the common ones are ranked."""
    return Movement(name=name, finish=(Act.MARK,), of=of)


def switch(again: str) -> Movement:
    """Both switch and the roles swap; or the new sender defers the other half to a session of its own."""
    return Movement(name="switch", finish=(Act.SWITCH,), again=again)


def closing() -> Movement:
    """Each appreciates something; then the dialogue is done."""
    return Movement(name="closing", finish=(Act.APPRECIATE,))


MOST_LINES = 7
"""The most lines one person writes in one movement."""
