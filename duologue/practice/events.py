"""The events: everything that can happen in a programme, each with its instant. Together they are the journal.

An event says what has happened, completely: `evolve.py` needs nothing else to change the state. The ones that ask
the world for something (`TimeAsked`, `WindowsAsked`, `MessageSent`, `MessageRecalled`) are carried out by the shell.
No rule lives here.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar, Literal

from duologue.practice.asks import Delivered, Message, Resolution, Resolve
from duologue.practice.grammar import Turn
from duologue.practice.messages import NAMELESS, Reason
from duologue.practice.plan import KindName, Person
from duologue.practice.policy import Policy
from duologue.practice.state import (
    Alert,
    Ending,
    Escalation,
    Granted,
    Outcome,
    Question,
    Session,
    TriggerNote,
)
from duologue.practice.values import By, Frozen, Instant, Partner, Span, format_span


class Event(Frozen):
    """Something that happened `at` an instant."""

    at: Instant
    tells: ClassVar[str] = ""
    """Which of its fields the journal tells, if one alone says it."""

    @property
    def actor(self) -> str:
        """Who did it, where somebody did and it is anybody's to know."""
        return "" if getattr(self, "name", "") in NAMELESS else str(getattr(self, "by", ""))

    @property
    def detail(self) -> str:
        """What the journal says of it, without words."""
        return str(getattr(self, self.tells)) if self.tells else ""


class Consented(Event):
    """A partner agreed to the programme."""

    by: Partner
    share_attendance: bool = False

    @property
    def actor(self) -> str:
        """Nobody: who has not agreed would be the other."""
        return ""


class Asked(Event):
    """A private question was opened."""

    question: Question

    @property
    def detail(self) -> str:
        """The question's kind."""
        return self.question.kind


class Answered(Event):
    """A question was answered; for the suitability questions only whether all was well is kept."""

    by: Partner
    question: str
    answer: str

    @property
    def actor(self) -> str:
        """Nobody: what follows from an answer would tell whose it was."""
        return ""


class Lapsed(Event):
    """A question's time passed without an answer."""

    question: str


class PractisingBegan(Event):
    """Both have consented and answered: the programme begins."""


class PauseBegan(Event):
    """The programme pauses; what was booked is taken back and dialogues are kept where they stand."""

    until: Instant | None = None
    for_decision: bool = False
    concern: bool = False


class ResumeAsked(Event):
    """The end of a pause has come, or somebody wishes to go on."""

    by: Partner | None = None


class PauseEnded(Event):
    """The programme goes on; what remains comes later by `shift`, where the policy says so."""

    shift: Span = timedelta(0)

    @property
    def detail(self) -> str:
        """By how much what remains is shifted."""
        return f"shifted by {format_span(self.shift)}" if self.shift else ""


class SessionMade(Event):
    """A session that is to be booked."""

    session: Session

    @property
    def detail(self) -> str:
        """Its number and kinds."""
        return f"{self.session.number}: {', '.join(self.session.item.kinds)}"


class _OfSession(Event):
    session: int
    tells = "session"


class TimeAsked(Event):
    """The calendar is asked for a time (an effect)."""

    session: int
    ask: Resolve

    @property
    def detail(self) -> str:
        """The session and what is wanted."""
        return f"{self.session}: {self.ask.want}"


class WindowsAsked(Event):
    """The calendar is asked when messages may reach the two, and for nothing else (an effect)."""

    ask: Resolve


class TimeResolved(Event):
    """The calendar's answer, recorded whole with its zone data."""

    resolution: Resolution

    @property
    def detail(self) -> str:
        """The tz database's version."""
        return f"tzdata {self.resolution.tzdata}"


class BookingBegan(_OfSession):
    """A session is being booked anew; what was sent for its old time is void."""

    by: Partner | None = None


class SessionBooked(_OfSession):
    """A session has its time."""

    start: Instant
    local: str = ""
    night_for: tuple[Partner, ...] = ()
    """For whom that is night."""
    proposals: tuple[Instant, ...] = ()
    """Where it could be moved to."""


class NightFound(_OfSession):
    """For whom a booked session is at night now: somebody's zone or quiet hours have changed."""

    night_for: tuple[Partner, ...]


class ProposalsMade(_OfSession):
    """Free times to book a session again."""

    proposals: tuple[Instant, ...]


class TurnMade(_OfSession):
    """A partner's act in the dialogue, or the check-in before it."""

    turn: Turn

    @property
    def actor(self) -> str:
        """Who took the turn."""
        return self.turn.by

    @property
    def detail(self) -> str:
        """The session and the act."""
        return f"{self.session}: {self.turn.act}"


class DialogueOpened(_OfSession):
    """Both have checked in: the dialogue begins, or goes on where it stopped."""

    kinds: tuple[KindName, ...]


