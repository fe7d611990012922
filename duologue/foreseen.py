"""What a dry run finds: a programme's sessions, messages and cost before it starts, and what one should know of them.

Only what is said, and in which words; the course that it is read off is `forecast.py`'s, every rule in it the core's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Literal

from duologue.practice import texts
from duologue.practice.plan import KindName, Plan
from duologue.practice.state import Ending, State
from duologue.practice.values import PARTNERS, Frozen, Instant, Partner
from duologue.tariff import DOLLARS_PER_MILLION_ACTIONS, PRICED


class Clock(Frozen):
    """A moment on somebody's clock."""

    local: str
    """The wall-clock time with its offset from UTC, ISO 8601."""
    zone: str


class Reminder(Frozen):
    """A reminder before a session, to one of the two."""

    to: Partner
    wanted: Instant | None
    """The moment it is meant for."""
    at: Instant | None
    """When it is sent; None: it is not."""
    local: str
    """That, or the moment it was meant for, on the recipient's clock."""
    status: Literal["on_time", "held", "skipped"]
    why: str = ""


class Rung(Frozen):
    """Something that follows if nobody comes to a session, nor to those after it."""

    at: Instant
    local: str
    """On the couple's clock."""
    misses: int
    """After which miss in a row; 0: before the first."""
    what: Literal["ask_absent", "missed", "tell", "book_again", "pause", "end"]
    to: str = ""
    """`a`, `b`, `facilitator`, `next_contact` or `safeguarding`."""
    text: str = ""
    """The message's template, or how the programme ended."""


class PlannedSession(Frozen):
    """A session with everything around it."""

    number: int
    week: int
    """Counted from the first session's."""
    title: str
    kinds: tuple[KindName, ...]
    """What would be held, opt-ins considered as they are now."""
    replaced: tuple[KindName, ...] = ()
    """Kinds of the curriculum in whose place the fallback is held, since not both have opted in."""
    start: Instant
    local: str
    """On the couple's clock, with its offset from UTC."""
    zone: str
    each: Mapping[Partner, Clock]
    night_for: tuple[Partner, ...] = ()
    shifted: bool = False
    """The clock leaves the wanted time out that day; this is the first valid minute after it."""
    fold: Literal[0, 1] = 0
    """1: the second of two times that the clock reads that day."""
    twice: bool = False
    """The clock reads this time twice that day."""
    minutes: tuple[int, int]
    """How long its dialogues take, from and to."""
    reminders: tuple[Reminder, ...] = ()
    if_nobody_came: tuple[Rung, ...] = ()


class Cost(Frozen):
    """What it costs on Temporal: the history of a couple who hold every session, with three exchanges each."""

    updates: int
    """Acts of the two, sent as updates."""
    events: int
    actions: int
    by_action: Mapping[str, int]
    history_bytes: int
    """About; what is said weighs most."""
    runs: int
    dollars: float
    """For the actions."""
    storage_dollars: float
    """About: for keeping the history while the programme runs."""
    dollars_per_million_actions: float = DOLLARS_PER_MILLION_ACTIONS
    priced: str = PRICED.isoformat()
    """When the list price was read. Queries are billed too, one action each time somebody looks."""


class Forecast(Frozen):
    """A whole programme before it starts."""

    programme: str
    starts: Instant
    practising: Instant | None
    """When both have consented and answered: an hour after the start, say."""
    ends: Instant
    ending: Ending | None
    tzdata: str
    sessions: tuple[PlannedSession, ...]
    items: int
    """Sessions of the curriculum."""
    messages: Mapping[str, Mapping[str, int]]
    """How many of each template go to each person."""
    cost: Cost
    warnings: tuple[str, ...]


