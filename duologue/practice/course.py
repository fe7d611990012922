"""The programme's course: what follows from what, told as a sequence of events.

The consequences that commands, the passing of time and answers from the world share: to enrol, to book, to open and to
finish a dialogue, to pause, to end. How people are told is in `telling.py`; who may send what in `commands.py`; what
time alone brings about in `passing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Literal

from duologue.practice import calling, grammar
from duologue.practice import events as e
from duologue.practice.asks import Message, Resolution, Resolve, Slot
from duologue.practice.grammar import Dialogue
from duologue.practice.moments import clashes, soonest
from duologue.practice.plan import Item, Listed
from duologue.practice.state import Ending, Granted, Outcome, Session, State
from duologue.practice.telling import (
    Ledger,
    ask,
    clear_calendars,
    invited_to,
    notify,
    place,
    recall,
    replan,
    tell,
    tell_each,
    tell_each_and_clear,
    void,
)
from duologue.practice.times import ask_calendar, ask_time
from duologue.practice.values import PARTNERS, Instant, Partner, Words, other

# --- enrolling --------------------------------------------------------------------------------------------------------


def begin(ledger: Ledger) -> None:
    """The first events of a programme: both are welcomed and asked the suitability questions."""
    for person in PARTNERS:
        tell(ledger, person, "welcome", until=ledger.now + ledger.state.policy.enrol_within)
        ask(ledger, person, "intake")


def enrolled(ledger: Ledger) -> None:
    """Once both have consented and answered, the programme begins, or ends with the same words for both.

    The outcome waits for both answers, so that its moment does not tell whose answer it was.
    """
    state = ledger.state
    if len(state.consents) < len(PARTNERS) or len(state.screened) < len(PARTNERS):
        return
    if not all(state.screened.values()):
        end(ledger, "not_now")
        return
    void(ledger)
    ledger.emit(e.PractisingBegan(at=ledger.now))
    tell_each(ledger, "enrolled")
    book_next(ledger)


def screen_again(ledger: Ledger, person: Partner) -> None:
    """Ask the private suitability questions again; in a pause nobody is told of that before it ends."""
    template = "midpoint" if ledger.state.paused is None else None
    ask(ledger, person, "midpoint", within=ledger.state.policy.decide_within, template=template)


def screened_again(ledger: Ledger) -> None:
    """After the midpoint questions are answered or their time is over: a "no" pauses like any other pause does."""
    state = ledger.state
    if any(q.kind == "midpoint" for q in state.questions) or all(state.screened.values()):
        return
    pause(ledger, until=state.paused.until if state.paused else None, concern=True)


# --- what is held next ------------------------------------------------------------------------------------------------


def book_next(ledger: Ledger) -> None:
    """Make the curriculum's next session and ask for its time; after the last, ask about the tail or complete.

    Whenever a session is over, or a gift followed up, this looks again: nothing completes while another session is
    still to be held, or while it is open what became of a gift.
    """
    state = ledger.state
    if state.stage != "practising":
        return
    regular = next((s for s in state.sessions if s.origin in ("curriculum", "tail")), None)
    if regular is not None:
        if regular.status == "booking" and regular.asking not in state.asks:
            ask_time(ledger, regular)
        return
    curriculum, number = state.plan.curriculum, state.next_item + state.tail_held
    if state.next_item < len(curriculum.items):
        made = _session(state, curriculum.items[state.next_item], number)
    elif curriculum.tail is not None and state.in_tail and state.tail_held < curriculum.tail.count:
        made = _session(state, curriculum.tail.item, number).with_(origin="tail")
    elif curriculum.tail is not None and not state.in_tail and len(state.tail_chosen) < len(PARTNERS):
        for person in PARTNERS:
            if person not in state.tail_chosen:
                ask(ledger, person, "tail", within=state.policy.decide_within, template="tail")
        return
    else:
        if not state.sessions and not _gifts_open(state):
            end(ledger, "completed")
        return
    ledger.emit(e.SessionMade(at=ledger.now, session=made))
    ask_time(ledger, made)


def _gifts_open(state: State) -> bool:
    """Whether a gift is still to be followed up."""
    return any(granted.status in ("open", "asked") for granted in state.requests)


def _session(state: State, item: Item, turn: int) -> Session:
    first = state.plan.first_sender
    alternating: Partner = first if turn % 2 == 0 else other(first)
    return Session(number=state.numbers + 1, item=item, first_sender=item.first_sender or alternating)


def chosen_tail(ledger: Ledger) -> None:
    """Both have answered about the tail, or the time for it is over."""
    state = ledger.state
    if any(q.kind == "tail" for q in state.questions):
        return
    if [state.tail_chosen.get(p) for p in PARTNERS] == ["go_on", "go_on"]:
        ledger.emit(e.TailBegan(at=ledger.now))
    book_next(ledger)


# --- times ------------------------------------------------------------------------------------------------------------


def time_resolved(ledger: Ledger, resolution: Resolution) -> None:
    """Use the calendar's answer: its windows for what waits to be sent, its times to book the session or to offer."""
    asked = ledger.state.asks.get(resolution.key)
    if not isinstance(asked, Resolve):
        return
    ledger.emit(e.TimeResolved(at=ledger.now, resolution=resolution))
    replan(ledger)
    state = ledger.state
    session = next((s for s in state.sessions if s.asking == resolution.key), None)
    if session is None:
        return
    free = _free(ledger, session, asked, resolution.slots)
    if session.waits and asked.want == "proposals":
        ledger.emit(e.ProposalsMade(at=ledger.now, session=session.number, proposals=_offer(free)))
    elif session.status == "booked":
        _look_at_the_night(ledger, session, resolution.slots)
    elif session.status != "booking" or state.stage != "practising":
        return
    elif free:
        others = _free(ledger, session, asked, resolution.others)
        book(ledger, session, free[0], _offer([*free[1:], *others]))
    elif asked.want == "slot" and resolution.slots:
        # The regular slot is too soon or taken by another dialogue: the one after it will do.
        ask_calendar(ledger, session, asked.with_(after=resolution.slots[0].start))
    elif session.origin == "asked":
        let_go(ledger, session, "cancelled")
    elif asked.want != "slot":
        after = soonest(state, ledger.now, ledger.now)
        wanted = {"want": "slot", "at": None, "offsets": state.policy.proposals, "after": after}
        ask_calendar(ledger, session, asked.with_(**wanted))
    elif session.origin == "deferred":
        let_go(ledger, session, "cancelled")
    elif len(state.sessions) == 1 and not _gifts_open(state):
        # It is complete where the last slot was held, and not where this session had that one, or none was held.
        held = state.in_tail or (state.next_item > 0 and session.revision == 0)
        end(ledger, "slots_used_up" if held else "no_slot_left")
    # Else another session is still to be held, or a gift to be followed up; after that, `book_next` asks again.


