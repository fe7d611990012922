"""The same course of chance twice, once with concerns and once with ordinary pauses: nothing tells the two apart.

All else is given to both alike; what is sent to somebody who cannot be reached fails, and padding never does. After
each step all that reaches a partner, a facilitator or ops is compared, and in the end what a history holds. A course is
over where the two have to part: the ordinary one goes on because both wish to, or ends in silence (see
docs/decisions/0011).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest

from duologue.calendar import resolve
from duologue.practice import events as e
from duologue.practice import grammar, texts
from duologue.practice.asks import GAVE_UP, RESTING, Delivered, Message, Resolve, called_off
from duologue.practice.decide import Cancelled, Input, Tick, decide, start
from duologue.practice.evolve import evolve
from duologue.practice.messages import COMMANDS, Refusal
from duologue.practice.passing import due
from duologue.practice.plan import Plan
from duologue.practice.state import State
from duologue.practice.values import PARTNERS, By, Frozen
from duologue.practice.views import ViewRequest, attributes, details, overview, summary, view
from tests.property.test_core_machine import BEGINS, a_plan
from tests.support.core import WELL, next_turn
from tests.support.eyes import kept
from tests.support.world import (
    Offers,
    Pick,
    Sent,
    may_answer,
    may_end,
    may_interrupt,
    may_manage,
    may_turn,
)

EVERYBODY: tuple[By, ...] = (*PARTNERS, "facilitator")
AHEAD = (timedelta(0), timedelta(days=9))
WALKS = 20


class Twin:
    """One of two programmes: in it, pauses are out of a concern, or none is."""

    def __init__(self, plan: Plan, *, concerned: bool) -> None:
        self.concerned = concerned
        self.state, self.last = start(plan, BEGINS)
        self.sent: list[Message] = []
        self.held: list[Frozen] = []
        """What a history holds of it."""
        self._happened(self.last)

    def take(self, given: Input, now: datetime) -> Any:
        """Give it something; what comes of that, as far as anybody may see it."""
        decision = decide(self.state, given, now)
        if isinstance(decision, Refusal):
            self.last = []
            return decision
        if not isinstance(given, Tick | Cancelled):
            self.held.append(given)
        for event in decision:
            self.state = evolve(self.state, event)
        self._happened(decision)
        receipt = self.state.receipt(getattr(given, "command_id", ""))
        self.held += [receipt] if receipt else []
        return receipt, [(type(event), event.at, event.actor, event.detail) for event in decision]

    def _happened(self, events: list[e.Event]) -> None:
        self.last, told = events, [event.message for event in events if isinstance(event, e.MessageSent)]
        self.sent += told
        self.held += [*told, *(x.ask for x in events if isinstance(x, e.TimeAsked | e.WindowsAsked))]

    def command(self, sent: Sent, number: int, now: datetime) -> Any:
        """Send a command; a pause of one of the two as this programme's are."""
        name, by, fields = sent
        if name == "pause" and self.concerned:
            fields = {**fields, "concern": True, "reason": "what frightens me"}
        command = COMMANDS[name].model_validate({"command_id": f"c{number}", "by": by, **fields})
        return self.take(command, now)

    def answer(self, key: str, now: datetime, out_of_reach: str, trouble: str) -> Any:
        """The world answers what it was asked, or has taken a message back."""
        ask = self.state.asks.get(key)
        if ask is None:
            return self.take(called_off(key), now)
        if isinstance(ask, Resolve):
            return self.take(resolve(ask), now)
        if ask.ref == out_of_reach and ask.template != texts.PADDING:
            return self.take(Delivered(key=key, outcome="undeliverable", reason=trouble), now)
        return self.take(Delivered(key=key, outcome="delivered", channel="mail"), now)

    def seen(self, now: datetime) -> Iterator[Any]:
        """All that anybody but safeguarding is shown, now and by asking about a day to come."""
        for by in EVERYBODY:
            for span in AHEAD:
                yield view(self.state, ViewRequest(by=by, now=now + span))
        yield overview(self.state)
        yield attributes(self.state)
        yield details(self.state)
        yield [(key, summary(ask)) for key, ask in self.state.asks.items()]
        yield self.state.recalled
        yield [(pending.message.key, pending.at) for pending in self.state.outbox]


