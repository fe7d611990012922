"""What people are told and asked: messages, at their moment or held through quiet hours, and private questions.

`Ledger` collects the events of one decision and keeps the state that they lead to. Why somebody is told something
is for `course.py`, `passing.py` and `ladder.py` to say; here is only how. That a concern can be told from nothing which
goes out is seen to here (docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal

from duologue.practice import events as e
from duologue.practice import texts
from duologue.practice.asks import GAVE_UP, RESTING, TRIED_FOR, Delivered, Message, To, called_off
from duologue.practice.evolve import evolve
from duologue.practice.kinds import KINDS
from duologue.practice.moments import allowed_from, free_until, quiet_hours
from duologue.practice.plan import KindName, Person
from duologue.practice.state import (
    MESSAGES_UNDER_WAY,
    MESSAGES_WAITING,
    STAFF_EXTRA,
    Question,
    QuestionKind,
    Session,
    State,
    person_ref,
)
from duologue.practice.values import PARTNERS, Instant, Partner, Words

CONCERN = "concern"
"""The one message that tells of a concern."""


class Ledger:
    """The events of one decision, at the instant `now`, and the state after them."""

    def __init__(self, state: State, now: Instant) -> None:
        self.state = state
        self.now = now
        self.events: list[e.Event] = []

    def emit(self, event: e.Event) -> None:
        """Write an event down and let it change the state; what tells of a question that it closes is taken back."""
        before = self.state
        self.events.append(event)
        self.state = evolve(before, event)
        if self.state.questions is not before.questions:
            take_back(self, lambda message: not _still_asked(self.state, message))


def tell(  # noqa: PLR0913 - all there is to say of a message
    ledger: Ledger,
    to: To,
    template: str,
    *,
    about: str = "programme",
    session: Session | None = None,
    ref: str | None = None,
    when: Instant | None = None,
    until: Instant | None = None,
    words: Words | None = None,
    of: Partner | None = None,
    question: str | None = None,
) -> None:
    """Send a message now, or plan it for `when` or the recipient's next allowed minute.

    `about` names the occasion and makes the idempotency key; `until` is when the message loses its purpose.
    """
    plan, person = ledger.state.plan, _person(ledger.state, to)
    recipient = ref or person_ref(ledger.state, to)
    revision = session.revision if session else 0
    # Keys are plain text to whoever runs the server: they must not tell what the safeguarding contact is told.
    what = "notice" if to == "safeguarding" else template
    message = Message(
        key=f"{plan.programme}:{about}:{what}:{to}:{revision}",
        programme=plan.programme,
        to=to,
        ref=recipient or "nobody",
        template=template,
        language=person.language if person else "en",
        zone=person.zone if person else plan.zone,
        session=session.number if session else None,
        revision=revision,
        start=session.start if session else None,
        until=until,
        minutes=sum(KINDS[k].minutes[1] for k in session.kinds or ledger.state.kinds_of(session.item))
        if session
        else None,
        at=ledger.now,
        words=words,
        of=of,
        question=question,
    )
    if template not in _meant_for(to):
        # Nothing asks for this; should anything ever, no partner reads what is for staff, nor they what is for the two.
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="wrong_audience"))
    elif recipient is None:
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="nobody"))
    elif when is not None and when < ledger.now:
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="past"))
    else:
        place(ledger, message, when or ledger.now)


def _meant_for(to: To) -> frozenset[str]:
    """What somebody may be told; of concerns, and of nothing in their place, safeguarding alone."""
    if to in PARTNERS:
        return texts.FOR_PARTNERS
    return texts.FOR_STAFF | {texts.PADDING} if to == "safeguarding" else texts.FOR_STAFF - {CONCERN}


def _person(state: State, to: To) -> Person | None:
    people = state.plan.people
    return people.a if to == "a" else people.b if to == "b" else None


def place(ledger: Ledger, message: Message, wanted: Instant) -> None:
    """Find the moment for a message: held, never dropped, unless holding it would pass its purpose.

    Where the recipient's windows are not known then, it waits for them: see `passing.deadlines`.
    """
    wished = max(wanted, ledger.now)
    allowed = allowed_from(ledger.state, message.to, wished)
    moment = allowed or wished
    if message.until is not None and moment >= message.until:
        reason: Literal["past", "quiet_hours"] = "past" if wished >= message.until else "quiet_hours"
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason=reason))
    elif _said_anyway(ledger.state, message, moment):
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="superseded"))
    elif allowed is not None and moment <= ledger.now:
        send(ledger, message)
    elif sum(p.message.key != message.key for p in ledger.state.outbox) >= MESSAGES_WAITING:
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="too_many"))
    else:
        ledger.emit(e.MessagePlanned(at=ledger.now, message=message, when=moment, wanted=wanted))


def _said_anyway(state: State, message: Message, moment: Instant) -> bool:
    """Whether at that very moment one of the two is told the same by another message, as where several were held."""
    if message.to not in PARTNERS:
        return False
    planned = [pending.message for pending in state.outbox if pending.at == moment]
    under_way = [a for a in state.asks.values() if isinstance(a, Message) and a.at == moment]
    return any(
        (m.to, m.what, m.session, m.start) == (message.to, message.what, message.session, message.start)
        for m in (*planned, *under_way)
        if m.key != message.key
    )


def replan(ledger: Ledger) -> None:
    """The message windows are known anew: find the moment of everything that waits once more."""
    for pending in ledger.state.outbox:
        wished = max(pending.wanted, ledger.now)
        if (allowed_from(ledger.state, pending.message.to, wished) or wished) != pending.at:
            place(ledger, pending.message, pending.wanted)


def send(ledger: Ledger, message: Message) -> None:
    """Give a message to delivery, in the language and zone and with the quiet hours its recipient has by now.

    While a concern is open nothing reaches either partner but that the programme rests; padding goes out in its place.
    Who does not want to be reminded is not; that is looked at now, so that it holds for what was planned before.
    """
    message, person = message.with_(at=ledger.now), _person(ledger.state, message.to)
    if person is not None:
        message = message.with_(
            language=person.language,
            zone=person.zone,
            home=ledger.state.plan.zone,
            quiet=quiet_hours(ledger.state, message.to),
            free_until=free_until(ledger.state, message.to, ledger.now),
        )
        if ledger.state.hushed and message.template not in RESTING:
            message = message.with_(template=texts.PADDING)
    if not _still_asked(ledger.state, message):
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="void"))
    elif person is not None and not person.reminders and message.what == "reminder":
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="not_wanted"))
    elif not _has_room(ledger.state, message):
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="too_many"))
    else:
        ledger.emit(e.MessageSent(at=ledger.now, message=message))


def _has_room(state: State, message: Message) -> bool:
    """Whether a message may be under way besides what is. A concern of each may, whatever that is: not even those of
    the other may be in the way of one.
    """
    if len(state.asks) < MESSAGES_UNDER_WAY + (0 if message.to in PARTNERS else STAFF_EXTRA):
        return True
    concerns = [ask for ask in state.asks.values() if isinstance(ask, Message) and ask.template == CONCERN]
    return message.template == CONCERN and message.of not in [ask.of for ask in concerns]


def notify(
    ledger: Ledger, about: str, *, concern: bool, reason: Words | None, of: Partner | None = None
) -> None:
    """Tell whoever hears of concerns of one; or go through the same motions, which reach nobody.

    The reason goes along either way, if the policy says so at all: sealed, it is of the same size. In a programme
    without words it can only be filling.
    """
    policy = ledger.state.policy
    told = reason if policy.tell_reason and policy.words != "none" else None
    tell(ledger, "safeguarding", CONCERN if concern else texts.PADDING, about=about, words=told, of=of)


def notify_next(ledger: Ledger, notice: Message, outcome: Delivered) -> None:
    """A notice has been dealt with: now the next of those who hear of concerns has one, whatever became of it.

    Only where a concern has reached nobody yet does that one tell of it. After all of them the first one has another,
    which is tried for long: so an outage of everything does not lose it.
    """
    everybody, place = ledger.state.plan.hears_of_concerns, notice.revision + 1
    if place > len(everybody) or notice.template not in (CONCERN, texts.PADDING):
        return
    once_more = place == len(everybody)
    following = notice.with_(
        key=f"{notice.key.rpartition(':')[0]}:{place}",
        ref=everybody[0 if once_more else place],
        template=texts.PADDING if outcome.outcome == "delivered" else notice.template,
        revision=place,
        until=ledger.now + TRIED_FOR if once_more else None,
        at=ledger.now,
    )
    send(ledger, following)


def delivered(ledger: Ledger, delivered: Delivered) -> None:
    """What became of a message. Where no way reaches a partner, a facilitator is told so, once until one does again."""
    asked = ledger.state.asks.get(delivered.key)
    message = asked if isinstance(asked, Message) else None
    if delivered.key in ledger.state.recalled and delivered.reason == GAVE_UP:
        # It was called off, which says nothing about whether it could have been delivered.
        delivered = called_off(delivered.key)
    ledger.emit(e.MessageSettled(at=ledger.now, delivered=delivered))
    if message is not None and message.to == "safeguarding":
        notify_next(ledger, message, delivered)
    if delivered.discreet:
        return
    person = next((p for p in PARTNERS if p == delivered.to), None)
    if person is None or person in ledger.state.unreachable:
        return
    if delivered.outcome == "undeliverable" and (message is None or _for_good(message, delivered.reason)):
        ledger.emit(e.FoundUnreachable(at=ledger.now, person=person))
        tell(ledger, "facilitator", "unreachable", about=f"{person}.{ledger.state.seq}")


def _for_good(message: Message, reason: str) -> bool:
    """Whether no way reaches somebody; not where it was only tried for a while, until the message was void."""
    briefly = message.until is not None and message.at is not None and message.until - message.at < TRIED_FOR
    return not (briefly and reason == GAVE_UP)


def tell_each(
    ledger: Ledger,
    template: str,
    *,
    about: str = "programme",
    session: Session | None = None,
    when: Instant | None = None,
    until: Instant | None = None,
) -> None:
    """The same message to both."""
    for person in PARTNERS:
        tell(ledger, person, template, about=about, session=session, when=when, until=until)


def void(ledger: Ledger, session: int | None = None) -> list[Message]:
    """Take back what the two are told about one session, or everything: its reason is gone.

    Answers what would have taken a time out of a calendar, which is still to be done.
    """
    taken = take_back(ledger, lambda message: session in (None, message.session))
    return [message for message in taken if message.clears]


def take_back(ledger: Ledger, lost: Callable[[Message], bool]) -> list[Message]:
    """Take back what has `lost` its reason: it is not sent, or if it is under way to one of the two, called off."""
    waiting = [pending.message for pending in ledger.state.outbox if lost(pending.message)]
    for message in waiting:
        ledger.emit(e.MessageSkipped(at=ledger.now, message=message, reason="void"))
    return waiting + recall(ledger, lost)


def recall(ledger: Ledger, lost: Callable[[Message], bool]) -> list[Message]:
    """Call off what is under way to one of the two and has `lost` its reason."""
    asks = [ask for ask in ledger.state.asks.values() if isinstance(ask, Message)]
    under_way = [message for message in asks if message.to in PARTNERS and lost(message)]
    for message in under_way:
        ledger.emit(e.MessageRecalled(at=ledger.now, message=message))
    return under_way


def _still_asked(state: State, message: Message) -> bool:
    """Whether the question that a message tells of is open; most tell of none."""
    return message.question is None or state.question(message.question) is not None


def invited_to(state: State) -> list[Session]:
    """The sessions that calendars show, with the time that they show."""
    return [session.with_(start=session.invited) for session in state.sessions if session.invited is not None]


def tell_each_and_clear(
    ledger: Ledger, template: str, about: str, invited: Sequence[Session], undone: Sequence[Message]
) -> None:
    """Tell each of the two, once for every time that leaves that one's calendar with it; if none does, once."""
    clear_calendars(ledger, template, about, invited, undone)
    for person in PARTNERS:
        if not invited and all(message.to != person for message in undone):
            tell(ledger, person, template, about=about)