def _free(ledger: Ledger, session: Session, asked: Resolve, slots: Iterable[Slot]) -> list[Slot]:
    """Those of which both can be told in time, and that run into no other session."""
    earliest = soonest(ledger.state, asked.since, ledger.now)
    return [s for s in slots if s.start > earliest and not clashes(ledger.state, s.start, session.number)]


def _offer(slots: Iterable[Slot]) -> tuple[Instant, ...]:
    """Times to choose from: one that is night for one of them is offered after all others."""
    return tuple(slot.start for slot in sorted(slots, key=lambda slot: len(slot.night_for)))


def _look_at_the_night(ledger: Ledger, session: Session, slots: tuple[Slot, ...]) -> None:
    """Somebody's clock has changed since a session was booked: for whom it is at night now."""
    for slot in slots:
        if slot.start == session.start and slot.night_for != session.night_for:
            ledger.emit(e.NightFound(at=ledger.now, session=session.number, night_for=slot.night_for))


def book(ledger: Ledger, session: Session, slot: Slot, proposals: tuple[Instant, ...]) -> None:
    """Give a session its time, invite both, and plan the reminders; those whose moment is past are skipped."""
    again, start = session.revision > 0, slot.start
    void(ledger, session.number)
    ledger.emit(
        e.SessionBooked(
            at=ledger.now,
            session=session.number,
            start=start,
            local=slot.local,
            night_for=slot.night_for,
            proposals=proposals,
        )
    )
    booked = ledger.state.session(session.number)
    if booked is None or booked.start is None:
        return
    about = f"s{booked.number}"
    tell_each(ledger, "moved" if again else "invitation", about=about, session=booked, until=start)
    for index, before in enumerate(ledger.state.policy.reminders, 1):
        moment = start - before
        tell_each(ledger, "reminder", about=f"{about}.{index}", session=booked, when=moment, until=start)


def book_again(
    ledger: Ledger, session: Session, *, at: Instant | None = None, by: Partner | None = None
) -> None:
    """Book a session anew; what was planned for its old time is void."""
    void(ledger, session.number)
    ledger.emit(e.BookingBegan(at=ledger.now, session=session.number, by=by))
    fresh = ledger.state.session(session.number)
    if fresh is not None:
        ask_time(ledger, fresh, at=at)


