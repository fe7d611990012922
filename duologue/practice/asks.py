"""What the core asks of the world, and what the world answers.

These are the arguments and results of the two activities, `resolve` and `deliver`, and their names. The core writes
the asks as events; the workflow carries them out; the answers come back as commands. No activity code lives here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Literal

from pydantic import Field

from duologue.practice.plan import Cadence, People, QuietHours
from duologue.practice.values import Frozen, Instant, Ref, Scope, Span, Words, ZoneName

RESOLVE = "resolve"
DELIVER = "deliver"


class Window(Frozen):
    """A stretch of UTC time in which messages may reach a person: `[start, end)`."""

    start: Instant
    end: Instant


class Windows(Frozen):
    """Both partners' allowed message windows, complete for `[since, until)`; outside it nothing is known."""

    since: Instant
    until: Instant
    a: tuple[Window, ...]
    b: tuple[Window, ...]


class Resolve(Frozen):
    """Turn wall-clock time into instants, outside the workflow, so that the answer is recorded.

    `want`: `slot`: the first slot of `cadence` strictly after `after`; `exact`: the instant `at` itself;
    `proposals`: `offsets` counted from `at` (whole days keep the wall-clock time in `zone`), all after `after`. With
    a slot or an exact time the same offsets, counted from it, are where it could be moved to. `windows`: no time at
    all. With every answer come both partners' message windows from `since` on.
    """

    key: str
    want: Literal["slot", "exact", "proposals", "windows"]
    zone: ZoneName
    people: People
    cadence: Cadence | None = None
    """None: no slot is wanted of it, nor its rules for blackout dates and changing clocks; a list has no such rules."""
    anchor: Instant
    """When practising began: what `+20s` in a list, and a cadence without a start date, are counted from."""
    after: Instant
    since: Instant
    """When it was asked: from here on the message windows are wanted."""
    shift: Span = timedelta(0)
    """For `slot`: what remains of the cadence comes so much later, by whole days where it is by the wall clock."""
    at: Instant | None = None
    offsets: tuple[Span, ...] = ()


class Slot(Frozen):
    """A resolved time, with everything needed to say later why it is what it is."""

    start: Instant
    local: str
    """The wall-clock time, ISO without offset, in `zone`."""
    zone: ZoneName
    fold: Literal[0, 1] = 0
    shifted: bool = False
    """The asked time did not exist that day and was moved to the first valid minute after it."""
    night_for: tuple[Literal["a", "b"], ...] = ()
    """For whom the start lies in quiet hours."""


class Resolution(Frozen):
    """The answer to `Resolve`. No slots: the cadence has ended (or nothing asked for is possible)."""

    key: str
    slots: tuple[Slot, ...]
    others: tuple[Slot, ...] = ()
    """Where a slot, or an exact time, could be moved to."""
    tzdata: str
    windows: Windows
    """From `since` until three weeks past the last slot or, without one, past `since`; at most 60 days."""


Staff = Literal["facilitator", "safeguarding"]
To = Literal["a", "b", "facilitator", "safeguarding"]

TRIED_FOR = timedelta(days=2)
"""How long the delivery of a message is tried, unless it has lost its purpose before."""

GAVE_UP = "gave_up"
"""The reason of a message whose delivery was tried as long as it made sense, in vain."""

TAKEN_BACK = "taken_back"
"""The reason of a message whose own reason was gone before it was delivered."""

CALENDAR_CLEARED = frozenset({"cancelled", "paused", "ended", "completed"})
"""Templates that take a session's time out of a calendar, where they carry one."""

HUSHED = frozenset({"resume_asked", "go_on"})
"""The messages to partners that an ordinary pause sends by and by, and padding while a concern is open."""

RESTING = frozenset({"paused", "cancelled"})
"""The messages to partners that a concern does not stop: that the programme rests, and that what was booked is off."""

ASKING = frozenset({"check_in", "go_on", "resume_asked", "dialogue_asked", "midpoint", "tail", "followup"})
"""The messages that tell of a private question."""


class Message(Frozen):
    """One message to one person. It carries references and times, never words or addresses."""

    key: str
    """The business idempotency key: `{programme}:{session or topic}:{template}:{recipient}:{revision}`. To the
    safeguarding contact everything is a `notice`."""
    programme: Ref
    to: To
    ref: Ref
    template: str = Field(pattern=r"^[a-z_]+$")
    language: str = "en"
    zone: ZoneName = "UTC"
    """The zone the recipient reads times in."""
    home: ZoneName = "UTC"
    """The couple's zone, in which a recipient is reckoned whose own the tz data does not know."""
    quiet: QuietHours | None = None
    """The recipient's quiet hours, by the clock of `zone`: an attempt that comes in them is held."""
    free_until: Instant | None = None
    """Until then no quiet hours begin."""
    session: int | None = None
    revision: int = 0
    start: Instant | None = None
    """The session's start, where the message is about one."""
    until: Instant | None = None
    """After this the message has lost its purpose: do not deliver it any more."""
    minutes: int | None = Field(default=None, ge=1, le=24 * 60)
    """How long the session is planned to take, for calendars; None: an hour."""
    at: Instant | None = None
    """When it was decided to send this: what a calendar orders changes by, the same at every attempt."""
    words: Words | None = None
    """To the safeguarding side alone: the reason that came with the pause, sealed by its writer's own key."""
    of: Literal["a", "b"] | None = None
    """To the safeguarding side alone: whose pause it is about, since each has a room of their own for concerns."""
    question: str | None = None
    """The private question it tells its recipient of; once that is closed, it has lost its purpose."""

    @property
    def what(self) -> str:
        """What the key calls it: the template that was meant, also where padding goes out in its place."""
        return _what(self.key)

    @property
    def discreet(self) -> bool:
        """Whether padding may go out in its place. Then nothing of its delivery may tell which of them it is."""
        return self.to == "safeguarding" or self.what in HUSHED

    @property
    def called(self) -> str:
        """What ops call it. Not to whom it tells of a question: the one who has answered hears no more of that."""
        return self.what if self.what in ASKING else f"{self.what} to {self.to}"

    @property
    def clears(self) -> bool:
        """Whether it takes a time out of its recipient's calendar: that is still wanted when all else has passed."""
        return self.template in CALENDAR_CLEARED and self.start is not None

    @property
    def scope(self) -> Scope:
        """What goes to staff is ops' to see. What only the absent one is asked, or is empty after a concern, is not."""
        return "ops" if self.to == "facilitator" and self.what not in HUSHED else "safeguarding"


class Delivered(Frozen):
    """What became of a message."""

    key: str
    outcome: Literal["delivered", "undeliverable", "expired"]
    channel: str = ""
    reason: str = ""
    """A word of ours, never of a provider's."""

    @property
    def to(self) -> str:
        """Whose message it was, by its key."""
        return self.key.rsplit(":", 2)[-2:][0]

    @property
    def discreet(self) -> bool:
        """As the message's. Only what is real can fail, so nothing may follow from whether it arrived."""
        return self.to == "safeguarding" or _what(self.key) in HUSHED

    @property
    def scope(self) -> Scope:
        """As the message's."""
        return "ops" if self.to == "facilitator" else "safeguarding"


def _what(key: str) -> str:
    """What a message's key calls it."""
    return key.rsplit(":", 3)[-3:][0]


def called_off(key: str) -> Delivered:
    """What became of a message that was taken back before anybody set about delivering it."""
    return Delivered(key=key, outcome="expired", reason=TAKEN_BACK)
