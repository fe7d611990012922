"""How the events of the programme change the state: enrolling, pauses, questions, messages, notes, the ladder, the end.

See `evolve.py`. Every function here is total: an event that does not fit changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from duologue.practice import events as e
from duologue.practice import grammar
from duologue.practice.asks import Message
from duologue.practice.state import (
    MESSAGES_RECALLED,
    REQUESTS_KEPT,
    Alert,
    Break,
    Pending,
    Question,
    QuestionKind,
    State,
)
from duologue.practice.table import Table
from duologue.practice.values import Instant, Partner

EVENTS: Table[State, State] = Table()

UNBOOKED: Mapping[str, Any] = {
    "start": None,
    "local": "",
    "invited": None,
    "present": (),
    "asked_absent": False,
    "ends": None,
    "quiet_since": None,
    "nudged": False,
    "rebook_by": None,
    "proposals": (),
}
"""What a session forgets when it loses its time."""


def without(state: State, *kinds: QuestionKind, to: Partner | None = None) -> State:
    """Close the questions of those kinds (put to one person)."""
    return state.with_(
        questions=tuple(q for q in state.questions if q.kind not in kinds or (to and q.to != to))
    )


def only_current_asks(state: State) -> State:
    """Forget questions to the calendar that no session waits for any more; the windows are everybody's."""
    current = {s.asking for s in state.sessions}
    return state.with_(
        asks={
            key: ask
            for key, ask in state.asks.items()
            if isinstance(ask, Message) or ask.want == "windows" or key in current
        }
    )


# --- enrolling and questions ------------------------------------------------------------------------------------------


@EVENTS.on(e.Consented)
def _consented(state: State, event: e.Consented) -> State:
    state = state.with_(consents=(*state.consents, event.by))
    return _share(state, event.by, shares=event.share_attendance)


def _share(state: State, by: Partner, *, shares: bool) -> State:
    rest = tuple(p for p in state.sharing if p != by)
    return state.with_(sharing=(*rest, by) if shares else rest)


@EVENTS.on(e.Asked)
def _asked(state: State, event: e.Asked) -> State:
    q = event.question
    if q.request is not None:
        state = _settle_request(state, q.request, "asked")
    if q.kind == "midpoint":
        # What was answered another time says nothing about now, and what came of it has come.
        state = state.with_(screened={})
    return state.with_(
        questions=(*state.questions, q), asked={**state.asked, q.to: state.asked.get(q.to, 0) + 1}
    )


@EVENTS.on(e.Answered)
def _answered(state: State, event: e.Answered) -> State:
    question = state.question(event.question)
    if question is None:
        return state
    state = _close(state, question.id)
    match question.kind:
        case "intake" | "midpoint":
            return state.with_(screened={**state.screened, event.by: event.answer == "well"})
        case "go_on" if state.escalation:
            return _escalate(state, answers={**state.escalation.answers, event.by: event.answer})
        case "resume":
            return _answered_about_going_on(state, event)
        case "tail":
            return state.with_(tail_chosen={**state.tail_chosen, event.by: event.answer})
        case "followup":
            return _settle_request(state, question.request, event.answer)
    return state


def _answered_about_going_on(state: State, event: e.Answered) -> State:
    if event.answer == "yes":
        state = _ready_to_resume(state, event.by)
    if state.paused is None:
        return state
    if state.asked_to_go_on:
        return state
    # Everybody has answered: nobody is asked again for a while, and nobody need be called.
    return state.with_(escalation=None, paused=state.paused.with_(still_since=event.at))


@EVENTS.on(e.Lapsed)
def _lapsed(state: State, event: e.Lapsed) -> State:
    question = state.question(event.question)
    if question is None:
        return state
    state = _close(state, question.id)
    match question.kind:
        case "tail":
            return state.with_(tail_chosen={**state.tail_chosen, question.to: "complete"})
        case "followup":
            return _settle_request(state, question.request, "not_yet")
    return state


def _settle_request(state: State, request: str | None, status: str) -> State:
    return state.with_(
        requests=tuple(r.with_(status=status) if r.id == request else r for r in state.requests)
    )


def _close(state: State, question: str) -> State:
    return state.with_(questions=tuple(q for q in state.questions if q.id != question))


@EVENTS.on(e.PractisingBegan)
def _practising_began(state: State, event: e.PractisingBegan) -> State:
    return state.with_(stage="practising", anchor=event.at, screened={})


# --- pauses and the end -----------------------------------------------------------------------------------------------