def make_room(ledger: Ledger, running: Session) -> None:
    """A time-out has moved a dialogue's end: book anew what it now runs into."""
    if running.start is None or running.ends is None:
        return
    for session in ledger.state.sessions:
        if session.status == "booked" and session.start is not None and session.start < running.ends:
            let_go(ledger, session, "cancelled") if session.origin == "asked" else book_again(ledger, session)


# --- dialogues --------------------------------------------------------------------------------------------------------


def open_dialogue(ledger: Ledger, session: Session) -> None:
    """Both have checked in. Opt-ins count as they are at this moment: a commitment can be revoked until then."""
    void(ledger, session.number)
    kinds = ledger.state.kinds_now(session, held=session.part)
    ledger.emit(e.DialogueOpened(at=ledger.now, session=session.number, kinds=kinds))
    if "review" in kinds:
        for granted in ledger.state.requests:
            if granted.status == "open":
                follow_up(ledger, granted)


def follow_up(ledger: Ledger, granted: Granted) -> None:
    """Ask the one who made a request what became of it."""
    within = ledger.state.policy.decide_within
    ask(ledger, granted.asked_by, "followup", within=within, request=granted.id, template="followup")


def dialogue_moved(ledger: Ledger, session: Session) -> None:
    """After a turn: if the dialogue has come to its end, go on with the session's next part, or end it."""
    dialogue = session.dialogue
    if dialogue is None or dialogue.outcome is None:
        return
    if dialogue.outcome == "done" and session.part + 1 < len(session.kinds):
        _keep_agreed(ledger, session)
        kinds = ledger.state.kinds_now(session, held=session.part + 1)
        ledger.emit(e.PartBegan(at=ledger.now, session=session.number, kinds=kinds))
        return
    void(ledger, session.number)
    close(ledger, session, dialogue.outcome)


def close(ledger: Ledger, session: Session, outcome: Outcome) -> None:
    """A session is over; what comes next is booked."""
    _keep_agreed(ledger, session)
    ledger.emit(e.SessionEnded(at=ledger.now, session=session.number, outcome=outcome))
    if session.item.midpoint and outcome in ("done", "stopped") and _more_to_hold(ledger.state):
        for person in PARTNERS:
            screen_again(ledger, person)
    book_next(ledger)


def _more_to_hold(state: State) -> bool:
    curriculum, tail = state.plan.curriculum, state.plan.curriculum.tail
    in_tail = tail is not None and state.tail_held < tail.count
    return bool(state.sessions) or state.next_item < len(curriculum.items) or in_tail


def let_go(ledger: Ledger, session: Session, outcome: Literal["lapsed", "cancelled"]) -> None:
    """A session is not held, or not to its end, and not booked again; both are told, with the same words."""
    undone, shown = void(ledger, session.number), session.with_(start=session.start or session.invited)
    clear_calendars(ledger, outcome, "", [shown], undone)
    close(ledger, session, outcome)


def _keep_agreed(ledger: Ledger, session: Session) -> None:
    """What the two have agreed in a dialogue holds, however it ends: gifts, and a half left for another day."""
    if session.dialogue is not None:
        _grant(ledger, session, session.dialogue)
        if session.dialogue.deferred:
            _defer(ledger, session, session.dialogue)


def _grant(ledger: Ledger, session: Session, dialogue: Dialogue) -> None:
    for number in dialogue.chosen:
        line = next(n for n in dialogue.lines if n.number == number)
        granted = Granted(
            id=f"r{session.number}.{session.part}.{number}",
            asked_by=line.by,
            words=line.words,
            due=ledger.now + timedelta(days=line.within_days or 7),
        )
        ledger.emit(e.RequestGranted(at=ledger.now, granted=granted))


def _defer(ledger: Ledger, session: Session, dialogue: Dialogue) -> None:
    half, state = grammar.other_half(dialogue), ledger.state
    made = Session(
        number=state.numbers + 1,
        item=Item(
            kinds=(dialogue.kind,),
            title=session.item.title,
            theme=session.item.theme,
            fallback=session.item.fallback,
        ),
        first_sender=half.sender,
        origin="deferred",
        dialogue=half,
        kinds=(dialogue.kind,),
    )
    ledger.emit(e.SessionMade(at=ledger.now, session=made))
    ask_time(ledger, made, base=session.start)