class Twins:
    """Both, in step."""

    def __init__(self, plan: Plan) -> None:
        self.now, self.ids, self.parted, self.alike, self.looked = BEGINS, 0, False, 0, 0
        self.out_of_reach, self.trouble = "", GAVE_UP
        self.ordinary, self.concerned = self.both = [
            Twin(plan, concerned=concerned) for concerned in (False, True)
        ]
        for by in PARTNERS:
            self.command(("consent", by, {}))
            question = next(q.id for q in self.state.questions if q.to == by)
            self.command(("reply", by, {"question": question, "answers": WELL}))
        self.settle()

    @property
    def state(self) -> State:
        """Where the ordinary one stands: whatever is chosen is chosen for both."""
        return self.ordinary.state

    @property
    def over(self) -> bool:
        return self.parted or self.state.over

    # --- what happens to both ---

    def command(self, sent: Sent) -> None:
        self.ids += 1
        self._compare([twin.command(sent, self.ids, self.now) for twin in self.both])

    def choose(self, offers: Offers, pick: Pick) -> None:
        """Send one of what may be sent."""
        offered = list(offers(self.state, self.now))
        if offered:
            self.command(pick(offered))

    def give(self, given: Input) -> None:
        self._compare([twin.take(given, self.now) for twin in self.both])

    def next(self) -> None:
        """Time passes to whatever comes next."""
        deadline = due(self.state)
        if deadline is not None and not self.over:
            self.now = max(self.now, deadline)
            self.give(Tick())

    def answer(self, key: str) -> None:
        told = key, self.now, self.out_of_reach, self.trouble
        self._compare([twin.answer(*told) for twin in self.both])
        if not self.parted:
            self.give(Tick())

    def settle(self) -> None:
        """Everything that was asked is answered."""
        while (keys := [*self.state.recalled, *self.state.asks]) and not self.parted:
            self.answer(keys[0])

    def fade(self) -> None:
        """Nobody comes or answers, until the ladder has paused the programme."""
        for _ in range(60):
            if self.over or self.state.paused:
                return
            self.settle()
            self.next()

    def hold(self) -> None:
        """Both come to the next session, and hold it to its end."""
        session = self.state.next_session
        if session is None or session.start is None:
            return
        self.now = max(self.now, session.start)
        for by in PARTNERS:
            self.command(("turn", by, {"act": "ready"}))
        while (running := self.state.open_session) and running.dialogue and grammar.awaited(running.dialogue):
            by, act, fields = next_turn(running.dialogue)
            self.command(("turn", by, {"act": act, **fields}))

    # --- what must hold ---

    def _compare(self, came_of_it: list[Any]) -> None:
        if self._had_to_part():
            assert self.concerned.state.stage == "paused"
            self.parted = True
            return
        assert came_of_it[0] == came_of_it[1]
        if self.ordinary.state != self.concerned.state:
            for one, other in zip(*(twin.seen(self.now) for twin in self.both), strict=True):
                assert one == other
        for one, other in zip(*(twin.sent[self.looked :] for twin in self.both), strict=True):
            self._look_the_same(one, other)
        if self.concerned.state.hushed:
            self._nothing_nudges()
        self.alike, self.looked = len(self.ordinary.held), len(self.ordinary.sent)

    def _had_to_part(self) -> bool:
        if not self.concerned.state.hushed or any(
            isinstance(x, e.Decided) and x.by for x in self.ordinary.last
        ):
            return False
        return any(
            isinstance(x, e.PauseEnded) or (isinstance(x, e.Ended) and x.ending == "silence")
            for x in self.ordinary.last
        )

    def _look_the_same(self, one: Message, other: Message) -> None:
        """Two that were sent: the same to whoever they are for, or padding where the other nudges."""
        assert one.with_(template="", words=None) == other.with_(template="", words=None)
        if one.template == other.template or one.to == "safeguarding":
            return
        assert other.template == texts.PADDING
        assert one.what not in RESTING
        assert one.discreet, "it shows that the other one is padding"

    def _nothing_nudges(self) -> None:
        for ask in self.concerned.state.asks.values():
            if isinstance(ask, Message) and ask.to in PARTNERS:
                assert ask.template in (*RESTING, texts.PADDING), "a nudge after a concern"

    def in_the_end(self) -> None:
        one, other = ([(type(held), *kept([held])) for held in twin.held[: self.alike]] for twin in self.both)
        assert one == other


def may_pause(state: State, now: datetime) -> Iterator[Sent]:
    for by in PARTNERS:
        yield "pause", by, {}
        yield "pause", by, {"until": now + timedelta(days=3)}


def may_wish_to_go_on(state: State, now: datetime) -> Iterator[Sent]:
    yield from (("resume", by, {}) for by in PARTNERS)


OFFERS: tuple[Offers, ...] = (
    *(may_turn, may_manage, may_interrupt, may_answer, may_answer, may_answer, may_answer),
    *(may_pause, may_pause, may_wish_to_go_on),
)


def step(twins: Twins, pick: Pick) -> None:
    """Something that a couple, its facilitator, its world or its worker might do."""
    match pick(range(18)):
        case 0 | 1:
            for _ in range(pick([1, 1, 6])):
                twins.next()
        case 2:
            twins.now += timedelta(hours=pick([1, 5, 30, 200]))
            twins.give(Tick())
        case 3 | 4:
            twins.settle()
        case 5 if twins.state.asks:
            twins.answer(pick(sorted(twins.state.asks)))
        case 6:
            twins.fade()
        case 7:
            twins.hold()
        case 8:
            twins.out_of_reach = pick(["", "person-a", "person-b", "safeguarding-1"])
            twins.trouble = pick([GAVE_UP, "refused"])
        case 9 if pick([False, False, False, True]):
            twins.give(Cancelled()) if pick([False, True]) else twins.choose(may_end, pick)
        case _:
            twins.choose(pick(OFFERS), pick)


def begun(twins: Twins, pick: Pick) -> None:
    """What there is to be paused: a programme that has just begun, or was missed three times, or goes on."""
    match pick(["begun", "missed", "held", "missed and held"]):
        case "missed":
            twins.fade()
        case "held":
            twins.hold()
        case "missed and held":
            for _ in range(pick([6, 12, 24])):
                twins.next()
            twins.settle()
            twins.hold()


@pytest.mark.parametrize("part", range(10))
def test_whatever_the_course_nothing_tells_a_concern_from_a_pause(part: int) -> None:
    for seed in range(part * WALKS, part * WALKS + WALKS):
        pick: Any = Random(seed).choice
        twins = Twins(a_plan(pick))
        begun(twins, pick)
        for _ in range(pick([6, 12, 24])):
            if twins.over:
                break
            step(twins, pick)
        twins.in_the_end()