@EVENTS.on(e.PauseBegan)
def _pause_began(state: State, event: e.PauseBegan) -> State:
    kept = tuple(
        s.with_(
            **UNBOOKED,
            status="booking",
            asking="",
            # Its entry has been taken out of the calendars: the next one has to be the later change.
            revision=s.revision + (s.invited is not None),
            dialogue=grammar.resume(s.dialogue) if s.dialogue else None,
        )
        for s in state.sessions
    )
    state = without(state, "check_in", "dialogue_request", "resume")
    for_decision = event.for_decision or state.deciding
    if not for_decision:
        state = without(state, "go_on").with_(escalation=None)
    state = state.with_(
        stage="paused",
        sessions=kept,
        # A slot that was booked and is given back can be taken again.
        last_slot=min(state.last_slot, event.at) if state.last_slot else None,
        paused=Break(
            # Whatever is set anew, it has been paused since then: what remains shifts by all of it.
            since=state.paused.since if state.paused else event.at,
            until=event.until,
            for_decision=for_decision,
            still_since=event.at,
        ),
        hushed=state.hushed or event.concern,
    )
    return only_current_asks(state)


@EVENTS.on(e.ResumeAsked)
def _resume_asked(state: State, event: e.ResumeAsked) -> State:
    if state.paused is None:
        return state
    if event.by is not None:
        return _ready_to_resume(state, event.by)
    return state.with_(paused=state.paused.with_(still_since=event.at))


def _ready_to_resume(state: State, by: Partner) -> State:
    paused = state.paused
    if paused is None or by in paused.ready:
        return state
    return without(state, "resume", to=by).with_(paused=paused.with_(ready=(*paused.ready, by)))


@EVENTS.on(e.PauseEnded)
def _pause_ended(state: State, event: e.PauseEnded) -> State:
    since, state = state.paused.since if state.paused else event.at, without(state, "resume", "go_on")
    return state.with_(
        stage="practising",
        questions=tuple(_put_back(q, event.at - max(since, q.asked_at)) for q in state.questions),
        paused=None,
        hushed=False,
        escalation=None,
        missed_in_a_row=0,
        shift=state.shift + event.shift,
    )


def _put_back(question: Question, rested: timedelta) -> Question:
    """Nobody need answer while it is paused: so much longer there is time."""
    return question if question.answer_by is None else question.with_(answer_by=question.answer_by + rested)


@EVENTS.on(e.TailBegan)
def _tail_began(state: State, event: e.TailBegan) -> State:
    return state.with_(in_tail=True)


@EVENTS.on(e.Ended)
def _ended(state: State, event: e.Ended) -> State:
    ended = state.with_(
        stage="completed" if event.ending in ("completed", "slots_used_up") else "ended",
        ending=event.ending,
        ended=event.at,
        sessions=(),
        questions=(),
        outbox=(),
        escalation=None,
        called=(),
        paused=None,
        # To be told that it is over is no nudge, and not to be told would tell.
        hushed=False,
    )
    return only_current_asks(ended)


# --- messages ---------------------------------------------------------------------------------------------------------


@EVENTS.on(e.MessagePlanned)
def _message_planned(state: State, event: e.MessagePlanned) -> State:
    pending = Pending(message=event.message, at=event.when, wanted=event.wanted)
    rest = _unplan(state, event.message.key).outbox
    return state.with_(outbox=(*rest, pending))


@EVENTS.on(e.MessageSent)
def _message_sent(state: State, event: e.MessageSent) -> State:
    message = event.message
    return _unplan(state, message.key).with_(asks={**state.asks, message.key: message})


@EVENTS.on(e.MessageSkipped)
def _message_skipped(state: State, event: e.MessageSkipped) -> State:
    return _unplan(state, event.message.key)


def _unplan(state: State, key: str) -> State:
    if not any(p.message.key == key for p in state.outbox):
        return state
    return state.with_(outbox=tuple(p for p in state.outbox if p.message.key != key))


@EVENTS.on(e.MessageRecalled)
def _message_recalled(state: State, event: e.MessageRecalled) -> State:
    asks = {k: a for k, a in state.asks.items() if k != event.message.key}
    recalled = (*state.recalled[1 - MESSAGES_RECALLED :], event.message.key)
    return state if len(asks) == len(state.asks) else state.with_(asks=asks, recalled=recalled)


@EVENTS.on(e.MessageSettled)
def _message_settled(state: State, event: e.MessageSettled) -> State:
    key, to = event.delivered.key, event.delivered.to
    if event.delivered.outcome == "delivered" and not event.delivered.discreet:
        state = state.with_(unreachable=tuple(p for p in state.unreachable if p != to))
    return state.with_(
        asks={k: a for k, a in state.asks.items() if k != key},
        recalled=tuple(k for k in state.recalled if k != key),
    )


@EVENTS.on(e.FoundUnreachable)
def _found_unreachable(state: State, event: e.FoundUnreachable) -> State:
    return state.with_(unreachable=tuple(dict.fromkeys((*state.unreachable, event.person))))


# --- what partners keep and change ------------------------------------------------------------------------------------


