"""The only way state changes: `evolve(state, event)`, total and without decisions of its own.

Each event has one small function: those of sessions and dialogues are in `evolve_sessions.py`, the others in
`evolve_programme.py`. Whether something may happen, and what follows from it, is decided elsewhere (`decide.py`,
`passing.py`). Here is what all of them share: the journal, its digest, and who is awaited.
"""

from __future__ import annotations

from duologue.practice import events as e
from duologue.practice import evolve_programme, evolve_sessions, fingerprint, grammar
from duologue.practice.state import APPLIED_KEPT, JOURNAL_KEPT, Applied, Awaiting, JournalEntry, State
from duologue.practice.table import Table
from duologue.practice.values import PARTNERS, By

_COMMANDS: Table[State, State] = Table()
_TABLES = (evolve_sessions.EVENTS, evolve_programme.EVENTS, _COMMANDS)


def evolve(state: State, event: e.Event) -> State:
    """The state after `event`."""
    handler = next((found for table in _TABLES if (found := table.find(event))), None)
    after = handler(state, event) if handler else state
    seq, what = state.seq + 1, type(event).__name__
    entry = JournalEntry(seq=seq, at=event.at, what=what, by=event.actor, detail=event.detail)
    now_awaited = awaiting(after)
    return after.with_(
        seq=seq,
        # A refused signal tells nothing about how far time has been processed.
        clock=state.clock if isinstance(event, e.CommandRefused) else max(state.clock, event.at),
        digest=fingerprint.follow(state.digest, event),
        journal=(*state.journal[1 - JOURNAL_KEPT :], entry),
        awaiting=now_awaited,
        awaiting_since=state.awaiting_since if now_awaited == state.awaiting else event.at,
    )


def awaiting(state: State) -> Awaiting:
    """Who the programme waits for, as ops see it: `a` or `b` only once a deadline has passed."""
    if state.over:
        return "none"
    if state.stage == "enrolling":
        return "couple"
    if state.open_session:
        return "couple"
    if state.calls:
        return "facilitator"
    if state.paused:
        if state.paused.for_decision:
            return "facilitator" if state.plan.facilitators else "couple"
        return "couple" if state.asked_to_go_on or state.paused.ready else "none"
    session = state.next_session
    if session and session.asked_absent and len(session.present) < len(PARTNERS):
        absent = [p for p in PARTNERS if p not in session.present]
        return absent[0] if len(absent) == 1 and state.attendance_shared else "couple"
    if session and session.present:
        return "couple"
    return "couple" if any(s.waits for s in state.sessions) else "none"


def _answered(state: State, by: By) -> Applied:
    """What the sender of a command learns from the state right after it."""
    session, seq = state.next_session, state.sent.get(by, 0)
    dialogue = session.dialogue if session and session.status == "open" else None
    if session and dialogue:
        awaited = grammar.awaited(dialogue)
        acts = () if by == "facilitator" else grammar.options(dialogue)[by]
        whom: Awaiting = "couple" if len(awaited) > 1 else awaited[0] if awaited else "none"
        return Applied(by=by, seq=seq, movement=dialogue.movement, awaiting=whom, next_acts=acts)
    if session and session.present:
        missing = [p for p in PARTNERS if p not in session.present]
        return Applied(by=by, seq=seq, movement="opening", awaiting=missing[0])
    return Applied(by=by, seq=seq)


@_COMMANDS.on(e.CommandApplied)
def _command_applied(state: State, event: e.CommandApplied) -> State:
    state = state.with_(sent={**state.sent, event.by: state.sent.get(event.by, 0) + 1})
    kept = dict(list(state.applied.items())[1 - APPLIED_KEPT :])
    return state.with_(applied={**kept, event.command_id: _answered(state, event.by)})


@_COMMANDS.on(e.CommandRefused)
def _command_refused(state: State, event: e.CommandRefused) -> State:
    return state.with_(refused=state.refused + 1)
