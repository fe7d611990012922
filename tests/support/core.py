"""A programme in the pure core alone, with a world around it that answers: for scenarios told in sentences.

Time stands where a test has put it; on the way there every deadline is looked at when it comes, and every question to
the calendar and every message is answered at once, unless the test keeps the answers back.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from duologue.calendar import resolve
from duologue.practice import events as e
from duologue.practice import grammar
from duologue.practice.asks import Delivered, Message, Resolution, Resolve, called_off
from duologue.practice.decide import Input, Tick, decide, start
from duologue.practice.evolve import evolve
from duologue.practice.grammar import Act
from duologue.practice.messages import COMMANDS, Reason, Receipt, Refusal
from duologue.practice.passing import due
from duologue.practice.plan import Plan
from duologue.practice.shapes import WITHOUT_WORDS
from duologue.practice.state import SCREEN, Session, State
from duologue.practice.values import PARTNERS, By, Frozen, Partner
from duologue.practice.views import View, ViewRequest, view

E = TypeVar("E", bound=e.Event)

MONDAY = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
"""When programmes begin here; their sessions are on Mondays at 19:00 UTC."""

EVENING = MONDAY.replace(hour=19)
"""When the first session begins."""

DAY = timedelta(days=1)
WEEK = timedelta(weeks=1)

WELL = dict.fromkeys(SCREEN, "yes")
NOT_WELL = {**WELL, "no_fear": "no"}


def a_plan(*kinds: str | tuple[str, ...], **given: Any) -> Plan:
    """Weekly sessions of `kinds`, in UTC, without quiet hours; everything else is the default."""
    items = [{"kinds": (k,) if isinstance(k, str) else k} for k in kinds or ("mirroring",) * 4]
    whole: dict[str, Any] = {
        "programme": "p",
        "people": {"a": {"ref": "person-a", "quiet": None}, "b": {"ref": "person-b", "quiet": None}},
        "facilitators": ("facilitator-1", "facilitator-2"),
        "safeguarding": "safeguarding-1",
        "cadence": {"every": "week", "on": ("monday",), "at": "19:00"},
        "curriculum": {"name": "test", "items": items},
    }
    return Plan.model_validate(whole | given)


class Play:
    """A programme, where it stands, and everything that has happened."""

    def __init__(self, plan: Plan | None = None, at: datetime = MONDAY) -> None:
        self.now = at
        self.answers = True
        """Whether the world answers by itself."""
        self.delivers = True
        """Whether messages get through; else all attempts fail, and go on, as when a provider is down."""
        self.plan, self.begun = plan or a_plan(), at
        self.state, self.events = start(self.plan, at)
        self.given: list[tuple[Input, datetime]] = []
        """Everything that the core has taken, and when; see `retold`."""
        self._ids = 0
        self.settle()

    # --- time ---

    def at(self, moment: datetime | str) -> Play:
        """Let time pass, as a worker does that is always there, up to `moment` (or `HH:MM` of the same day)."""
        until = self._moment(moment)
        assert until >= self.now, f"{until} has passed: it is {self.now}"
        while (deadline := due(self.state)) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.apply(Tick())
            self.settle()
        self.now = until
        return self

    def later(self, **span: float) -> Play:
        """Let time pass for so many days, hours, minutes."""
        return self.at(self.now + timedelta(**span))

    def _moment(self, moment: datetime | str) -> datetime:
        if isinstance(moment, datetime):
            return moment
        hours, minutes = moment.split(":")
        return self.now.replace(hour=int(hours), minute=int(minutes), second=0, microsecond=0)

    # --- the world ---

    def apply(self, given: Input) -> Refusal | list[e.Event]:
        """Give something to the core, now."""
        decision = decide(self.state, given, self.now)
        if not isinstance(decision, Refusal):
            for event in decision:
                self.state = evolve(self.state, event)
            self.events += decision
            self.given.append((given, self.now))
        return decision

    def settle(self) -> None:
        """Answer whatever has been asked of the world."""
        while self.answers and (answers := list(self._answers())):
            self.apply(answers[0])

    def _answers(self) -> Iterator[Resolution | Delivered]:
        yield from map(called_off, self.state.recalled)
        asks = self.state.asks.values()
        yield from (answer(ask) for ask in asks if self.delivers or isinstance(ask, Resolve))

    def provider_down(self) -> Play:
        """From now on no message gets through, and each is tried again and again."""
        self.delivers = False
        return self

    def provider_back(self) -> list[str]:
        """What is under way gets through; to whom which message does, in order."""
        self.delivers, before = True, len(self.events)
        self.settle()
        done = [d.delivered for d in self.events[before:] if isinstance(d, e.MessageSettled)]
        sent = {s.message.key: s.message for s in self.sent()}
        return [f"{sent[d.key].template} to {d.to}" for d in done if d.outcome == "delivered"]

    # --- commands ---

    def try_(self, name: str, by: By, **fields: Any) -> Refusal | list[e.Event]:
        """Send a command, whatever comes of it."""
        self._ids += 1
        given = {"command_id": f"c{self._ids}", "by": by} | fields
        outcome = self.apply(COMMANDS[name].model_validate(given))
        self.apply(Tick())
        self.settle()
        return outcome

    def send(self, name: str, by: By, **fields: Any) -> Receipt:
        """Send a command that must be applied."""
        outcome = self.try_(name, by, **fields)
        assert not isinstance(outcome, Refusal), outcome
        receipt = self.state.receipt(list(self.state.applied)[-1])
        assert receipt is not None
        return receipt

    def refused(self, name: str, by: By, **fields: Any) -> Reason:
        """Send a command that must be refused, and change nothing."""
        before = self.state
        outcome = self.try_(name, by, **fields)
        assert isinstance(outcome, Refusal), f"'{name}' was applied"
        assert self.state == before
        return outcome.reason

    def turn(self, by: By, act: str, **fields: Any) -> Receipt:
        """An act that must be applied."""
        return self.send("turn", by, act=act, **fields)

    # --- short ways ---

    def enrol(self) -> Play:
        """Both consent and are well: the programme begins."""
        for by in PARTNERS:
            self.send("consent", by)
            self.send("reply", by, question=self.open_question(by, "intake"), answers=WELL)
        return self

    def share_attendance(self) -> Play:
        """Both let staff know who was absent."""
        for by in PARTNERS:
            self.send("adjust", by, share_attendance=True)
        return self

    def open_question(self, to: Partner, kind: str) -> str:
        """The id of the one question of that kind that is open to somebody."""
        [found] = [q.id for q in self.state.questions if q.to == to and q.kind == kind]
        return found

    def asked(self, kind: str) -> list[Partner]:
        """To whom questions of that kind are open."""
        return sorted(q.to for q in self.state.questions if q.kind == kind)

    @property
    def session(self) -> Session:
        """The open session, or the next that is booked."""
        found = self.state.next_session
        assert found is not None, "nothing is booked"
        return found

    @property
    def begins(self) -> datetime:
        """When the next session begins."""
        assert self.session.start is not None
        return self.session.start

    def check_in(self) -> Play:
        """Both come to the next session, in time."""
        self.at(max(self.now, self.begins))
        for by in PARTNERS:
            self.turn(by, "ready")
        assert self.state.open_session is not None
        return self

    def miss(self) -> Play:
        """Nobody comes to the next session."""
        return self.at(self.begins + self.state.policy.missed_after)

    def hold(self, *, stop_before: str = "", defer: bool = False) -> Play:
        """Hold the next session to its end, a minute between turns; or until the movement `stop_before`."""
        if self.state.open_session is None:
            self.check_in()
        number = self.session.number
        while (session := self.state.session(number)) is not None:
            dialogue = session.dialogue
            assert dialogue is not None
            if dialogue.movement == stop_before:
                return self
            by, act, fields = next_turn(dialogue, defer=defer)
            if self.state.policy.words == "none":
                fields.pop("words", None)
            self.later(minutes=1)
            self.turn(by, act, **fields)
        return self

    # --- what can be seen ---

    def stage(self) -> str:
        """The programme's stage."""
        return self.state.stage

    def awaiting(self) -> str:
        """Whom the programme waits for."""
        return self.state.awaiting

    def of(self, kind: type[E]) -> list[E]:
        """All events of a kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def sent(self, template: str | None = None, to: str | None = None) -> list[e.MessageSent]:
        """What was given to delivery."""
        return [
            s
            for s in self.of(e.MessageSent)
            if template in (None, s.message.template) and to in (None, s.message.to)
        ]

    def told(self, template: str) -> list[str]:
        """To whom a message went, in order."""
        return [s.message.to for s in self.sent(template)]

    def skipped(self, template: str | None = None) -> list[tuple[str, str]]:
        """To whom a message did not go, and why."""
        return [
            (s.message.to, s.reason)
            for s in self.of(e.MessageSkipped)
            if template in (None, s.message.template)
        ]

    def sees(self, by: By) -> View:
        """What somebody sees now."""
        return view(self.state, ViewRequest(by=by, now=self.now))


def retold(play: Play) -> Iterator[tuple[State, Input, datetime, list[e.Event]]]:
    """The programme once more: each time the state before, what was given, when, and what came of it."""
    state, _ = start(play.plan, play.begun)
    for given, now in play.given:
        events = decide(state, given, now)
        assert not isinstance(events, Refusal)
        yield state, given, now, events
        for event in events:
            state = evolve(state, event)


def payloads(play: Play) -> Iterator[Frozen]:
    """What a history holds of it: commands, receipts, what was asked of the world, and its answers."""
    for before, given, _, events in retold(play):
        if not isinstance(given, Tick):
            yield given
        state = before
        for event in events:
            state = evolve(state, event)
            if isinstance(event, e.MessageSent):
                yield event.message
            elif isinstance(event, e.TimeAsked | e.WindowsAsked):
                yield event.ask
        receipt = state.receipt(getattr(given, "command_id", ""))
        if receipt is not None:
            yield receipt


def answer(ask: Resolve | Message) -> Resolution | Delivered:
    """What a world in which everything works answers."""
    return resolve(ask) if isinstance(ask, Resolve) else Delivered(key=ask.key, outcome="delivered")


def next_turn(
    dialogue: grammar.Dialogue, *, defer: bool = False, sends: int = 1
) -> tuple[Partner, Act, dict[str, Any]]:
    """A turn that moves a dialogue on towards its end."""
    options = grammar.options(dialogue)
    by = grammar.awaited(dialogue)[0]
    wanted = [Act.NO_MORE, Act.SHARE, *options[by]]
    if defer and Act.DEFER_SWITCH in options["a"] + options["b"]:
        by = "a" if Act.DEFER_SWITCH in options["a"] else "b"
        wanted = [Act.DEFER_SWITCH]
    if dialogue.step == "more" and dialogue.round < sends:
        wanted.remove(Act.NO_MORE)
    written = sum(n.by == by and n.movement == dialogue.movement for n in dialogue.lines)
    if Act.WRITE in options[by] and not written:
        wanted = [Act.WRITE]
    act = next(act for act in wanted if act in options[by])
    fields: dict[str, Any] = {} if act in WITHOUT_WORDS else {"words": {"text": f"{by} {act}"}}
    if act == Act.REQUEST:
        fields["within_days"] = 7
    if act == Act.CHOOSE:
        fields = {"lines": [next(n.number for n in dialogue.lines if n.by == dialogue.sender)]}
    if act == Act.MARK:
        movement = grammar.current(dialogue)
        marked = [n.number for n in dialogue.lines if n.shared and (movement.of == "all" or n.by != by)]
        fields = {"lines": marked}
    return by, act, fields


def practising(*kinds: str | tuple[str, ...], **given: Any) -> Play:
    """A programme that has begun; its first session is this evening."""
    return Play(a_plan(*kinds, **given)).enrol()


def missed_twice(**given: Any) -> Play:
    """The first session, and its next appointment, have been missed."""
    play = practising(**given).miss()
    return play.later(days=5).miss()


def missed_thrice(**given: Any) -> Play:
    """And once more: the programme has paused itself."""
    return missed_twice(**given).later(days=5).miss()


def asked_for(**fields: Any) -> Play:
    """One session was held; the day after A asks for a dialogue between the booked ones."""
    play = practising("full", "full").hold().later(days=1)
    play.send("ask_dialogue", "a", kind="mirroring", **fields)
    return play