def rough_edges(
    plan: Plan, starts: Instant, sessions: Sequence[PlannedSession], state: State, *, spare: bool
) -> Iterator[str]:
    """What somebody should know before the start, in their words; `state` is where a steady couple ends.

    `spare`: whether the cadence has a slot left after the curriculum's last session.
    """
    items, reached = len(plan.curriculum.items), state.next_item
    if reached < items:
        ends = "has no time to offer" if not sessions else f"ends after {_many(reached, 'session')}"
        yield (
            f"the cadence {ends}, and the curriculum has {items}: "
            "add slots, or a later 'until' or 'count', or shorten the curriculum"
        )
    elif not spare:
        yield (
            "the cadence has no slot to spare: after a single miss or pause there is none for the last session; "
            "add slots, or a later 'until' or 'count'"
        )
    if state.ending is None:
        last = sessions[-1].start if sessions else starts
        yield f"the programme has not come to its end by {last:%Y-%m-%d}"
    for person in PARTNERS:
        yield from _for_one(plan, person, sessions)
    for session in sessions:
        if session.shifted:
            yield f"session {session.number}: the clock leaves its time out that day; it moves to {session.local}"
        elif session.twice:
            which = "second" if session.fold else "first"
            yield f"session {session.number}: the clock reads its time twice that day; the {which} is meant"
    if plan.curriculum.items[-1].midpoint and plan.curriculum.tail is None:
        yield "the last session has 'midpoint': nothing is asked where nothing follows; set it on an earlier session"
    replaced = sorted({kind for s in sessions for kind in s.replaced})
    if replaced:
        yield f"not both have opted in to {' and '.join(replaced)}: the fallback is held in their place"
    for outcome in ("missed", "unfinished", "lapsed", "cancelled"):
        if state.counts.get(outcome):
            what = _many(state.counts[outcome], "appointment")
            yield f"{what} even of a steady couple would be {outcome}: the window or the slots leave too little time"
    yield from _unstaffed(plan)


def _for_one(plan: Plan, person: Partner, sessions: Sequence[PlannedSession]) -> Iterator[str]:
    """What one of the two would mind."""
    language = getattr(plan.people, person).language
    if not texts.covers(language):
        yield f"there are no texts in '{language}' for {person}: messages and prompts are in English"
    nights = [s for s in sessions if person in s.night_for]
    quiet = getattr(plan.people, person).quiet
    if nights:
        at = datetime.fromisoformat(nights[0].each[person].local)
        yield (
            f"{_numbered([s.number for s in nights])} at night for {person} "
            f"({at:%H:%M} in {nights[0].each[person].zone}"
            f"{f'; quiet hours {quiet.start}-{quiet.end}' if quiet else ''})"
        )
    clocks = {s.each[person].local[11:16] for s in sessions if not s.shifted}
    if len(clocks) > 1 and plan.cadence.every != "list":
        yield f"the hour changes for {person}: sessions are at {' and '.join(sorted(clocks))} on that clock"
    for status, what in (("skipped", "is not sent"), ("held", "is held back")):
        found = [
            (s.number, r) for s in sessions for r in s.reminders if r.to == person and r.status == status
        ]
        if found:
            numbers = _numbered(sorted({number for number, _ in found}))
            yield f"a reminder to {person} {what} for {numbers}: {found[0][1].why}"


def _unstaffed(plan: Plan) -> Iterator[str]:
    steps = [step for rung in plan.policy.ladder for step in rung]
    for place, (to, name) in enumerate(
        (("facilitator", "a facilitator"), ("next_contact", "a next contact"))
    ):
        if len(plan.facilitators) <= place and any(s.do == "alert" and s.to == to for s in steps):
            yield f"nobody is named as {name}: the ladder's steps that call one are skipped"
    if plan.safeguarding is None:
        reached = "the first facilitator" if plan.facilitators else "nobody"
        yield f"nobody is named under 'safeguarding': a concern would pause the programme and reach {reached}"


def _many(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _numbered(sessions: Sequence[int]) -> str:
    return f"session{'' if len(sessions) == 1 else 's'} {', '.join(map(str, sessions))}"