class PartBegan(_OfSession):
    """The next of a session's dialogues begins."""

    kinds: tuple[KindName, ...]
    """What is held of the session, opt-ins considered as they are now."""


class AbsentAsked(_OfSession):
    """Those who have not checked in were asked."""

    absent: tuple[Partner, ...]


class SessionMissed(_OfSession):
    """Not both checked in in time."""

    absent: tuple[Partner, ...]


class SessionUnfinished(_OfSession):
    """The window ended before the dialogue closed; where it stopped is kept."""


class SessionEnded(_OfSession):
    """A session is over."""

    outcome: Outcome

    @property
    def detail(self) -> str:
        """The session and its outcome."""
        return f"{self.session}: {self.outcome}"


class TimeOutEnded(_OfSession):
    """The named moment has come; both say `ready` again."""


class Nudged(_OfSession):
    """A dialogue had fallen silent."""


class _OfMessage(Event):
    message: Message

    @property
    def detail(self) -> str:
        """Which message to whom, as its key has it: what a concern changes is nobody else's."""
        return self.message.called


class MessagePlanned(_OfMessage):
    """A message waits for its moment, or for the recipient's next allowed minute; anew when the windows change."""

    when: Instant
    wanted: Instant
    """The moment it was meant for, apart from quiet hours."""


class MessageSent(_OfMessage):
    """A message is given to delivery (an effect)."""


class MessageSkipped(_OfMessage):
    """No message was sent, and why."""

    reason: Literal[
        "past", "quiet_hours", "void", "superseded", "nobody", "too_many", "not_wanted", "wrong_audience"
    ]

    @property
    def detail(self) -> str:
        """Which message, to whom, and why not."""
        return f"{super().detail}: {self.reason}"


class MessageRecalled(_OfMessage):
    """A message under way has lost its reason: its delivery is called off (an effect), unless it is too late."""


class MessageSettled(Event):
    """What became of a message."""

    delivered: Delivered

    @property
    def detail(self) -> str:
        """The outcome; not where only what is real can fail, and padding may be in its place."""
        return "" if self.delivered.discreet else self.delivered.outcome


class NoteKept(Event):
    """An entry of the trigger log was added, shared or unshared."""

    note: TriggerNote


class NoteRemoved(Event):
    """An entry of the trigger log was removed."""

    note: str


class Adjusted(Event):
    """A partner changed zone, quiet hours, language, reminders or opt-ins, or what staff may know."""

    by: Partner
    person: Person
    share_attendance: bool | None = None
    """None: as before."""


class RequestGranted(Event):
    """A request was chosen as a gift, with the day it is due."""

    granted: Granted


class EscalationBegan(Event):
    """A miss sets the ladder to work."""

    escalation: Escalation

    @property
    def detail(self) -> str:
        """Which miss in a row."""
        return f"miss {self.escalation.misses} in a row"


class StepTaken(Event):
    """A step of the ladder was taken; those before it without a reason or a recipient are skipped."""

    index: int
    skipped: tuple[int, ...] = ()

    @property
    def detail(self) -> str:
        """The step's place, and those that were skipped."""
        skipped = ", ".join(str(n) for n in self.skipped)
        return f"{self.index}; skipped {skipped}" if skipped else str(self.index)


class Alerted(Event):
    """A facilitator or next contact is called."""

    alert: Alert


class Called(Alerted):
    """The same, since a partner would like to talk to someone; or again, since nobody has acknowledged that."""


class Acknowledged(Event):
    """An alert was seen, or put off until `snooze`."""

    alert: str
    by: By = "facilitator"
    snooze: Instant | None = None


class SnoozeEnded(Event):
    """An alert that was put off waits to be acknowledged again."""

    alert: str


class PolicyChanged(Event):
    """A facilitator changed the policy; sessions that are booked keep the one they were booked under."""

    policy: Policy
    by: By = "facilitator"


class FoundUnreachable(Event):
    """No channel reaches a partner."""

    person: Partner
    tells = "person"


class Decided(Event):
    """How to go on was decided."""

    decision: Literal["go_on", "pause", "end"]
    by: By | Literal[""] = "facilitator"
    """"": both partners' answers decided."""
    tells = "decision"


class TailBegan(Event):
    """Both go on after the last item."""


class Ended(Event):
    """The programme is over."""

    ending: Ending
    tells = "ending"


class CommandApplied(Event):
    """A command has been applied; its id is remembered and a repeat answers with the same receipt."""

    command_id: str
    by: By
    name: str
    tells = "name"


class CommandRefused(Event):
    """A signal was refused. It changes nothing else."""

    name: str
    reason: Reason
    by: str = ""

    @property
    def detail(self) -> str:
        """Which command, and why."""
        return f"{self.name}: {self.reason}"
