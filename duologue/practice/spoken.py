"""What was said last, for the other to read: the words of every act but of those that are written alone.

A dialogue itself keeps only what is mirrored, checked, marked or chosen. All that was said stays here for a while,
wherever it led: until enough else has been said, or another session's dialogue begins. So the last words of a dialogue,
its appreciations, can be read when it is over.
"""

from __future__ import annotations

from duologue.practice.grammar import Turn
from duologue.practice.shapes import ALONE, Act
from duologue.practice.values import WORDS_BYTES, Frozen, Partner, Words

SPOKEN_KEPT = 4
"""The most of what was said that is kept."""
SPOKEN_BYTES = 2 * WORDS_BYTES
"""And the most bytes of it; so the last words of each of the two are always there."""


class Utterance(Frozen):
    """Words that one of the two has said, and by which act."""

    by: Partner
    act: Act
    words: Words


class Spoken(Frozen):
    """What was said last in a session's dialogues, oldest first."""

    session: int
    utterances: tuple[Utterance, ...] = ()


def after(spoken: Spoken | None, session: int, turn: Turn) -> Spoken | None:
    """What was said last once `turn` has been taken in that session."""
    if turn.words is None or turn.act in ALONE:
        return spoken
    before = of(spoken, session)
    said = (*(before.utterances if before else ()), Utterance(by=turn.by, act=turn.act, words=turn.words))
    said = said[-SPOKEN_KEPT:]
    while sum(utterance.words.size for utterance in said) > SPOKEN_BYTES:
        said = said[1:]
    return Spoken(session=session, utterances=said)


def of(spoken: Spoken | None, session: int) -> Spoken | None:
    """What was said last, if it was in that session."""
    return spoken if spoken is not None and spoken.session == session else None
