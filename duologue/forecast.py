"""The dry run: everything that a programme will do, by date, before anything starts.

A steady couple goes through the whole programme by the same pure core that runs it, and what it brings about is
written down: sessions, messages, cost. At each session the state is also followed on with nobody coming any more, which
gives the ladder's steps with their dates. No rule and no time is reckoned here; all of it is read off events.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from icalendar import Calendar
from icalendar import Event as Entry

from duologue import calendar
from duologue.activities.invitation import invitation
from duologue.foreseen import Clock, Cost, Forecast, PlannedSession, Reminder, Rung, rough_edges
from duologue.habits import Habits, Manner
from duologue.practice import events as e
from duologue.practice.asks import Message, Slot
from duologue.practice.decide import Input, Tick, decide
from duologue.practice.evolve import evolve
from duologue.practice.kinds import KINDS
from duologue.practice.messages import Refusal
from duologue.practice.passing import due
from duologue.practice.plan import Plan
from duologue.practice.state import State
from duologue.practice.values import PARTNERS, Instant, Partner
from duologue.simulate import Simulation, answer, simulate
from duologue.tariff import (
    DOLLARS_PER_GIGABYTE_HOUR,
    Shell,
    dollars,
)

_REACTION = timedelta(seconds=30)
_ANSWER = timedelta(hours=1)
_TURNS = 400
"""More than any session has: a steady couple comes to its end within the window, however short that is."""
_STEPS = 500
"""Where a ladder that never ends is let be."""
_PRODID = "-//Duologue//Duologue plan//EN"


def manner_for(plan: Plan, *, tail: bool = False) -> Manner:
    """A couple who come to everything and finish it, at the pace that the plan's windows ask for."""
    policy = plan.policy
    each = Habits(
        exchanges=3,
        reaction=min(_REACTION, policy.window / _TURNS),
        answers_after=min(_ANSWER, policy.enrol_within / 10),
        goes_on=tail,
    )
    return Manner(a=each.with_(corrections=1), b=each)


def forecast(plan: Plan, *, starts: Instant, tail: bool = False, manner: Manner | None = None) -> Forecast:
    """Everything that `plan` will do, started at `starts`. Raises `CalendarError` for a time that cannot be.

    `tail`: with what a couple may go on with. `manner`: another couple than a steady one, for comparisons.
    """
    simulation = simulate(plan, begins=starts, manner=manner or manner_for(plan, tail=tail))
    notes, shell = _Notes(simulation), Shell(simulation.state, starts)
    both = (shell.after, notes.after)

    def watch(given: Input, written: Sequence[e.Event], state: State, now: Instant) -> None:
        for each in both:
            each(given, written, state, now)

    simulation.watch = watch
    simulation.run()
    state, costs = simulation.state, shell.account
    sessions = tuple(notes.sessions())
    return Forecast(
        programme=plan.programme,
        starts=starts,
        practising=state.anchor,
        ends=state.ended or simulation.now,
        ending=state.ending,
        tzdata=calendar.tzdata_version(),
        sessions=sessions,
        items=len(plan.curriculum.items),
        messages={to: dict(sorted(notes.sent[to].items())) for to in sorted(notes.sent)},
        cost=Cost(
            updates=costs.billed.get("update", 0),
            events=costs.events,
            actions=costs.actions,
            by_action=costs.billed,
            history_bytes=costs.bytes,
            runs=shell.runs,
            dollars=dollars(costs.actions),
            storage_dollars=shell.byte_hours / 1e9 * DOLLARS_PER_GIGABYTE_HOUR,
        ),
        warnings=tuple(rough_edges(plan, starts, sessions, state, spare=_spare(plan, sessions, state))),
    )


def _spare(plan: Plan, sessions: Sequence[PlannedSession], state: State) -> bool:
    """Whether the cadence has a slot left after the curriculum's last session."""
    last, zone = sessions[: len(plan.curriculum.items)][-1:], calendar.zone(plan.zone)
    return not last or any(
        calendar.slots(plan.cadence, zone, anchor=state.anchor or state.opened, after=last[0].start)
    )


