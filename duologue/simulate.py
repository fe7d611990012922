"""The simulator: a synthetic couple through a whole programme by the pure core alone, in virtual time.

Nothing waits: time jumps to whatever comes next, a deadline of the programme or something one of the two does. The
calendar answers as it would, and every message is delivered. `on_server.py` records the same for real.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import count, islice, takewhile

from duologue import calendar
from duologue.couple import Couple, Intent
from duologue.habits import REFERENCE, STEADY, Manner
from duologue.practice.asks import Delivered, Message, Resolve, called_off
from duologue.practice.decide import Input, Tick, decide, start
from duologue.practice.events import Event
from duologue.practice.evolve import evolve
from duologue.practice.journal import Entry
from duologue.practice.messages import Refusal
from duologue.practice.passing import due
from duologue.practice.plan import Cadence, Curriculum, Item, Listed, People, Person, Plan, Weekly
from duologue.practice.state import JournalEntry, State
from duologue.practice.values import PARTNERS, By, Instant
from duologue.practice.views import View, ViewRequest, view

Watch = Callable[[Input, Sequence[Event], State, Instant], None]
"""Told of each task of a programme: what was given, what it brought about, the state after it, and when."""

BEGINS = datetime(2027, 1, 4, 9, 0, tzinfo=UTC)
"""When a simulated programme begins unless told: a Monday morning."""


class Simulation:
    """A simulated programme: iterate for the timeline as it happens; `state` is where it stands by then."""

    def __init__(
        self, plan: Plan, couple: Couple, *, begins: Instant = BEGINS, weeks: int | None = None
    ) -> None:
        self.begins = begins
        self.now = begins
        self.refusals: list[Refusal] = []
        """What the couple could not know would be refused."""
        self.watch: Watch | None = None
        self._couple = couple
        self._plan, self._weeks = plan, weeks
        self._until: Instant | None = None
        self._by: tuple[By, ...] = (*PARTNERS, "facilitator") if plan.facilitators else PARTNERS
        self.state, self._events = start(plan, begins)

    def __iter__(self) -> Iterator[Entry]:
        """Run it to its end, or through the given weeks."""
        yield from self._written(self._events)
        while True:
            yield from self._answers()
            self._see_the_end()
            deadline = due(self.state)
            intent = self._couple.next(self._views(), self.now)
            times = [at for at in (deadline, intent.at if intent else None) if at is not None]
            if not times:
                return
            if self._until is not None and min(times) > self._until:
                self.now = self._until
                return
            self.now = max(self.now, min(times))
            if deadline is not None and deadline <= self.now:
                yield from self._apply(Tick())
            elif intent is not None:
                yield from self._act(intent)

    def run(self) -> list[Entry]:
        """The whole timeline at once."""
        return list(self)

    def _views(self) -> dict[By, View]:
        return {by: view(self.state, ViewRequest(by=by, now=self.now)) for by in self._by}

    def _answers(self) -> Iterator[Entry]:
        """What the world answers: the calendar its times, every channel that it has delivered."""
        while self.state.asks or self.state.recalled:
            recalled = next(iter(self.state.recalled), None)
            ask = next(iter(self.state.asks.values()), None)
            if recalled is not None:
                yield from self._apply(called_off(recalled))
            elif ask is not None:
                yield from self._apply(answer(ask))

    def _see_the_end(self) -> None:
        session = self.state.next_session
        if self._weeks is not None and self._until is None and session and session.start:
            self._until = weeks_end(self._plan, session.start, self._weeks)

    def _act(self, intent: Intent) -> Iterator[Entry]:
        if intent.command is None:
            return
        before = len(self.refusals)
        yield from self._apply(intent.command)
        if len(self.refusals) > before:
            self._couple.refused(intent)
        else:
            self._couple.done(intent)

    def _apply(self, command: Input) -> Iterator[Entry]:
        decision = decide(self.state, command, self.now)
        if isinstance(decision, Refusal):
            self.refusals.append(decision)
            return
        for event in decision:
            self.state = evolve(self.state, event)
        if self.watch:
            self.watch(command, decision, self.state, self.now)
        yield from self._written(decision)

    def _written(self, written: list[Event]) -> Iterator[Entry]:
        first = self.state.seq - len(written) + 1
        for seq, event in enumerate(written, first):
            what = type(event).__name__
            yield Entry.of(JournalEntry(seq=seq, at=event.at, what=what, by=event.actor, detail=event.detail))


def answer(ask: Resolve | Message) -> Input:
    """What a world in which everything works answers."""
    return calendar.resolve(ask) if isinstance(ask, Resolve) else Delivered(key=ask.key, outcome="delivered")


def simulate(
    plan: Plan,
    *,
    weeks: int | None = None,
    seed: int = 0,
    manner: Manner = STEADY,
    begins: Instant = BEGINS,
) -> Simulation:
    """A simulation of `plan`, to be iterated over or `run`.

    It ends with the programme, or after so many `weeks` of practice. The same arguments give the same course.
    """
    return Simulation(plan, Couple(plan.programme, manner, seed), begins=begins, weeks=weeks)


def weeks_end(plan: Plan, first: Instant, weeks: int) -> Instant:
    """The end of so many weeks of practice, counted from the day of the `first` session.

    A week in which the couple are away, all its slots being skipped, is not one of them.
    """
    cadence, zone = plan.cadence, calendar.zone(plan.zone)
    day = first.astimezone(zone).date()
    away: set[int] = set()
    if not isinstance(cadence, Listed):
        last = first + timedelta(weeks=weeks + len(cadence.skip) + 1)

        def held(cadence: Cadence) -> set[int]:
            slots = calendar.slots(cadence, zone, anchor=first, after=first)
            days = (slot.start.astimezone(zone).date() for slot in slots)
            return {(each - day).days // 7 for each in takewhile(lambda each: each < last.date(), days)}

        away = held(cadence.with_(skip=())) - held(cadence) - {0}
    number = next(islice((n for n in count(1) if n - 1 not in away), weeks - 1, None))
    return datetime.combine(day + timedelta(weeks=number), time(), zone).astimezone(UTC)


def reference_plan(programme: str = "reference", sessions: int = 12) -> Plan:
    """The reference programme: `full` dialogues weekly, check-ins, two reminders to each partner a session.

    To be begun on a Monday morning, so that the reminders of the first session are not past.
    """
    return Plan(
        programme=programme,
        people=People(
            a=Person(ref="person-a", zone="Europe/Berlin"), b=Person(ref="person-b", zone="Europe/Lisbon")
        ),
        facilitators=("facilitator-1", "facilitator-2"),
        safeguarding="safeguarding-1",
        zone="Europe/Berlin",
        cadence=Weekly(on=("thursday",), at="19:00"),
        curriculum=Curriculum(name="reference", items=(Item(kinds=("full",)),) * sessions),
    )


__all__ = [
    "BEGINS",
    "REFERENCE",
    "STEADY",
    "Entry",
    "Simulation",
    "answer",
    "reference_plan",
    "simulate",
    "weeks_end",
]
