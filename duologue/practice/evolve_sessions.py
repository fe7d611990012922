"""How the events of sessions and their dialogues change the state: booking, check-in, turns, windows, outcomes.

See `evolve.py`. Every function here is total: an event that does not fit changes nothing.
"""

from __future__ import annotations

from typing import Any

from duologue.practice import events as e
from duologue.practice import grammar, spoken
from duologue.practice.asks import Message
from duologue.practice.evolve_programme import UNBOOKED, only_current_asks, without
from duologue.practice.grammar import Act, NotAllowed
from duologue.practice.state import HALVES_DEFERRED, SESSIONS_KEPT, Held, Outcome, Session, State
from duologue.practice.table import Table
from duologue.practice.values import Instant, Partner

EVENTS: Table[State, State] = Table()


def _put(state: State, session: Session) -> State:
    return state.with_(sessions=tuple(session if s.number == session.number else s for s in state.sessions))


def _change(state: State, number: int, **changes: Any) -> State:  # noqa: ANN401 - the fields of a session
    session = state.session(number)
    return state if session is None else _put(state, session.with_(**changes))


def _drop(state: State, session: Session) -> State:
    rest = tuple(s for s in state.sessions if s.number != session.number)
    return only_current_asks(state.with_(sessions=rest))


def _record(
    state: State, session: Session, outcome: Outcome, at: Instant, absent: tuple[Partner, ...] = ()
) -> State:
    """Enter the outcome of an appointment."""
    kinds = session.kinds or session.item.kinds
    past = Held(number=session.number, kinds=kinds, outcome=outcome, at=at, absent=absent)
    return state.with_(
        held=(*state.held[1 - SESSIONS_KEPT :], past),
        counts={**state.counts, outcome: state.counts.get(outcome, 0) + 1},
    )


@EVENTS.on(e.SessionMade)
def _session_made(state: State, event: e.SessionMade) -> State:
    return state.with_(sessions=(*state.sessions, event.session), numbers=event.session.number)


@EVENTS.on(e.TimeAsked)
def _time_asked(state: State, event: e.TimeAsked) -> State:
    state = _change(state, event.session, asking=event.ask.key)
    asks = {**state.asks, event.ask.key: event.ask}
    return only_current_asks(state.with_(asks=asks, resolves=state.resolves + 1))


@EVENTS.on(e.WindowsAsked)
def _windows_asked(state: State, event: e.WindowsAsked) -> State:
    others = {k: a for k, a in state.asks.items() if isinstance(a, Message) or a.want != "windows"}
    return state.with_(asks={**others, event.ask.key: event.ask}, resolves=state.resolves + 1)


@EVENTS.on(e.TimeResolved)
def _time_resolved(state: State, event: e.TimeResolved) -> State:
    asks = {k: a for k, a in state.asks.items() if k != event.resolution.key}
    return state.with_(asks=asks, windows=event.resolution.windows)


@EVENTS.on(e.BookingBegan)
def _booking_began(state: State, event: e.BookingBegan) -> State:
    session = state.session(event.session)
    if session is None:
        return state
    moved = session.status == "booked" and event.by is not None
    # Until it has its new time, calendars show the old one.
    changes = {**UNBOOKED, "invited": session.invited, "status": "booking", "moves": session.moves + moved}
    if state.escalation is None or state.escalation.session == session.number:
        state = without(state, "check_in")  # which asks about a session that nobody had booked again
    return _put(state, session.with_(**changes))


@EVENTS.on(e.SessionBooked)
def _session_booked(state: State, event: e.SessionBooked) -> State:
    session = state.session(event.session)
    if session is None:
        return state
    if session.origin in ("curriculum", "tail"):
        state = state.with_(last_slot=max(event.start, state.last_slot or event.start))
    booked = {
        "status": "booked",
        "start": event.start,
        "local": event.local,
        "invited": event.start,
        "night_for": event.night_for,
        "proposals": event.proposals,
        "before": False,
        "revision": session.revision + 1,
    }
    return _put(state, session.with_(**{**UNBOOKED, **booked}))


@EVENTS.on(e.NightFound)
def _night_found(state: State, event: e.NightFound) -> State:
    return _change(state, event.session, night_for=event.night_for)


@EVENTS.on(e.ProposalsMade)
def _proposals_made(state: State, event: e.ProposalsMade) -> State:
    return _change(state, event.session, proposals=event.proposals)


@EVENTS.on(e.AbsentAsked)
def _absent_asked(state: State, event: e.AbsentAsked) -> State:
    return _change(state, event.session, asked_absent=True)


