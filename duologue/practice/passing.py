"""The passing of time: every deadline a state holds, and what happens when one comes.

Deadlines are derived from the state and never stored beside it, so that one whose reason is gone is gone too. Each
happens at its own instant, in order, however late anybody looks; when that is has no influence on what happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from duologue.practice import calling, course, ladder, times
from duologue.practice import events as e
from duologue.practice.asks import Message, Resolve
from duologue.practice.moments import allowed_from, answer_by
from duologue.practice.policy import Policy
from duologue.practice.state import Break, Granted, Pending, Question, Session, State
from duologue.practice.telling import Ledger, place, tell, tell_each, void
from duologue.practice.values import PARTNERS, Instant, other

Deed = Callable[[Ledger], None]
Deadline = tuple[Instant, str, Deed]
"""When, what (for people, and for the order among equals), and what is then done."""

_ANSWERS_COUNT = ("question", "ladder")
"""How those deadlines begin whose outcome is decided by what somebody has answered in private."""


def due(state: State) -> Instant | None:
    """When time itself next makes something happen; None: never."""
    return min((at for at, _, _ in deadlines(state)), default=None)


def next_deadline(state: State) -> Deadline | None:
    """The next deadline; among those of one instant, in the alphabetical order of what they are."""
    return min(deadlines(state), key=lambda d: d[:2], default=None)


def finished(state: State) -> bool:
    """Whether nothing is left to do: the programme is over and everybody has been told.

    A time that is still being asked for is no longer needed then.
    """
    messages = any(isinstance(ask, Message) for ask in state.asks.values())
    return state.over and not (messages or state.outbox or state.recalled)


def pass_time(ledger: Ledger, until: Instant, *, foretold: bool = True) -> None:
    """Let everything happen that time brings about up to and including `until`.

    Unless it is to be `foretold`, time stands still before the first deadline at which private answers count.
    """
    while (deadline := next_deadline(ledger.state)) is not None and deadline[0] <= until:
        if not foretold and deadline[1].startswith(_ANSWERS_COUNT):
            return
        ledger.now = max(deadline[0], ledger.state.clock)
        deadline[2](ledger)
    ledger.now = max(until, ledger.state.clock)


def deadlines(state: State) -> Iterator[Deadline]:
    """Every deadline that the state holds."""
    yield from _of_outbox(state)
    if state.over:
        return
    if state.stage == "enrolling":
        yield state.opened + state.policy.enrol_within, "enrolling ends", _enrolling_ends
        return
    for question in state.questions:
        # In a pause the time for an answer stands still; at the midpoint it comes round all the same, for the concern.
        if (by := answer_by(state, question)) and (state.paused is None or question.kind == "midpoint"):
            yield by, f"question {question.id}", partial(_lapse, question=question)
    yield from _of_ladder(state)
    paused = state.paused
    if paused is not None:
        waits = state.asked_to_go_on or ladder.awaits_decision(state)
        if not waits and len(paused.ready) < len(PARTNERS):
            yield _end_of(paused, state.policy), "pause ends", _pause_ends
        return
    for granted in state.requests:
        if granted.status == "open":
            yield granted.due, f"request {granted.id}", partial(_follow_up, granted=granted)
    for session in state.sessions:
        yield from _of_session(state, session)


def _of_outbox(state: State) -> Iterator[Deadline]:
    """Each message at its moment. Where its recipient's windows are not known then, they are asked for.

    They come with every answer of the calendar, so while it is asked anything the message waits for that.
    """
    asked = any(isinstance(ask, Resolve) for ask in state.asks.values())
    for pending in state.outbox:
        if allowed_from(state, pending.message.to, pending.at) is not None:
            yield pending.at, f"message {pending.message.template}", partial(_send, pending=pending)
        elif not asked:
            yield pending.at, "windows", times.ask_windows


def _end_of(paused: Break, policy: Policy) -> Instant:
    """When both are asked whether to go on: at the end that was named, and then, or without one, time and again."""
    if paused.until is not None and paused.still_since < paused.until:
        return paused.until
    return paused.still_since + policy.pause_asks_after


def _of_ladder(state: State) -> Iterator[Deadline]:
    step = ladder.due(state)
    if step is not None:
        yield step[0], "ladder", partial(ladder.take, index=step[1])
    for alert in state.alerts:
        if alert.snoozed is not None:
            yield alert.snoozed, f"alert {alert.id}", partial(ladder.end_snooze, alert=alert)
    if (again := calling.unanswered(state)) is not None:
        yield again, "alert unanswered", calling.again


def _of_session(state: State, session: Session) -> Iterator[Deadline]:
    policy, place = state.policy_for(session), f"session {session.number:04}"
    if session.waits and session.rebook_by is not None:
        yield session.rebook_by, f"{place} rebook", partial(_rebook, session=session)
    if session.status == "booked" and session.start is not None:
        if not session.asked_absent:
            yield (
                session.start + policy.ask_absent_after,
                f"{place} absent",
                partial(_ask_absent, session=session),
            )
        yield session.start + policy.missed_after, f"{place} missed", partial(_miss, session=session)
    dialogue = session.dialogue
    if session.status != "open" or dialogue is None or session.ends is None or session.quiet_since is None:
        return
    if dialogue.time_out is not None:
        yield dialogue.time_out.until, f"{place} time-out", partial(_end_time_out, session=session)
        return
    if not session.nudged and session.quiet_since + policy.idle_after < session.ends:
        yield session.quiet_since + policy.idle_after, f"{place} idle", partial(_nudge, session=session)
    yield session.ends, f"{place} unfinished", partial(_unfinished, session=session)


def _send(ledger: Ledger, pending: Pending) -> None:
    place(ledger, pending.message, pending.wanted)


def _enrolling_ends(ledger: Ledger) -> None:
    # The same end, at the same moment, whether a consent, an answer or both are missing.
    course.end(ledger, "not_enrolled")


def _lapse(ledger: Ledger, question: Question) -> None:
    rested = ledger.state.paused is not None
    ledger.emit(e.Lapsed(at=ledger.now, question=question.id))
    match question.kind:
        case "tail":
            course.chosen_tail(ledger)
        case "midpoint":
            course.screened_again(ledger)
            if rested:
                # Whoever was not told of it, because it is paused, can still answer.
                course.screen_again(ledger, question.to)
        case "followup":
            course.book_next(ledger)
        case "dialogue_request":
            asker = other(question.to)
            tell(ledger, asker, "question_lapsed", about=f"{asker}.{question.id}")


def _pause_ends(ledger: Ledger) -> None:
    ledger.emit(e.ResumeAsked(at=ledger.now))
    ladder.ask_to_go_on(ledger)


def _follow_up(ledger: Ledger, granted: Granted) -> None:
    course.follow_up(ledger, granted)


def _rebook(ledger: Ledger, session: Session) -> None:
    course.book_again(ledger, session)


def _ask_absent(ledger: Ledger, session: Session) -> None:
    absent = tuple(p for p in PARTNERS if p not in session.present)
    ledger.emit(e.AbsentAsked(at=ledger.now, session=session.number, absent=absent))
    for person in absent:
        until = session.start + ledger.state.policy_for(session).missed_after if session.start else None
        tell(ledger, person, "still_on", about=f"s{session.number}", session=session, until=until)


def _miss(ledger: Ledger, session: Session) -> None:
    if session.origin == "asked":
        course.let_go(ledger, session, "lapsed")
        return
    void(ledger, session.number)
    absent = tuple(p for p in PARTNERS if p not in session.present)
    ledger.emit(e.SessionMissed(at=ledger.now, session=session.number, absent=absent))
    waiting = ledger.state.session(session.number)
    if waiting is not None:
        times.ask_time(ledger, waiting, at=session.start, offer=True)
        ladder.begin(ledger, waiting, absent)


def _end_time_out(ledger: Ledger, session: Session) -> None:
    ledger.emit(e.TimeOutEnded(at=ledger.now, session=session.number))
    about = f"s{session.number}.{ledger.state.seq}"
    tell_each(ledger, "time_out_over", about=about, session=session, until=session.ends)


def _nudge(ledger: Ledger, session: Session) -> None:
    ledger.emit(e.Nudged(at=ledger.now, session=session.number))
    about = f"s{session.number}.{ledger.state.seq}"
    tell_each(ledger, "idle_nudge", about=about, session=session, until=session.ends)


def _unfinished(ledger: Ledger, session: Session) -> None:
    if session.origin == "asked":
        course.let_go(ledger, session, "lapsed")
        return
    void(ledger, session.number)
    ledger.emit(e.SessionUnfinished(at=ledger.now, session=session.number))
    waiting = ledger.state.session(session.number)
    if waiting is not None:
        until = waiting.rebook_by
        tell_each(ledger, "unfinished", about=f"s{session.number}", session=session, until=until)
        times.ask_time(ledger, waiting, at=session.start, offer=True)