# --- pauses -----------------------------------------------------------------------------------------------------------


def pause(
    ledger: Ledger,
    *,
    until: Instant | None = None,
    for_decision: bool = False,
    concern: bool = False,
    reason: Words | None = None,
    by: Partner | None = None,
) -> None:
    """Pause the programme. Every pause sends the same messages, so that none tells why it was called.

    Of one that changes nothing for the two, because it is paused already, they are not told again; safeguarding is.
    """
    news, invited = _news_to_both(ledger.state, until), invited_to(ledger.state)
    undone = void(ledger) if news else []
    # What is still asked of the two is told once more: after a concern that is padding, and the real one has to stop.
    taken_back = [] if news else recall(ledger, lambda message: message.discreet)
    for session in (s for s in ledger.state.sessions if s.origin == "asked"):
        _keep_agreed(ledger, session)
        ledger.emit(e.SessionEnded(at=ledger.now, session=session.number, outcome="cancelled"))
    about = f"p{ledger.state.seq}"
    ledger.emit(e.PauseBegan(at=ledger.now, until=until, for_decision=for_decision, concern=concern))
    if for_decision:
        clear_calendars(ledger, "cancelled", about, invited, undone)
        return
    if news:
        tell_each_and_clear(ledger, "paused", about, invited, undone)
    for message in _of_the_ladder(ledger.state, taken_back):
        key = f"{message.programme}:{about}:{message.what}:{message.to}:{message.revision}"
        place(ledger, message.with_(key=key, template=message.what, at=ledger.now), ledger.now)
    notify(ledger, about, concern=concern, reason=reason, of=by)


def _of_the_ladder(state: State, messages: Iterable[Message]) -> Iterable[Message]:
    """The last to each of the two that the ladder itself has sent: it is told once more, and not at every pause."""
    occasion = state.escalation.occasion if state.escalation else ""
    begins = f"{state.plan.programme}:{occasion}."
    return {message.to: message for message in messages if message.key.startswith(begins)}.values()


def _news_to_both(state: State, until: Instant | None) -> bool:
    """Whether a pause changes something for the two: that it rests, until when, or what they are asked meanwhile."""
    paused = state.paused
    if paused is None:
        return True
    return not state.deciding and (paused.until != until or bool(paused.ready) or state.asked_to_go_on)


def go_on(ledger: Ledger) -> None:
    """End a pause and book what is waiting to be booked; what remains shifts by its length, if the policy says so.

    Whoever has a question still open is told of it again: what told of it before may have been taken back by the pause.
    """
    state = ledger.state
    shifts = state.paused is not None and state.policy.after_pause == "shift"
    length = ledger.now - state.paused.since if shifts and state.paused else timedelta(0)
    # By the wall clock only whole days make a difference that keeps the time of day; a list is moved to the second.
    unit = timedelta(seconds=1) if isinstance(state.plan.cadence, Listed) else timedelta(days=1)
    undone = void(ledger)
    ledger.emit(e.PauseEnded(at=ledger.now, shift=length // unit * unit))
    about = f"p{ledger.state.seq}"
    tell_each(ledger, "resumed", about=about)
    clear_calendars(ledger, "cancelled", about, (), undone)
    for question in ledger.state.questions:
        about = f"{question.id}.{ledger.state.seq}"
        tell(ledger, question.to, question.kind, about=about, until=question.answer_by, question=question.id)
    for session in ledger.state.sessions:
        ask_time(ledger, session)
    book_next(ledger)


# --- the end ----------------------------------------------------------------------------------------------------------


_FAREWELL: Mapping[Ending, str] = {
    "completed": "completed",
    "slots_used_up": "completed",
    "not_now": "not_now",
    "not_enrolled": "not_enrolled",
}


def end(ledger: Ledger, ending: Ending) -> None:
    """End the programme gently: both are told, with the same words.

    Nobody waits any more for a call to be acknowledged: what would be done about that later is done now. Where the
    midpoint's questions are open, notices go out as for a pause: of what one of the two has answered by then, if that
    is a concern, and otherwise of nothing.
    """
    if calling.unanswered(ledger.state) is not None:
        calling.again(ledger)
    before = ledger.state
    undone, invited = void(ledger), invited_to(before)
    ledger.emit(e.Ended(at=ledger.now, ending=ending))
    tell_each_and_clear(ledger, _FAREWELL.get(ending, "ended"), "programme", invited, undone)
    if any(q.kind == "midpoint" for q in before.questions):
        notify(ledger, "end", concern=not all(before.screened.values()), reason=None)
