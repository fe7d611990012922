"""How synthetic people behave: habits by which they come, speak and answer, and couples of them by name.

Data alone: what somebody with such habits does next, seeing what a view shows, is `couple.py`'s.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated

from pydantic import Field

from duologue.practice.grammar import MOST_LINES
from duologue.practice.values import WORDS_BYTES, Frozen, Span, ZoneName

Chance = Annotated[float, Field(ge=0, le=1)]
"""How likely something is, drawn once for each occasion."""


class Habits(Frozen):
    """How one person behaves."""

    exchanges: int = Field(default=2, ge=1, le=20)
    """How often this person sends before there is no more."""
    corrections: int = Field(default=0, ge=0)
    """Corrections in one dialogue: the first mirrors of what was sent are not quite it."""
    asks_more: int = Field(default=0, ge=0)
    """How often in one dialogue only part makes sense."""
    lines: int = Field(default=2, ge=0, le=MOST_LINES)
    """Lines of a list; none: what is private stays so."""
    reaction: timedelta = timedelta(seconds=30)
    """From the other's turn to this person's."""
    hesitates: timedelta = timedelta(0)
    """Up to so much more, by chance."""
    arrives: Span = timedelta(0)
    """How long after the start this person checks in."""
    answers_after: Span = timedelta(hours=1)
    """How long a question, or the wish for consent, waits."""
    misses: Chance = 0.0
    """Does not come."""
    absent: Mapping[int, int] = Field(default_factory=dict)
    """Does not come either: by session, so many of its appointments."""
    fades: Chance = 0.0
    """So much likelier not to come with every week since the first session."""
    moves: Chance = 0.0
    """Two days before a session, moves it to the day after its own."""
    travels: tuple[ZoneName, ...] = ()
    """The day after each session, is in the next of these zones, in turn, and says so."""
    gives_up: Chance = 0.0
    """Asked how to go on after the ladder has paused the programme, chooses to stop."""
    books_again: Chance = 1.0
    """Takes one of the times offered after a miss."""
    books_after: Span = timedelta(hours=6)
    defers: Chance = 0.0
    """As the new sender, leaves the other half to a session of its own."""
    stops: Chance = 0.0
    """Ends a dialogue before its end."""
    falls_silent: Chance = 0.0
    """Is called away in mid-dialogue and does not come back to that appointment."""
    times_out: Chance = 0.0
    time_out_for: Span = timedelta(minutes=30)
    role_plays: Chance = 0.0
    declines: Chance = 0.0
    """Chooses none of the requests."""
    asks: Chance = 0.0
    """After a session, asks for a dialogue between the booked ones."""
    pauses: Chance = 0.0
    """After a session, pauses the programme."""
    pause_for: Span = timedelta(days=10)
    keeps_notes: int = Field(default=0, ge=0, le=10)
    """Entries of the trigger log, shared; `trigger` dialogues draw their topic from them."""
    goes_on: bool = False
    """Whether the answer about the tail is to go on."""
    well: bool = True
    """Whether every suitability question is answered with yes."""
    wordiness: int = Field(default=0, ge=0, le=WORDS_BYTES)
    """Every text is at least so many characters long."""


class Manner(Frozen):
    """How all of them behave."""

    a: Habits = Field(default_factory=Habits)
    b: Habits = Field(default_factory=Habits)
    facilitator: Habits = Field(default_factory=lambda: Habits(answers_after=timedelta(hours=3)))


_REFERENCE = Habits(exchanges=3, reaction=timedelta(minutes=1), answers_after=timedelta(minutes=1))

REFERENCE = Manner(a=_REFERENCE.with_(corrections=1), b=_REFERENCE)
"""The reference dialogue: three exchanges each, one correction in all, a minute between turns."""

STEADY = Manner(
    a=Habits(hesitates=timedelta(minutes=1), corrections=1, keeps_notes=1),
    b=Habits(hesitates=timedelta(minutes=1), asks_more=1, arrives=timedelta(minutes=1)),
)
"""They come every time and finish everything."""

ORDINARY = Manner(
    a=STEADY.a.with_(misses=0.06, falls_silent=0.04, times_out=0.05, asks=0.1, defers=0.05, pauses=0.02),
    b=STEADY.b.with_(misses=0.1, stops=0.03, falls_silent=0.04, books_again=0.7, declines=0.1),
)
"""Life gets in the way now and then."""

_BRIEF = Habits(exchanges=1, hesitates=timedelta(minutes=1))
_FADING = _BRIEF.with_(fades=0.015, books_again=0.6, falls_silent=0.05)

ATTENDANCE: Mapping[str, Manner] = {
    "steady": Manner(a=_BRIEF, b=_BRIEF.with_(arrives=timedelta(minutes=1))),
    "fading": Manner(a=_FADING.with_(misses=0.02), b=_FADING.with_(misses=0.04, fades=0.03, gives_up=0.4)),
    "one-sided": Manner(
        a=_BRIEF, b=_BRIEF.with_(misses=0.4, books_again=0.2, falls_silent=0.05, gives_up=0.1)
    ),
    "travelling": Manner(
        a=_BRIEF.with_(misses=0.02),
        b=_BRIEF.with_(
            travels=("America/New_York", "Asia/Tokyo", "Europe/Lisbon"),
            moves=0.25,
            misses=0.06,
            falls_silent=0.06,
            arrives=timedelta(minutes=3),
        ),
    ),
}
"""Who comes, by name: both every time; both less and less; one of the two often not; one of the two from wherever
they are. Dialogues are short, since what counts here is who comes to them."""