@EVENTS.on(e.NoteKept)
def _note_kept(state: State, event: e.NoteKept) -> State:
    note = event.note
    if any(n.id == note.id for n in state.notes):
        return state.with_(notes=tuple(note if n.id == note.id else n for n in state.notes))
    return state.with_(
        notes=(*state.notes, note), noted={**state.noted, note.by: state.noted.get(note.by, 0) + 1}
    )


@EVENTS.on(e.NoteRemoved)
def _note_removed(state: State, event: e.NoteRemoved) -> State:
    return state.with_(notes=tuple(n for n in state.notes if n.id != event.note))


@EVENTS.on(e.Adjusted)
def _adjusted(state: State, event: e.Adjusted) -> State:
    people = state.plan.people
    before = people.a if event.by == "a" else people.b
    people = people.with_(a=event.person) if event.by == "a" else people.with_(b=event.person)
    state = state.with_(plan=state.plan.with_(people=people))
    if (before.zone, before.quiet) != (event.person.zone, event.person.quiet):
        # What is known, or being asked, of other hours says nothing any more.
        asks = {k: a for k, a in state.asks.items() if isinstance(a, Message) or a.want != "windows"}
        state = state.with_(windows=None, asks=asks)
    shares = event.share_attendance
    return state if shares is None else _share(state, event.by, shares=shares)


@EVENTS.on(e.PolicyChanged)
def _policy_changed(state: State, event: e.PolicyChanged) -> State:
    kept = tuple(s if s.status == "booking" else s.with_(before=True) for s in state.sessions)
    plan = state.plan.with_(policy=event.policy)
    return state.with_(plan=plan, policy_before=state.plan.policy, sessions=kept)


@EVENTS.on(e.RequestGranted)
def _request_granted(state: State, event: e.RequestGranted) -> State:
    kept = (*state.requests[1 - REQUESTS_KEPT :], event.granted)
    about = {None, *(r.id for r in kept)}
    return state.with_(requests=kept, questions=tuple(q for q in state.questions if q.request in about))


# --- the ladder -------------------------------------------------------------------------------------------------------


@EVENTS.on(e.EscalationBegan)
def _escalation_began(state: State, event: e.EscalationBegan) -> State:
    return without(state, "check_in").with_(escalation=event.escalation)


@EVENTS.on(e.StepTaken)
def _step_taken(state: State, event: e.StepTaken) -> State:
    return _escalate(state, taken=event.index + 1)


@EVENTS.on(e.Alerted)
def _alerted(state: State, event: e.Alerted) -> State:
    alerts = state.escalation.alerts if state.escalation else ()
    return _escalate(state, alerts=(*alerts, event.alert))


@EVENTS.on(e.Called)
def _called(state: State, event: e.Called) -> State:
    return state.with_(called=(*state.called, event.alert))


@EVENTS.on(e.Acknowledged)
def _acknowledged(state: State, event: e.Acknowledged) -> State:
    alert = next((a for a in state.alerts if a.id == event.alert), None)
    if alert is None:
        return state
    if alert in state.called and event.snooze is None:
        # Somebody has taken it: nobody else is called for it.
        return state.with_(called=())
    state = _put_off(state, alert, event.snooze) if event.snooze else state
    return _change_alert(state, event.alert, acknowledged=event.at, snoozed=event.snooze)


def _put_off(state: State, alert: Alert, until: Instant) -> State:
    """The steps that follow an alert come as long after it as ever, once it is back."""
    escalation = state.escalation
    if escalation is None or alert.step is None:
        return state
    counted_from = max(escalation.counted_from, until - escalation.steps[alert.step].after)
    return _escalate(state, counted_from=counted_from)


@EVENTS.on(e.SnoozeEnded)
def _snooze_ended(state: State, event: e.SnoozeEnded) -> State:
    return _change_alert(state, event.alert, at=event.at, acknowledged=None, snoozed=None)


def _change_alert(state: State, alert: str, **changes: Any) -> State:  # noqa: ANN401 - the fields of an alert
    def changed(alerts: tuple[Alert, ...]) -> tuple[Alert, ...]:
        return tuple(a.with_(**changes) if a.id == alert else a for a in alerts)

    alerts = state.escalation.alerts if state.escalation else ()
    return _escalate(state.with_(called=changed(state.called)), alerts=changed(alerts))


@EVENTS.on(e.Decided)
def _decided(state: State, event: e.Decided) -> State:
    # To pause on is a decision too: the programme then waits like any other paused one.
    state = without(state, "go_on").with_(escalation=None)
    if state.paused is None:
        return state
    paused = state.paused.with_(for_decision=False, still_since=event.at)
    return without(state, "resume").with_(paused=paused)


def _escalate(state: State, **changes: Any) -> State:  # noqa: ANN401 - the fields of an escalation
    return state if state.escalation is None else state.with_(escalation=state.escalation.with_(**changes))
