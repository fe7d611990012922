"""Whether what the two are told still holds: the reasons of messages, said in other words than in the core."""

from __future__ import annotations

import re

from duologue.practice.asks import Message
from duologue.practice.state import State
from duologue.practice.values import PARTNERS


def on_their_way(state: State) -> list[Message]:
    """All messages that are held, or under way."""
    under_way = [ask for ask in state.asks.values() if isinstance(ask, Message)]
    return [pending.message for pending in state.outbox] + under_way


_OF_A_LADDER = re.compile(r"m|p[0-9]+\.[0-9]")
"""Occasions of messages that are steps of a ladder."""


def has_its_purpose(state: State, message: Message) -> bool:
    """Whether what one of the two is told still holds, said here in other words than in the core."""
    session, what = state.session(message.session or 0), message.what
    if message.to not in PARTNERS:
        return True
    if state.over:
        return what in ("completed", "ended", "not_now", "not_enrolled")
    if message.question is not None and message.question not in [q.id for q in state.questions]:
        return False
    same = session is not None and session.revision == message.revision
    if _OF_A_LADDER.match(message.key.split(":")[1]):
        # A policy may say anything at any time; but nothing of a time that has been given up.
        return same or message.session is None
    match what:
        case "invitation" | "moved" | "reminder" | "still_on":
            return same and session is not None and session.status == "booked"
        case "rebook_offer" | "unfinished":
            return same and session is not None and session.status != "open"
        case "idle_nudge" | "time_out_over":
            return session is not None and session.status == "open"
        case "paused" | "resumed":
            return state.stage == {"paused": "paused", "resumed": "practising"}[what]
    return True