def clear_calendars(
    ledger: Ledger, template: str, about: str, invited: Sequence[Session], undone: Sequence[Message]
) -> None:
    """Take the times of sessions out of calendars: those that are `invited` to, and what `undone` was to take out."""
    for session in invited:
        tell_each(ledger, template, about=f"{about}.s{session.number}".lstrip("."), session=session)
    numbers = [session.number for session in invited]
    for message in {(m.to, m.session): m for m in undone if m.session not in numbers}.values():
        key = f"{message.programme}:{about}.s{message.session}:{template}:{message.to}:{message.revision}"
        place(ledger, message.with_(key=key, template=template, at=ledger.now), ledger.now)


def ask(
    ledger: Ledger,
    to: Partner,
    kind: QuestionKind,
    *,
    within: timedelta | None = None,
    about: KindName | None = None,
    topic: Words | None = None,
    request: str | None = None,
    template: str | None = None,
) -> None:
    """Ask one person something, privately, and tell that person so; what is open already is not asked twice."""
    if any((q.kind, q.to, q.request) == (kind, to, request) for q in ledger.state.questions):
        return
    number = ledger.state.asked.get(to, 0) + 1
    question = Question(
        id=f"{kind}.{to}{number}",
        kind=kind,
        to=to,
        asked_at=ledger.now,
        answer_by=ledger.now + within if within is not None else None,
        about=about,
        topic=topic,
        request=request,
    )
    ledger.emit(e.Asked(at=ledger.now, question=question))
    if template is not None:
        tell(ledger, to, template, about=question.id, until=question.answer_by, question=question.id)
