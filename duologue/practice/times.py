"""What the calendar is asked, and when: a session's time, times to offer, and when messages may reach the two.

Its answers are used in `course.py`.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from duologue.practice import events as e
from duologue.practice.asks import Resolve
from duologue.practice.moments import soonest
from duologue.practice.plan import Cadence, Listed
from duologue.practice.state import Session, State
from duologue.practice.telling import Ledger
from duologue.practice.values import Instant


def ask_time(
    ledger: Ledger,
    session: Session,
    *,
    at: Instant | None = None,
    offer: bool = False,
    base: Instant | None = None,
) -> None:
    """Ask the calendar for a session's time: the next slot, the instant `at`, or times to `offer`.

    `base`: from when those of a deferred half are counted, if not from now. Only the answer to the last question
    counts; one that comes late changes nothing.
    """
    state, after = ledger.state, soonest(ledger.state, ledger.now, ledger.now)
    want: Literal["slot", "exact", "proposals"] = "exact" if at else "slot"
    offsets, counted = state.policy.proposals, at
    if offer:
        offsets, want, counted = state.policy_for(session).proposals, "proposals", at or ledger.now
    elif session.origin == "deferred" and at is None:
        later = state.policy_for(session).deferred_after
        want, offsets, counted = "proposals", tuple(later * n for n in (1, 2, 3)), base or ledger.now
    resolve = Resolve(
        key="",
        want=want,
        zone=state.plan.zone,
        people=state.plan.people,
        anchor=state.anchor or ledger.now,
        shift=state.shift if session.origin == "curriculum" else timedelta(0),
        after=max(after, state.last_slot or after) if want == "slot" else after,
        since=ledger.now,
        at=counted,
        offsets=offsets,
    )
    ask_calendar(ledger, session, resolve)


def _cadence(state: State, session: Session) -> Cadence:
    tail = state.plan.curriculum.tail
    return tail.cadence if tail and session.origin == "tail" else state.plan.cadence


def ask_calendar(ledger: Ledger, session: Session, resolve: Resolve) -> None:
    """Ask the calendar something for a session, for the people as they are now."""
    state = ledger.state
    key = f"{state.plan.programme}:{session.number}:time:{state.resolves + 1}"
    cadence: Cadence | None = _cadence(state, session)
    if isinstance(cadence, Listed) and resolve.want != "slot":
        cadence = None  # it is long, and the state keeps what is being asked
    ask = resolve.with_(key=key, people=state.plan.people, cadence=cadence, since=ledger.now)
    ledger.emit(e.TimeAsked(at=ledger.now, session=session.number, ask=ask))


def ask_windows(ledger: Ledger) -> None:
    """Ask the calendar when messages may reach the two, and for nothing else."""
    state = ledger.state
    ask = Resolve(
        key=f"{state.plan.programme}:windows:time:{state.resolves + 1}",
        want="windows",
        zone=state.plan.zone,
        people=state.plan.people,
        anchor=state.anchor or ledger.now,
        after=ledger.now,
        since=ledger.now,
    )
    ledger.emit(e.WindowsAsked(at=ledger.now, ask=ask))


def ask_anew(ledger: Ledger) -> None:
    """A partner's zone or quiet hours have changed: ask again for the people as they are now.

    That is, what is being asked anyway, the times that are booked, for whom they are at night, and the windows.
    """
    before = ledger.state
    for session in before.sessions:
        asked = before.asks.get(session.asking)
        if isinstance(asked, Resolve):
            ask_calendar(ledger, session, asked)
        elif session.status == "booked":
            ask_time(ledger, session, at=session.start)
    if ledger.state.resolves == before.resolves:
        ask_windows(ledger)
