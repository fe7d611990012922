"""The programme file: who practises, when, what, and under which policy.

The models here are what a platform writes before a start; they are part of the workflow's input and never change
while it runs, but for what `adjust` changes of a person or the policy. No rule lives here, only shapes, limits and
defaults.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from duologue.practice.policy import Policy
from duologue.practice.values import (
    ClockTime,
    Frozen,
    Instant,
    Language,
    Partner,
    Ref,
    ZoneName,
    text_bytes,
)

KindName = Literal[
    "appreciation",
    "mirroring",
    "full",
    "vision",
    "commitment",
    "story",
    "trigger",
    "request",
    "caring",
    "review",
]
"""The ten kinds of dialogue (reference/dialogue.md, "Kinds of dialogue")."""

OPT_IN: tuple[KindName, ...] = ("commitment", "story")
"""Kinds held only while both have opted in; revocable at any time."""

Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]


class QuietHours(Frozen):
    """The daily hours, in the person's own zone, in which no message is sent. May run over midnight."""

    start: ClockTime = "22:00"
    end: ClockTime = "07:00"


class Person(Frozen):
    """One partner, by reference only: names and addresses live outside every history."""

    ref: Ref
    zone: ZoneName = "UTC"
    """The zone that this person's messages and quiet hours are reckoned in."""
    language: Language = "en"
    quiet: QuietHours | None = Field(default_factory=QuietHours)
    """None: messages at any hour."""
    reminders: bool = True
    """Whether this person is reminded of what is booked."""
    opt_in: tuple[KindName, ...] = ()


class People(Frozen):
    """The two partners."""

    a: Person
    b: Person

    @model_validator(mode="after")
    def _two_people(self) -> Self:
        if self.a.ref == self.b.ref:
            message = "a and b are two people; give each a reference of their own"
            raise ValueError(message)
        return self


class _WallClock(Frozen):
    """What every wall-clock cadence shares. Times are in `Plan.zone`."""

    at: ClockTime
    start: date | None = None
    """The first day that may carry a session; None: from the day practising begins."""
    until: date | None = None
    """The last day that may carry a session."""
    count: int | None = Field(default=None, ge=1, le=1000)
    """At most so many slots, counted from the start."""
    skip: tuple[date, ...] = Field(default=(), max_length=366)
    """Blackout dates."""
    gap: Literal["later", "skip"] = "later"
    """A time that the spring change leaves out: the first valid minute after it, or no session that day."""
    fold: Literal["first", "second"] = "first"
    """A time that the autumn change repeats."""


class Weekly(_WallClock):
    """Every week (or every `interval` weeks) on the given days."""

    every: Literal["week"] = "week"
    interval: int = Field(default=1, ge=1, le=52)
    on: tuple[Weekday, ...] = Field(min_length=1, max_length=7)


class EveryDays(_WallClock):
    """Every N days from the start."""

    every: Literal["days"] = "days"
    days: int = Field(ge=1, le=366)


class Monthly(_WallClock):
    """Every month on the n-th (or last, -1) of a weekday."""

    every: Literal["month"] = "month"
    on: Weekday
    nth: Literal[1, 2, 3, 4, -1] = 1


Offset = Annotated[
    str,
    Field(pattern=r"^\+([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+(min|m))?([0-9]+s)?$", examples=["+20s", "+7d"]),
]
"""A span from the start; the calendar refuses what is none."""


class Listed(Frozen):
    """An explicit list: instants with an offset (`2027-01-04T19:00:00+01:00`) or spans from the start (`+20s`)."""

    every: Literal["list"] = "list"
    at: tuple[Instant | Offset, ...] = Field(min_length=1, max_length=120)


Cadence = Annotated[Weekly | EveryDays | Monthly | Listed, Field(discriminator="every")]
"""When the booked dialogues are."""


TITLE, THEME = 80, 200
"""The most characters of them, with three bytes for each in UTF-8: they stand in every session too."""


class Item(Frozen):
    """One booked session of a curriculum: one or more dialogues held one after the other."""

    title: str = Field(default="", max_length=TITLE)
    kinds: tuple[KindName, ...] = Field(min_length=1, max_length=3)
    fallback: KindName = "full"
    """Held in place of a kind that is opt-in while not both have opted in."""
    theme: str = Field(default="", max_length=THEME)
    """What the dialogue is about, in the curriculum's own neutral words ("a pleasant topic")."""
    first_sender: Partner | None = None
    """None: the first sender alternates."""
    midpoint: bool = False
    """Whether the private suitability questions are asked again after this session."""

    @model_validator(mode="after")
    def _short(self) -> Self:
        for name, text, most in (("title", self.title, TITLE * 3), ("theme", self.theme, THEME * 3)):
            if text_bytes(text) > most:
                message = f"a {name} may hold at most {most} bytes; write a shorter one"
                raise ValueError(message)
        return self

    @model_validator(mode="after")
    def _a_fallback_needs_no_opt_in(self) -> Self:
        if self.fallback in OPT_IN:
            message = (
                f"'{self.fallback}' is itself opt-in; choose a fallback that needs no opt-in, such as 'full'"
            )
            raise ValueError(message)
        return self


class Tail(Frozen):
    """What a couple may go on with after the last item."""

    item: Item = Field(default_factory=lambda: Item(kinds=("full",), title="Keeping it up"))
    cadence: Cadence = Field(default_factory=lambda: Monthly(on="monday", nth=1, at="19:00"))
    count: int = Field(default=12, ge=1, le=120)
    """After so many sessions of the tail the programme completes."""


class Curriculum(Frozen):
    """The sessions in their order, and the tail."""

    name: str = Field(max_length=80)
    items: tuple[Item, ...] = Field(min_length=1, max_length=104)
    tail: Tail | None = None


class Delivery(Frozen):
    """Who delivers messages: a platform may take that over with an activity `deliver` of its own."""

    task_queue: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/-]{0,99}$")]
    """The task queue on which it listens."""


PLAN_BYTES = 22_528
"""The most bytes of a plan in JSON: it is part of every programme's state."""


class Plan(Frozen):
    """One couple's programme, whole: what the programme file says once its curriculum is filled in."""

    programme: Ref
    """The programme's id; the workflow's id is `programme/{programme}`."""
    tenant: Ref = "default"
    people: People
    facilitators: tuple[Ref, ...] = Field(default=(), max_length=5)
    """The facilitator first, then the next contact: those are the two whom steps of the ladder and calls may go to.
    Any after them hear of a concern alone, where nobody before them could be reached. Empty: steps that need one are
    skipped."""
    safeguarding: Ref | None = None
    """Who alone hears of a concern. None: the first facilitator does; with nobody at all a concern stops every
    message and is told to no one, which a programme file may not ask for."""
    zone: ZoneName = "UTC"
    """The couple's zone: session times are wall-clock times here."""
    cadence: Cadence
    curriculum: Curriculum
    first_sender: Partner = "a"
    policy: Policy = Field(default_factory=Policy)
    delivery: Delivery | None = None
    """None: the worker's own channels deliver."""

    @property
    def hears_of_concerns(self) -> tuple[Ref, ...]:
        """Who is told of a concern; the next in order where one cannot be reached."""
        first = () if self.safeguarding is None else (self.safeguarding,)
        return tuple(dict.fromkeys((*first, *self.facilitators)))

    @model_validator(mode="after")
    def _not_too_large(self) -> Self:
        if self.json_bytes > PLAN_BYTES:
            message = (
                f"a plan may hold at most {PLAN_BYTES} bytes; shorten titles and themes, or use fewer dates"
            )
            raise ValueError(message)
        return self
