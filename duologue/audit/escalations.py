"""That every escalation came to its end, or has one still to come: looked up in a derived journal, not taken on trust.

An escalation is the ladder at work, after a miss or about a pause that nobody ends. It has ended when the state holds
it no more. Until then something must be on its way: a step, another deadline of the programme, an answer of the
calendar, or a person whom the programme waits for. One for which nothing is on its way would stand for ever, and one
whose step should have been taken was forgotten: both are what an audit looks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from duologue.audit.derive import Derived
from duologue.practice import ladder
from duologue.practice.asks import Resolve
from duologue.practice.evolve import evolve
from duologue.practice.passing import due
from duologue.practice.state import Escalation, State
from duologue.practice.values import Frozen, Instant

Status = Literal["ended", "due", "waiting", "overdue", "stuck"]


class Course(Frozen):
    """What became of one escalation."""

    session: int
    """0: it is about a pause."""
    misses: int
    began: Instant
    status: Status
    ended: Instant | None = None
    by: str = ""
    """The event that ended it."""
    due: Instant | None = None
    """When something next happens by itself."""


def escalations(derived: Derived) -> tuple[Course, ...]:
    """Every escalation of a journal, in order."""
    return tuple(_courses(derived))


def unfinished(derived: Derived) -> tuple[Course, ...]:
    """Those that have neither ended nor anything on its way. There should be none."""
    return tuple(course for course in escalations(derived) if course.status in ("overdue", "stuck"))


def _courses(derived: Derived) -> Iterator[Course]:
    state, open_ = derived.first, derived.first.escalation
    for event in derived.events:
        state = evolve(state, event)
        now = state.escalation
        if open_ is not None and (now is None or now.occasion != open_.occasion):
            yield _course(open_, "ended", ended=event.at, by=type(event).__name__)
        open_ = now
    if derived.state.escalation is not None:
        yield _course(derived.state.escalation, _status(derived.state), due=due(derived.state))


def _course(
    of: Escalation, status: Status, *, ended: Instant | None = None, by: str = "", due: Instant | None = None
) -> Course:
    return Course(
        session=of.session, misses=of.misses, began=of.since, status=status, ended=ended, by=by, due=due
    )


def _status(state: State) -> Status:
    step = ladder.due(state)
    if step is not None and step[0] <= state.clock:
        return "overdue"
    # A message that waits to be sent moves nothing on.
    if due(state.with_(outbox=())) is not None or any(isinstance(a, Resolve) for a in state.asks.values()):
        return "due"
    return "stuck" if state.awaiting == "none" else "waiting"