class _Notes:
    """What is written down while a couple goes through the programme."""

    def __init__(self, simulation: Simulation) -> None:
        self._plan = simulation.state.plan
        self._policy = simulation.state.policy
        self.sent: dict[str, Counter[str]] = {}
        self._slots: dict[Instant, Slot] = {}
        self._booked: dict[int, State] = {}
        self._planned: dict[str, e.MessagePlanned] = {}
        self._reminders: dict[int, list[Reminder]] = {}
        for ask in simulation.state.asks.values():
            if isinstance(ask, Message):
                self._count(ask)

    def after(self, given: Input, written: Sequence[e.Event], state: State, now: Instant) -> None:
        """Note one task."""
        del given, now
        for event in written:
            match event:
                case e.TimeResolved():
                    self._slots |= {slot.start: slot for slot in event.resolution.slots}
                case e.SessionBooked():
                    self._booked[event.session] = state
                    self._reminders[event.session] = []
                case e.MessagePlanned():
                    self._planned[event.message.key] = event
                case e.MessageSent():
                    self._count(event.message)
                    self._remind(event.message, event.at, "")
                case e.MessageSkipped() if event.reason != "void":
                    self._remind(event.message, None, event.reason)

    def _count(self, message: Message) -> None:
        self.sent.setdefault(message.to, Counter())[message.template] += 1

    def _remind(self, message: Message, at: Instant | None, reason: str) -> None:
        if message.template != "reminder" or message.session is None or message.to not in PARTNERS:
            return
        planned = self._planned.get(message.key)
        wanted = planned.wanted if planned else self._wanted(message) if at is None else at
        to: Partner = "a" if message.to == "a" else "b"
        held = at is not None and wanted is not None and at > wanted
        shown = at or wanted
        found = Reminder(
            to=to,
            wanted=wanted,
            at=at,
            local=_on(shown, message.zone) if shown else "",
            status="skipped" if at is None else "held" if held else "on_time",
            why=self._why(to, reason) if at is None else self._why(to, "quiet_hours") if held else "",
        )
        self._reminders.setdefault(message.session, []).append(found)

    def _why(self, to: Partner, reason: str) -> str:
        quiet = getattr(self._plan.people, to).quiet
        hours = f"quiet hours {quiet.start}-{quiet.end}" if quiet else "quiet hours"
        told = {
            "past": "its moment was past when the session was booked",
            "quiet_hours": hours,
            "superseded": "another is sent at the same moment",
        }
        return told.get(reason, reason)

    def _wanted(self, message: Message) -> Instant | None:
        """The moment of a reminder that was never planned: its place in the policy is in its key."""
        place = message.key.rsplit(":", 4)[1].rpartition(".")[2]
        if message.start is None or not place.isdigit() or int(place) > len(self._policy.reminders):
            return None
        return message.start - self._policy.reminders[int(place) - 1]

    def sessions(self) -> Iterator[PlannedSession]:
        """Every session that was booked, as it was booked last."""
        first: Instant | None = None
        for number, state in sorted(self._booked.items()):
            session = state.session(number)
            if session is None or session.start is None:
                continue
            first = first or session.start
            slot = self._slots[session.start]
            kinds = state.kinds_of(session.item)
            people = state.plan.people
            yield PlannedSession(
                number=number,
                week=(_day(session.start, slot.zone) - _day(first, slot.zone)).days // 7 + 1,
                title=session.item.title,
                kinds=kinds,
                replaced=tuple(
                    kind for kind, held in zip(session.item.kinds, kinds, strict=True) if kind != held
                ),
                start=session.start,
                local=_on(session.start, slot.zone),
                zone=slot.zone,
                each={
                    p: Clock(local=_on(session.start, getattr(people, p).zone), zone=getattr(people, p).zone)
                    for p in PARTNERS
                },
                night_for=slot.night_for,
                shifted=slot.shifted,
                fold=slot.fold,
                twice=_twice(session.start, slot.zone),
                minutes=(sum(KINDS[k].minutes[0] for k in kinds), sum(KINDS[k].minutes[1] for k in kinds)),
                reminders=tuple(
                    sorted(self._reminders.get(number, ()), key=lambda r: (str(r.wanted or r.at), r.to))
                ),
                if_nobody_came=tuple(_let_alone(state)),
            )