@EVENTS.on(e.TurnMade)
def _turn_made(state: State, event: e.TurnMade) -> State:
    session = state.session(event.session)
    if session is None:
        return state
    before, turn, ends = session.dialogue, event.turn, session.ends
    if session.status != "open" or before is None:
        here = tuple(dict.fromkeys((*session.present, turn.by)))
        return _put(state, session.with_(present=here))
    try:
        grammar.check(before, turn, wordless=state.policy.words == "none")
    except NotAllowed:
        return state
    if turn.act in (Act.TIME_OUT, Act.EXTEND) and turn.until and ends:
        # The window moves on by the length of the time-out, so that a break does not cost the couple their hour.
        ends += turn.until - (before.time_out.until if before.time_out else event.at)
    dialogue = grammar.take(before, turn)
    state = state.with_(spoken=spoken.after(state.spoken, session.number, turn))
    return _put(state, session.with_(dialogue=dialogue, ends=ends, quiet_since=event.at, nudged=False))


@EVENTS.on(e.DialogueOpened)
def _dialogue_opened(state: State, event: e.DialogueOpened) -> State:
    session = state.session(event.session)
    if session is None or session.part >= len(event.kinds):
        return state
    kind, dialogue = event.kinds[session.part], session.dialogue
    if dialogue is None or dialogue.kind != kind:
        dialogue = grammar.begin(kind, session.first_sender)
    opened = session.with_(
        status="open",
        invited=None,
        kinds=event.kinds,
        dialogue=grammar.both_ready(dialogue).with_(may_defer=_may_defer(state)),
        ends=max(event.at, session.start or event.at) + state.policy_for(session).window,
        quiet_since=event.at,
        nudged=False,
    )
    state = state.with_(spoken=spoken.of(state.spoken, session.number))
    # The reason of the ladder, and of what it asked, is gone.
    return without(_put(state, opened), "check_in", "go_on").with_(missed_in_a_row=0, escalation=None)


@EVENTS.on(e.PartBegan)
def _part_began(state: State, event: e.PartBegan) -> State:
    session = state.session(event.session)
    if session is None or session.part + 1 >= len(event.kinds):
        return state
    part = session.part + 1
    dialogue = grammar.begin(event.kinds[part], session.first_sender)
    dialogue = dialogue.with_(may_defer=_may_defer(state))
    return _put(state, session.with_(part=part, kinds=event.kinds, dialogue=dialogue))


def _may_defer(state: State) -> bool:
    return sum(s.origin == "deferred" for s in state.sessions) < HALVES_DEFERRED


@EVENTS.on(e.TimeOutEnded)
def _time_out_ended(state: State, event: e.TimeOutEnded) -> State:
    session = state.session(event.session)
    if session is None or session.dialogue is None:
        return state
    dialogue = grammar.end_time_out(session.dialogue)
    return _put(state, session.with_(dialogue=dialogue, quiet_since=event.at, nudged=False))


@EVENTS.on(e.Nudged)
def _nudged(state: State, event: e.Nudged) -> State:
    return _change(state, event.session, nudged=True)


@EVENTS.on(e.SessionMissed)
def _session_missed(state: State, event: e.SessionMissed) -> State:
    session = state.session(event.session)
    if session is None:
        return state
    # Of who was absent nothing is kept for staff to see, unless both share it.
    state = _record(state, session, "missed", event.at, event.absent if state.attendance_shared else ())
    rebook_by = event.at + state.policy_for(session).rebook_within
    waiting = session.with_(**{**UNBOOKED, "status": "missed", "rebook_by": rebook_by})
    return _put(state, waiting).with_(missed_in_a_row=state.missed_in_a_row + 1)


@EVENTS.on(e.SessionUnfinished)
def _session_unfinished(state: State, event: e.SessionUnfinished) -> State:
    session = state.session(event.session)
    if session is None or session.dialogue is None:
        return state
    rebook_by, dialogue = event.at + state.policy_for(session).rebook_within, grammar.resume(session.dialogue)
    waiting = {"status": "unfinished", "rebook_by": rebook_by, "dialogue": dialogue}
    return _put(_record(state, session, "unfinished", event.at), session.with_(**{**UNBOOKED, **waiting}))


@EVENTS.on(e.SessionEnded)
def _session_ended(state: State, event: e.SessionEnded) -> State:
    session = state.session(event.session)
    if session is None:
        return state
    held = event.outcome in ("done", "stopped")
    return _drop(_record(state, session, event.outcome, event.at), session).with_(
        next_item=state.next_item + (held and session.origin == "curriculum"),
        tail_held=state.tail_held + (held and session.origin == "tail"),
    )
