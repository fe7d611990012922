"""The ladder: what is done about a miss, or a pause that nobody ends, step by step, as long as its reason holds.

The steps are data (`policy.Step`); this module only knows when one is due and how each deed is done. An escalation
keeps a snapshot of its steps, so that a changed policy applies from the next miss.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from duologue.practice import course
from duologue.practice import events as e
from duologue.practice.asks import Staff
from duologue.practice.policy import Step
from duologue.practice.state import NO_SESSION, Alert, Escalation, QuestionKind, Session, State
from duologue.practice.telling import Ledger, ask, tell, tell_each
from duologue.practice.values import PARTNERS, Instant, Partner, Ref

Decision = Literal["go_on", "pause", "end"]

_QUESTIONS: Mapping[str, QuestionKind] = {"go_on": "go_on", "resume_asked": "resume"}
"""What a step asks, by its text; all others ask how things are."""


def begin(ledger: Ledger, session: Session, absent: tuple[Partner, ...]) -> None:
    """Set the ladder to work after a miss: that of the policy under which the session was booked."""
    state = ledger.state
    rungs = state.policy_for(session).ladder
    escalation = Escalation(
        session=session.number,
        since=ledger.now,
        counted_from=ledger.now,
        misses=state.missed_in_a_row,
        occasion=f"m{session.number}.{state.missed_in_a_row}.{state.counts.get('missed', 0)}",
        steps=_unrolled(rungs[min(state.missed_in_a_row, len(rungs)) - 1]),
        absent=absent,
    )
    ledger.emit(e.EscalationBegan(at=ledger.now, escalation=escalation))


def ask_to_go_on(ledger: Ledger) -> None:
    """Ask who has not said so whether to go on after the pause, and set to work what is done without an answer."""
    for person in PARTNERS:
        if ledger.state.paused and person not in ledger.state.paused.ready:
            ask(ledger, person, "resume", template="resume_asked")
    state = ledger.state
    at_work = state.escalation is not None and state.escalation.session == NO_SESSION
    if state.asked_to_go_on and not at_work:
        escalation = Escalation(
            session=NO_SESSION,
            since=ledger.now,
            counted_from=ledger.now,
            misses=state.missed_in_a_row,
            occasion=f"p{state.seq}",
            steps=_unrolled(state.policy.resuming),
        )
        ledger.emit(e.EscalationBegan(at=ledger.now, escalation=escalation))


def _unrolled(rung: tuple[Step, ...]) -> tuple[Step, ...]:
    """The steps in the order of their time, one that is repeated as many, so that it holds up no other."""
    every = (
        step.with_(after=step.after + (step.every or timedelta(0)) * n, every=None, times=1)
        for step in rung
        for n in range(step.times)
    )
    return tuple(sorted(every, key=lambda step: step.after))


def due(state: State) -> tuple[Instant, int] | None:
    """The next step whose reason holds, and when it is to be taken."""
    escalation = state.escalation
    if escalation is None:
        return None
    for index, step in enumerate(escalation.steps[escalation.taken :], escalation.taken):
        if _holds(state, escalation, step):
            return escalation.due(step), index
    return None


def possible(state: State, step: Step) -> bool:
    """Whether a step has somebody to go to; one that has not is skipped."""
    return step.to in ("each", "absent") or _contact(state, step) is not None


def to_be_done(state: State, step: Step) -> bool:
    """Whether there is still a reason for a step, to somebody who wants it taken at once.

    Nobody is alerted, told or asked about what has been booked again, answered or decided. That an alert has been
    acknowledged is no reason against calling somebody else; and to pause and to end need none.
    """
    escalation = state.escalation
    if escalation is None:
        return False
    return step.do in ("pause", "end") or (
        _open(state, escalation) if step.reason == "unacknowledged" else _holds(state, escalation, step)
    )


def _holds(state: State, escalation: Escalation, step: Step) -> bool:
    if not possible(state, step):
        return False
    match step.reason:
        case "unbooked":
            return _unbooked(state, escalation)
        case "unacknowledged":
            return bool(escalation.waiting) and _open(state, escalation)
        case "undecided":
            return _undecided(state, escalation)
        case "unanswered":
            return state.asked_to_go_on
        case _:
            return True


def _unbooked(state: State, escalation: Escalation) -> bool:
    session = state.session(escalation.session)
    return session is not None and session.waits


def _undecided(state: State, escalation: Escalation) -> bool:
    return _unbooked(state, escalation) or (state.paused is not None and state.paused.for_decision)


def _open(state: State, escalation: Escalation) -> bool:
    """Whether what the ladder is about is still so: nothing booked again, answered or decided."""
    return state.asked_to_go_on if escalation.session == NO_SESSION else _undecided(state, escalation)


def _contact(state: State, step: Step) -> tuple[Staff, Ref] | None:
    """Who of the staff a step goes to; None where the plan names nobody."""
    if step.to == "safeguarding":
        return ("safeguarding", state.plan.safeguarding) if state.plan.safeguarding else None
    place = {"facilitator": 0, "next_contact": 1}.get(step.to)
    if place is None or place >= len(state.plan.facilitators):
        return None
    return "facilitator", state.plan.facilitators[place]


def take(ledger: Ledger, index: int, *, jumped: bool = False) -> None:
    """Take a step of the ladder, because its time has come or somebody has jumped to it.

    While a concern is open no time ends a programme; the step comes all the same, so that nothing tells of that before.
    """
    escalation = ledger.state.escalation
    if escalation is None:
        return
    step, session = escalation.steps[index], ledger.state.session(escalation.session)
    skipped = tuple(range(escalation.taken, index))
    ledger.emit(e.StepTaken(at=ledger.now, index=index, skipped=skipped))
    about = f"{escalation.occasion}.{index}"
    partners = escalation.absent if step.to == "absent" else PARTNERS
    contact, until = _contact(ledger.state, step), _until(ledger.state, escalation, index)
    match step.do:
        case "tell" if contact is not None:
            tell(ledger, contact[0], step.text, about=about, ref=contact[1])
        case "tell":
            for person in partners:
                tell(ledger, person, step.text, about=about, session=session, until=until)
        case "ask":
            _ask(ledger, partners, step.text, about, until)
        case "alert" if contact is not None:
            _alert(ledger, *contact, step.text, about, index)
        case "pause":
            course.pause(ledger, for_decision=True)
        case "end":
            _end_of_patience(ledger, escalation, jumped=jumped)


def ends(state: State, alert: str, latest: Instant) -> Instant:
    """When what an alert is about ends by itself, as far as that comes before `latest`."""
    escalation = state.escalation
    if escalation is None or alert not in [a.id for a in escalation.alerts]:
        return latest
    return min(
        (escalation.due(s) for s in escalation.steps[escalation.taken :] if s.do == "end"), default=latest
    )


def _until(state: State, escalation: Escalation, index: int) -> Instant | None:
    """When what a step tells partners is void: the session books itself, or a later step ends the programme."""
    session = state.session(escalation.session)
    ends = [escalation.due(step) for step in escalation.steps[index + 1 :] if step.do == "end"]
    if session is not None and session.rebook_by is not None:
        ends.append(session.rebook_by)
    return min(ends, default=None)


def _ask(ledger: Ledger, partners: tuple[Partner, ...], text: str, about: str, until: Instant | None) -> None:
    kind = _QUESTIONS.get(text, "check_in")
    open_to = [q.to for q in ledger.state.questions if q.kind == kind]
    for person in partners:
        if person not in open_to:
            if kind == "resume":
                continue  # who has answered that is not asked again
            ask(ledger, person, kind)
        asked = next((q.id for q in ledger.state.questions if (q.kind, q.to) == (kind, person)), None)
        tell(ledger, person, text, about=about, until=until, question=asked)


def _alert(ledger: Ledger, to: Staff, contact: Ref, text: str, about: str, step: int) -> None:
    alert = Alert(id=about, to=to, ref=contact, text=text, at=ledger.now, step=step)
    ledger.emit(e.Alerted(at=ledger.now, alert=alert))
    tell(ledger, to, text, about=about, ref=contact)


def end_snooze(ledger: Ledger, alert: Alert) -> None:
    """The time for which an alert was put off is over: it waits to be acknowledged again."""
    ledger.emit(e.SnoozeEnded(at=ledger.now, alert=alert.id))
    tell(ledger, alert.to, alert.text, about=f"{alert.id}.{ledger.state.seq}", ref=alert.ref)


def chosen(ledger: Ledger) -> None:
    """Somebody has chosen after the miss that paused the programme.

    To stop is anybody's right and takes effect at once. Otherwise a facilitator decides with them; without one, both
    going on resumes, unless a concern is open, and a wish to pause leaves it paused.
    """
    escalation = ledger.state.escalation
    if escalation is None:
        return
    answers = escalation.answers
    if "stop" in answers.values():
        course.end(ledger, "withdrawn")
    elif _all_have_said(ledger.state) and not ledger.state.plan.facilitators:
        _as_wished(ledger, escalation)


def _all_have_said(state: State) -> bool:
    """Whether everybody whom the ladder has asked how to go on has said it; it may ask the absent one alone."""
    answers = state.escalation.answers if state.escalation else {}
    return bool(answers) and not any(q.kind == "go_on" for q in state.questions)


def awaits_decision(state: State) -> bool:
    """Whether a pause waits for a facilitator's decision, or for somebody's answer how to go on.

    A ladder may pause and ask nobody; where there is no facilitator either, that pause is one like any other.
    """
    asked = any(q.kind == "go_on" for q in state.questions)
    return state.paused is not None and state.paused.for_decision and (asked or bool(state.plan.facilitators))


def _wish(escalation: Escalation) -> Decision:
    return "go_on" if set(escalation.answers.values()) == {"go_on"} else "pause"


def _as_wished(ledger: Ledger, escalation: Escalation, *, jumped: bool = False) -> None:
    """Do what both wish. To go on while a concern is open is for a facilitator alone to bring about."""
    wish = _wish(escalation)
    if wish == "pause" or jumped or not ledger.state.hushed:
        decide(ledger, wish, by="")


def _end_of_patience(ledger: Ledger, escalation: Escalation, *, jumped: bool) -> None:
    """Nobody has decided. The programme ends, unless all who were asked have answered: they have not been silent."""
    if _all_have_said(ledger.state):
        _as_wished(ledger, escalation, jumped=jumped)
    elif jumped or not ledger.state.hushed:
        course.end(ledger, "silence")


def decide(ledger: Ledger, decision: Decision, *, by: Literal["facilitator", ""] = "facilitator") -> None:
    """Carry out what was decided."""
    ledger.emit(e.Decided(at=ledger.now, decision=decision, by=by))
    match decision:
        case "go_on" if ledger.state.paused:
            course.go_on(ledger)
        case "end":
            course.end(ledger, "decided")
        case "pause" if ledger.state.paused:
            tell_each(ledger, "paused", about=f"p{ledger.state.seq}")
        case "pause":
            course.pause(ledger)