def _let_alone(state: State) -> Iterator[Rung]:
    """What the core does if from here on nobody does anything."""
    zone, misses = state.plan.zone, 0
    for event in _course(state):
        if isinstance(event, e.EscalationBegan):
            misses = event.escalation.misses
        what = _rung(event, state.plan)
        if what is not None:
            # A miss is noted before its ladder begins.
            count = misses + (what[0] == "missed")
            yield Rung(
                at=event.at, local=_on(event.at, zone), misses=count, what=what[0], to=what[1], text=what[2]
            )


_What = Literal["ask_absent", "missed", "tell", "book_again", "pause", "end"]


def _rung(event: e.Event, plan: Plan) -> tuple[_What, str, str] | None:
    match event:
        case e.SessionMissed():
            return "missed", "", ""
        case e.SessionBooked():
            return "book_again", "", ""
        case e.PauseBegan():
            return "pause", "", ""
        case e.Ended():
            return "end", "", event.ending
        case e.MessageSent() if event.message.template == "still_on":
            return "ask_absent", event.message.to, event.message.template
        case e.MessageSent() if event.message.template not in ("reminder", "moved", "invitation"):
            first = event.message.to != "facilitator" or event.message.ref == plan.facilitators[0]
            return "tell", event.message.to if first else "next_contact", event.message.template
        case _:
            return None


def _course(state: State) -> Iterator[e.Event]:
    top, now = len(state.policy.ladder), state.clock
    for _ in range(_STEPS):
        ask, deadline = next(iter(state.asks.values()), None), due(state)
        if ask is None and (deadline is None or state.missed_in_a_row > top):
            return
        given: Input = answer(ask) if ask is not None else Tick()
        now = now if ask is not None or deadline is None else max(now, deadline)
        decision = decide(state, given, now)
        if isinstance(decision, Refusal):
            return
        for event in decision:
            state = evolve(state, event)
            yield event


def _on(at: Instant, zone: str) -> str:
    """An instant on the clock of a zone, to the second."""
    try:
        place = calendar.zone(zone)
    except calendar.CalendarError:
        return at.isoformat(timespec="seconds")
    return at.astimezone(place).isoformat(timespec="seconds")


def _day(at: Instant, zone: str) -> date:
    return at.astimezone(calendar.zone(zone)).date()


def _twice(at: Instant, zone: str) -> bool:
    """Whether the clock of a zone reads this moment's time twice."""
    place: ZoneInfo = calendar.zone(zone)
    local = at.astimezone(place)
    readings = {local.replace(fold=fold).astimezone(ZoneInfo("UTC")) for fold in (0, 1)}
    return len(readings) > 1 and all(
        moment.astimezone(place).replace(tzinfo=None) == local.replace(tzinfo=None) for moment in readings
    )


# --- a calendar -------------------------------------------------------------------------------------------------------


def to_ics(found: Forecast) -> str:
    """All sessions as one calendar, to look at: tentative entries under the identities of the later invitations.

    Like those they say nothing of a couple but when; a calendar that has imported them takes the invitation in place.
    """
    whole = Calendar()
    whole.add("prodid", _PRODID)
    whole.add("version", "2.0")
    whole.add("method", "PUBLISH")
    for session in found.sessions:
        made = invitation(
            Message(
                key=f"{found.programme}:s{session.number}:invitation:a:1",
                programme=found.programme,
                to="a",
                ref="plan",
                template="invitation",
                session=session.number,
                revision=1,
                start=session.start,
                minutes=max(session.minutes[1], 1),
                at=found.starts,
            )
        )
        assert made is not None  # noqa: S101 - an invitation with a session and a start is one
        for entry in Calendar.from_ical(made.ics).walk("VEVENT"):
            assert isinstance(entry, Entry)  # noqa: S101 - what VEVENT is
            entry.pop("attendee")
            entry.pop("status")
            entry.add("status", "TENTATIVE")
            summary = str(entry.pop("summary"))
            entry.add("summary", f"{summary} ({session.number} of {len(found.sessions)})")
            whole.add_component(entry)
    text: bytes = whole.to_ical()
    return text.decode()
