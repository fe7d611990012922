"""A programme in the pure core with everything that must always hold checked after every step it takes.

What is done, and when, comes from outside: from Hypothesis, which shrinks what fails, or from a walk of chance, which
gets far. `pick` chooses one of several; whoever calls says how.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

from duologue.calendar import resolve
from duologue.practice import events as e
from duologue.practice import grammar, texts
from duologue.practice.asks import Delivered, Message, Resolve, called_off
from duologue.practice.decide import Input, Tick, decide, start
from duologue.practice.evolve import evolve
from duologue.practice.grammar import Act
from duologue.practice.messages import COMMANDS, Refusal
from duologue.practice.moments import allowed_from, offered
from duologue.practice.passing import due
from duologue.practice.plan import Plan
from duologue.practice.policy import Step
from duologue.practice.shapes import WITHOUT_WORDS
from duologue.practice.state import (
    APPLIED_KEPT,
    CHOICES,
    CONCERNS_EXTRA,
    JOURNAL_KEPT,
    LIVE_SESSIONS,
    MESSAGES_RECALLED,
    MESSAGES_UNDER_WAY,
    MESSAGES_WAITING,
    NOTES_KEPT,
    REQUESTS_KEPT,
    SESSIONS_KEPT,
    STAFF_EXTRA,
    Session,
    State,
)
from duologue.practice.values import PARTNERS, By, Partner
from duologue.practice.views import ViewRequest, attributes, details, overview, view
from tests.support.core import NOT_WELL, WELL, next_turn
from tests.support.purpose import has_its_purpose, on_their_way

T = TypeVar("T")
Fields = dict[str, Any]
Sent = tuple[str, By, Fields]
Offers = Callable[[State, datetime], Iterator[Sent]]
Pick = Callable[[Sequence[Any]], Any]

BOUNDS = {
    "applied": APPLIED_KEPT,
    "asks": MESSAGES_UNDER_WAY + STAFF_EXTRA + CONCERNS_EXTRA + LIVE_SESSIONS + 2,
    "held": SESSIONS_KEPT,
    "journal": JOURNAL_KEPT,
    "notes": NOTES_KEPT * 2,
    "outbox": MESSAGES_WAITING,
    "questions": REQUESTS_KEPT + 8,
    "recalled": MESSAGES_RECALLED,
    "requests": REQUESTS_KEPT,
    "sessions": LIVE_SESSIONS + 1,
}
"""The most there may be of what a state keeps; how large that is, all in all, is in tests/unit/test_bounds.py."""


REPEATING: Fields = {
    "after_pause": "shift",
    "missed_after": "20min",
    "window": "2h",
    "ladder": [
        [
            {"after": "1h", "do": "tell", "text": "rebook_offer", "every": "7h", "times": 4},
            {"after": "8h", "do": "alert", "to": "facilitator", "text": "second_miss", "reason": "always"},
            {
                "after": "20h",
                "do": "alert",
                "to": "next_contact",
                "text": "second_miss",
                "reason": "unacknowledged",
            },
            {"after": "30h", "do": "ask", "to": "absent", "text": "check_in"},
        ],
        [
            {"after": "0s", "do": "pause", "reason": "always"},
            {"after": "0s", "do": "ask", "text": "go_on", "every": "2d", "times": 3, "reason": "undecided"},
            {"after": "5d", "do": "end", "reason": "undecided"},
        ],
    ],
}
"""A ladder that repeats, speaks to the absent one, and is in a hurry."""

POLICIES: tuple[Fields, ...] = ({"moves": 4}, REPEATING)


# --- what may be sent -------------------------------------------------------------------------------------------------


def may_consent(state: State, now: datetime) -> Iterator[Sent]:
    if state.stage == "enrolling":
        yield from (("consent", p, {}) for p in PARTNERS if p not in state.consents)


def may_answer(state: State, now: datetime) -> Iterator[Sent]:
    for question in state.questions:
        if question.kind in ("intake", "midpoint"):
            yield from (("reply", question.to, {"question": question.id, "answers": WELL}) for _ in range(3))
            yield "reply", question.to, {"question": question.id, "answers": NOT_WELL}
        for answer in CHOICES[question.kind]:
            at = {"at": now + timedelta(hours=2)} if answer == "at" else {}
            yield "reply", question.to, {"question": question.id, "answer": answer, **at}


def may_agree(state: State, now: datetime) -> Iterator[Sent]:
    yield from (sent for sent in may_answer(state, now) if sent[2].get("answer") in ("yes", "go_on"))


def may_turn(state: State, now: datetime) -> Iterator[Sent]:
    session = state.next_session
    if session is None or session.start is None:
        return
    if session.status != "open" or session.dialogue is None:
        if now >= session.start - state.policy_for(session).opens_before:
            yield from (("turn", p, {"act": "ready"}) for p in PARTNERS if p not in session.present)
        return
    for by, acts in grammar.options(session.dialogue).items():
        for act in acts:
            yield from (("turn", by, fields) for fields in ways(session.dialogue, by, act, now))


def may_go_on(state: State, now: datetime) -> Iterator[Sent]:
    """Acts that keep an open dialogue going, this way or that."""
    if state.open_session is not None:
        aside = {Act.TIME_OUT, Act.EXTEND, Act.STOP}
        yield from (sent for sent in may_turn(state, now) if sent[2]["act"] not in aside)


def ways(dialogue: grammar.Dialogue, by: Partner, act: Act, now: datetime) -> Iterator[Fields]:
    numbers = [n.number for n in dialogue.lines if n.shared and n.by != by]
    match act:
        case Act.TIME_OUT | Act.EXTEND:
            base = dialogue.time_out.until if dialogue.time_out else now
            yield {"act": act, "until": base + timedelta(minutes=30)}
            yield {"act": act, "until": base + timedelta(hours=20)}
        case Act.CHOOSE:
            yield from ({"act": act, "lines": [n]} for n in numbers)
        case Act.REQUEST:
            yield {"act": act, "words": "a wish", "within_days": 3}
        case Act.STOP:
            pass
        case _ if act in WITHOUT_WORDS:
            yield {"act": act}
        case _:
            yield {"act": act, "words": "words"}


def may_manage(state: State, now: datetime) -> Iterator[Sent]:
    for session in state.sessions:
        for at in (timedelta(hours=3), timedelta(days=1), timedelta(days=9)):
            yield "reschedule", "a", {"session": session.number, "at": now + at}
        for number in offered(state, session, now):
            yield "reschedule", "b", {"session": session.number, "proposal": number}
    for by in PARTNERS:
        yield from (("ask_dialogue", by, {"kind": "mirroring", "topic": "a topic"}) for _ in range(3))
        yield "note", by, {"words": "a note", "shared": True}
        yield "adjust", by, {"opt_in": {"commitment": by == "a"}, "language": "de"}
        yield "adjust", by, {"quiet": {"start": "17:00", "end": "19:30"}}
        yield "adjust", by, {"zone": "Asia/Kolkata", "no_quiet_hours": True}
        yield "adjust", by, {"reminders": by == "a", "share_attendance": True}
    for note in state.notes:
        yield "note", note.by, {"note": note.id, "shared": not note.shared}
        yield "note", note.by, {"note": note.id, "remove": True}
    for alert in state.alerts:
        yield "acknowledge", "facilitator", {"alert": alert.id}
        yield "acknowledge", "facilitator", {"alert": alert.id, "snooze": "5h"}
    for index in range(len(state.escalation.steps) if state.escalation else 0):
        yield "decide", "facilitator", {"decision": "jump", "step": index}
    for policy in POLICIES:
        yield "adjust", "facilitator", {"policy": policy}


def may_interrupt(state: State, now: datetime) -> Iterator[Sent]:
    for by in PARTNERS:
        yield "pause", by, {}
        yield "pause", by, {"until": now + timedelta(days=3)}
        yield "resume", by, {}
        yield "resume", by, {}
    yield "pause", "b", {"concern": True}
    for decision in ("go_on", "go_on", "pause"):
        yield "decide", "facilitator", {"decision": decision}


def may_end(state: State, now: datetime) -> Iterator[Sent]:
    yield "withdraw", "a", {}
    yield "decide", "facilitator", {"decision": "end"}
    yield "consent", "b", {"agree": False}
    if state.open_session is not None:
        yield "turn", "b", {"act": "stop"}


# --- the world --------------------------------------------------------------------------------------------------------


class World:
    """One programme, alive."""

    def __init__(self, plan: Plan, at: datetime) -> None:
        self.now = at
        self.ids = 0
        self.keys: set[str] = set()
        self.state, self.events = start(plan, at)
        self.first = State(plan=plan, opened=at, clock=at, awaiting_since=at, awaiting="couple")
        self.written = self.state.model_dump_json()
        """The state, as it was when it came about."""
        self._look_back(self.first, self.events)

    def enrol(self) -> None:
        """Both consent and are well."""
        for by in PARTNERS:
            self.command("consent", by)
            question = next(q.id for q in self.state.questions if q.to == by)
            self.command("reply", by, question=question, answers=WELL)
        self.answer_everything()

    # --- what can be done ---

    def choose(self, offers: Offers, pick: Pick, **more: Any) -> None:
        """Send one of what may be sent."""
        offered = list(offers(self.state, self.now))
        if offered:
            name, by, fields = pick(offered)
            self.command(name, by, **fields, **more)

    def command(self, name: str, by: By, **fields: Any) -> None:
        """Send a command, whatever comes of it."""
        self.ids += 1
        command = COMMANDS[name].model_validate({"command_id": f"c{self.ids}", "by": by, **fields})
        if self.apply(command):
            assert self.state.applied[f"c{self.ids}"].seq == self.state.sent[by]

    def repeat(self, pick: Pick) -> None:
        """Send an id again that has been applied, with other content."""
        known = pick(sorted(self.state.applied))
        before, receipt = self.state, self.state.applied[known]
        for by in PARTNERS:
            again = COMMANDS["withdraw"].model_validate({"command_id": known, "by": by})
            assert self.apply(again) == (by == receipt.by), "only its sender can repeat a command"
        assert self.state == before
        assert self.state.applied[known] == receipt

    def answer_one(self, pick: Pick) -> None:
        """The world answers something it was asked, in no order, well or badly."""
        ask = self.state.asks[pick(sorted(self.state.asks))]
        self.apply(pick([good(ask), good(ask), bad(ask)]))

    def answer_everything(self) -> None:
        """The world answers all it was asked, and what it is asked because of that."""
        for _ in range(200):
            for key in self.state.recalled:
                self.apply(called_off(key))
            if not self.state.asks:
                return
            self.apply(good(next(iter(self.state.asks.values()))))
        raise AssertionError("questions to the world never end")

    def pass_time(self, span: timedelta, cuts: Sequence[float] = ()) -> None:
        """Time passes, and does the same in one leap as in many."""
        until = self.now + span
        one = many = self.state
        for event in ticked(one, until):
            one = evolve(one, event)
        for cut in (*sorted(self.now + span * cut for cut in cuts), until):
            for event in ticked(many, cut):
                many = evolve(many, event)
        assert one == many
        self.now = until
        self.apply(Tick())

    def pass_to_next(self) -> None:
        """Time passes to whatever comes next."""
        deadline = due(self.state)
        if deadline is not None:
            self.now = max(self.now, deadline)
            self.apply(Tick())

    def come(self, late: int, who: Sequence[Partner]) -> None:
        """To the next session, so many minutes after its start."""
        session = self.state.next_session
        if session is None or session.start is None or session.status == "open":
            return
        self.now = max(self.now, session.start + timedelta(minutes=late))
        for by in who:
            self.command("turn", by, act="ready")

    def take_turns(self, most: int, minutes: int, *, defer: bool = False) -> None:
        """The dialogue goes on by so many turns, if it can."""
        for _ in range(most):
            session = self.state.open_session
            if session is None or session.dialogue is None or not grammar.awaited(session.dialogue):
                return
            by, act, fields = next_turn(session.dialogue, defer=defer)
            self.now += timedelta(minutes=minutes)
            before = self.state.seq
            self.command("turn", by, act=act, **fields)
            defer = defer and self.state.seq > before

    # --- what must hold ---

    def apply(self, given: Input) -> bool:
        """Give something to the core; whether it was applied."""
        before = self.state
        decision = decide(before, given, self.now)
        assert before.model_dump_json() == self.written, "deciding changed something"
        if isinstance(decision, Refusal):
            assert decision.message
            return False
        for event in decision:
            self.state = evolve(self.state, event)
        self.events += decision
        self._look_back(before, decision)
        if isinstance(given, Tick):
            deadline = due(self.state)
            assert deadline is None or deadline > self.now
        self._always()
        return True

    def _look_back(self, state: State, events: list[e.Event]) -> None:
        """What must hold of each event, in the state that it met."""
        # A facilitator may take a step before its time.
        jumped = any(isinstance(event, e.CommandApplied) and event.name == "decide" for event in events)
        for event in events:
            assert event.at >= state.clock or isinstance(event, e.CommandRefused)
            if isinstance(event, e.MessageSent):
                self._may_be_sent(state, event)
            elif isinstance(event, e.StepTaken):
                assert state.escalation is not None
                step = state.escalation.steps[event.index]
                assert event.index >= state.escalation.taken
                assert jumped or event.at >= state.escalation.since + step.after
                assert jumped or has_its_reason(state, step), f"{step} without its reason"
            elif isinstance(event, e.SessionBooked):
                both_can_be_told(state, event)
            elif isinstance(event, e.SessionMissed | e.SessionUnfinished):
                session = state.session(event.session)
                assert session is not None
                assert (session.status == "open") == isinstance(event, e.SessionUnfinished)
            elif isinstance(event, e.TurnMade):
                was_allowed(state, event)
            after = evolve(state, event)
            assert after.seq == state.seq + 1
            assert after.digest != state.digest
            assert after.journal[-1].seq == after.seq
            state = after
        assert state == self.state

    def _may_be_sent(self, state: State, event: e.MessageSent) -> None:
        message = event.message
        assert message.key not in self.keys, f"{message.key} twice"
        assert has_its_purpose(state, message), f"{message.key} has lost its purpose"
        self.keys.add(message.key)
        assert allowed_from(state, message.to, event.at) == event.at, "sent in quiet hours"
        assert message.until is None or event.at < message.until
        if state.hushed and message.to in PARTNERS:
            assert message.template in ("paused", texts.PADDING), "a message after a concern"
        for_them = texts.FOR_PARTNERS if message.to in PARTNERS else texts.FOR_STAFF
        assert message.template in for_them | {texts.PADDING}, "a text for somebody else"
        assert message.template != texts.PADDING or message.scope == "safeguarding", (
            "it shows that it is empty"
        )

    def _always(self) -> None:
        state = self.state
        written = self.written = state.model_dump_json()
        for what, most in BOUNDS.items():
            assert len(getattr(state, what)) <= most, what
        assert State.model_validate_json(written) == state
        self._everybody_can_look()
        self._what_waits_is_right()
        booked = sorted((s for s in state.sessions if s.start is not None), key=starts)
        for first, second in pairwise(booked):
            end = first.ends or starts(first) + state.policy_for(first).window
            assert end <= starts(second), "two collide"
        assert sum(s.status == "open" for s in state.sessions) <= 1
        assert len({s.number for s in state.sessions}) == len(state.sessions)
        if state.awaiting in PARTNERS:
            assert state.next_session is not None
            assert state.next_session.asked_absent, "a partner is named before a deadline has passed"
            assert state.sharing, "a partner is named whom nobody shared"
        # It is never stuck, and over when it is over.
        if state.stage == "practising":
            assert due(state) is not None or state.asks
        if state.over:
            assert not state.sessions
            assert not state.questions
        if state.paused:
            assert not any(s.start for s in state.sessions)
        asking = {s.asking for s in state.sessions}
        times = [ask for ask in state.asks.values() if isinstance(ask, Resolve)]
        assert {ask.key for ask in times if ask.want != "windows"} <= asking
        assert sum(ask.want == "windows" for ask in times) <= 1

    def _everybody_can_look(self) -> None:
        seen = [view(self.state, ViewRequest(by=by, now=self.now)) for by in (*PARTNERS, "facilitator")]
        assert seen[0].stage == seen[1].stage == seen[2].stage
        assert overview(self.state).seq == self.state.seq
        assert details(self.state)
        assert attributes(self.state).DuologueStage == self.state.stage

    def _what_waits_is_right(self) -> None:
        for pending in self.state.outbox:
            assert allowed_from(self.state, pending.message.to, pending.at) in (None, pending.at)
            assert pending.at >= pending.wanted
            assert pending.message.until is None or pending.at < pending.message.until
        told = [(p.at, p.message.to, p.message.what, p.message.session) for p in self.state.outbox]
        assert len(set(told)) == len(told), "the same to somebody twice at one moment"
        for message in on_their_way(self.state):
            assert has_its_purpose(self.state, message), f"{message.key} has lost its purpose"
        keys = [p.message.key for p in self.state.outbox]
        assert len(set(keys)) == len(keys)
        assert not self.keys & set(keys)

    def replay(self) -> None:
        """The events alone lead to the same state; and no event raises in any state."""
        again = self.first
        for event in self.events:
            again = evolve(again, event)
        assert again == self.state
        for event in (*self.events[:20], *self.events[-40:]):
            evolve(self.first, event)
            evolve(self.state, event)


def ticked(state: State, at: datetime) -> list[e.Event]:
    events = decide(state, Tick(), at)
    assert not isinstance(events, Refusal)
    return events


def good(ask: Resolve | Message) -> Input:
    return resolve(ask) if isinstance(ask, Resolve) else Delivered(key=ask.key, outcome="delivered")


def bad(ask: Resolve | Message) -> Input:
    if isinstance(ask, Resolve):
        return resolve(ask).with_(slots=())
    return Delivered(key=ask.key, outcome="undeliverable", reason="gave_up")


def starts(session: Session) -> datetime:
    assert session.start is not None
    return session.start


def both_can_be_told(state: State, event: e.SessionBooked) -> None:
    """Of every session before it begins, unless they have just agreed to hold it at once."""
    if event.start > event.at:
        for person in PARTNERS:
            assert (allowed_from(state, person, event.at) or event.at) < event.start, (
                "booked, and cannot be told"
            )
    else:
        session = state.session(event.session)
        assert session is not None
        assert session.origin == "asked"


def was_allowed(state: State, event: e.TurnMade) -> None:
    session = state.session(event.session)
    assert session is not None
    if session.status == "open":
        assert session.dialogue is not None
        assert event.turn.act in grammar.options(session.dialogue)[event.turn.by]
    else:
        policy = state.policy_for(session)
        early, late = policy.opens_before, policy.missed_after
        assert starts(session) - early <= event.at < starts(session) + late
        assert event.turn.by not in session.present


def has_recipient(state: State, step: Step) -> bool:
    staff = {"facilitator": 1, "next_contact": 2}
    if step.to == "safeguarding":
        return state.plan.safeguarding is not None
    return len(state.plan.facilitators) >= staff.get(step.to, 0)


def has_its_reason(state: State, step: Step) -> bool:
    """Whether the reason of a step holds, said here in other words than in the ladder itself."""
    escalation = state.escalation
    assert escalation is not None
    session = state.session(escalation.session)
    unbooked = session is not None and session.status in ("missed", "unfinished")
    if (step.do == "alert" or step.to not in ("each", "absent")) and not has_recipient(state, step):
        return False
    undecided = unbooked or (state.paused is not None and state.paused.for_decision)
    unanswered = "resume" in [q.kind for q in state.questions]
    if step.reason == "unbooked":
        return unbooked
    if step.reason == "unanswered":
        return unanswered
    if step.reason == "unacknowledged":
        silent = [a for a in escalation.alerts if a.acknowledged is None] != []
        return silent and (undecided if escalation.session else unanswered)
    if step.reason == "undecided":
        return undecided
    return True
