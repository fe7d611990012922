"""What a programme remembers: the one serialisable state, and the questions one can ask of it.

Only what rules and views need later is kept, each collection with a bound, so that the whole stays under 256 KB.
Nothing here changes state (that is `evolve.py`) or decides (that is `decide.py` and `passing.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Literal

from pydantic import Field

from duologue.practice.asks import Message, Resolve, Staff, Windows
from duologue.practice.grammar import Dialogue
from duologue.practice.messages import Receipt
from duologue.practice.plan import OPT_IN, Item, KindName, Plan
from duologue.practice.policy import Policy, Step
from duologue.practice.shapes import Act
from duologue.practice.spoken import Spoken
from duologue.practice.values import PARTNERS, By, Frozen, Instant, Partner, Ref, Span, Words

Stage = Literal["enrolling", "practising", "paused", "completed", "ended"]
Awaiting = Literal["none", "couple", "a", "b", "facilitator"]
QuestionKind = Literal[
    "intake", "midpoint", "check_in", "go_on", "dialogue_request", "resume", "tail", "followup"
]
Ending = Literal[
    "completed",
    "not_enrolled",
    "not_now",
    "withdrawn",
    "silence",
    "decided",
    "cancelled",
    "slots_used_up",
    "no_slot_left",
]
"""How a programme ended. `slots_used_up`: every slot of the cadence was used, and the curriculum goes on beyond them;
`no_slot_left`: a session that had its time was not held, and there is none for it any more."""
Outcome = Literal["done", "stopped", "unfinished", "missed", "lapsed", "cancelled"]
"""What became of an appointment; `lapsed`: asked for between the booked ones, and not held, or not to its end."""

JOURNAL_KEPT = 40
APPLIED_KEPT = 64
NOTES_KEPT = 12
"""The most notes of the trigger log each partner may keep at a time."""
SESSIONS_KEPT = 40
REQUESTS_KEPT = 10
LIVE_SESSIONS = 3
"""With so many booked or waiting to be, none is added but the curriculum's next."""
LATEST_SESSION = timedelta(days=60)
"""How far ahead a session may be moved."""
HALVES_DEFERRED = 1
"""The most deferred halves that may wait to be held."""
MESSAGES_WAITING = 32
"""The most messages that wait for their moment. What is more is skipped, on the record."""
MESSAGES_UNDER_WAY = 20
"""The most messages to partners that delivery may be busy with, as when a provider is down for days."""
MESSAGES_RECALLED = 20
"""The most messages that were taken back while under way of which is remembered that this is still to be said."""
STAFF_EXTRA = 9
"""So many more for staff, so that nothing which partners cause can crowd out an alert."""
CONCERNS_EXTRA = 3
"""And so many more for concerns, one of each of the two and one of the midpoint's: neither other pauses nor the other's
concerns may be in the way of one."""

CHOICES: Mapping[QuestionKind, tuple[str, ...]] = {
    "intake": (),
    "midpoint": (),
    "check_in": ("soon", "need_time", "talk_to_someone"),
    "go_on": ("go_on", "pause", "stop"),
    "dialogue_request": ("now", "at", "no"),
    "resume": ("yes", "not_yet"),
    "tail": ("go_on", "complete"),
    "followup": ("kept", "partly", "not_yet", "let_go"),
}
"""The answers each kind of question takes; the suitability questions take one for each of `SCREEN` instead."""

SCREEN = ("safe_to_speak", "free_to_choose", "no_fear", "no_violence", "no_untreated_addiction")
"""The private suitability questions; each is asked so that 'yes' means suitable (sources 38, 39, 44)."""


class Question(Frozen):
    """Something one person is asked, privately."""

    id: str
    kind: QuestionKind
    to: Partner
    asked_at: Instant
    answer_by: Instant | None = None
    about: KindName | None = None
    """For a dialogue that is asked for: its kind."""
    topic: Words | None = None
    request: str | None = None
    """For a follow-up: the request it is about."""


class Session(Frozen):
    """A booked session, or one that waits to be booked (again). Its number stays when it is moved."""

    number: int
    item: Item
    first_sender: Partner
    origin: Literal["curriculum", "deferred", "asked", "tail"] = "curriculum"
    start: Instant | None = None
    """None: not booked."""
    local: str = ""
    invited: Instant | None = None
    """The time that calendars show of it, also while another is being looked for; None: what they show is right."""
    revision: int = 0
    """Up by one at each change of its time; a message of an older revision is void."""
    moves: int = 0
    present: tuple[Partner, ...] = ()
    """Who has checked in."""
    asked_absent: bool = False
    part: int = 0
    """Which of the item's kinds is being held."""
    dialogue: Dialogue | None = None
    ends: Instant | None = None
    """When an open dialogue counts as unfinished; moves on by the length of a time-out."""
    quiet_since: Instant | None = None
    """When something last happened in the dialogue."""
    nudged: bool = False
    status: Literal["booking", "booked", "open", "missed", "unfinished"] = "booking"
    """`open`: both have checked in. `missed` and `unfinished` wait to be booked again."""
    rebook_by: Instant | None = None
    """When the next regular slot takes it, if nobody books it before."""
    night_for: tuple[Partner, ...] = ()
    """For whom the start lies in quiet hours."""
    before: bool = False
    """It was booked under `State.policy_before`: a changed policy applies from the next booking."""
    asking: str = ""
    """The key of the question to the calendar whose answer it waits for."""
    proposals: tuple[Instant, ...] = ()
    """Where it could be booked, or moved to; see `offered` for those that are free."""
    kinds: tuple[KindName, ...] = ()
    """What is really held, opt-ins considered; settled when both have checked in."""

    @property
    def waits(self) -> bool:
        """Whether it waits to be booked again."""
        return self.status in ("missed", "unfinished")


class Held(Frozen):
    """A session of the past."""

    number: int
    kinds: tuple[KindName, ...]
    outcome: Outcome
    at: Instant
    absent: tuple[Partner, ...] = ()
    """For staff, and only what was missed while both shared it."""


class TriggerNote(Frozen):
    """An entry of the trigger log."""

    id: str
    by: Partner
    words: Words
    shared: bool = False
    at: Instant


class Granted(Frozen):
    """A request that was chosen as a gift."""

    id: str
    asked_by: Partner
    words: Words | None
    due: Instant
    status: Literal["open", "asked", "kept", "partly", "not_yet", "let_go"] = "open"


class Pending(Frozen):
    """A message that waits for its moment."""

    message: Message
    at: Instant
    """When it is sent; where the windows are not known then, when they are asked for, and it waits on."""
    wanted: Instant
    """The moment it was meant for, apart from quiet hours."""


class Alert(Frozen):
    """Something that somebody of the staff is called to."""

    id: str
    to: Staff = "facilitator"
    ref: Ref
    text: str
    at: Instant
    acknowledged: Instant | None = None
    snoozed: Instant | None = None
    """Until when it is put off; then it waits to be acknowledged again."""
    step: int | None = None
    """The step of the ladder that called; None: a partner would like to talk to someone."""


NO_SESSION = 0
"""The session of an escalation that is about a pause."""


class Escalation(Frozen):
    """The ladder at work: since a miss, or since both were asked to go on after a pause.

    `steps` is a snapshot: a changed policy applies from the next time.
    """

    session: int
    since: Instant
    misses: int
    occasion: str
    """Part of its messages' keys: no two escalations have the same."""
    steps: tuple[Step, ...]
    absent: tuple[Partner, ...] = ()
    counted_from: Instant
    """From when the steps to come are counted: `since`, and later once an alert was put off."""
    taken: int = 0
    """How many steps are behind it, taken or skipped."""
    alerts: tuple[Alert, ...] = ()
    answers: Mapping[Partner, str] = Field(default_factory=dict)
    """What each chose after the miss that paused the programme."""

    @property
    def waiting(self) -> tuple[Alert, ...]:
        """Its alerts that wait to be acknowledged."""
        return tuple(alert for alert in self.alerts if alert.acknowledged is None)

    def due(self, step: Step) -> Instant:
        """When a step is to be taken."""
        return self.counted_from + step.after


class Break(Frozen):
    """A pause."""

    since: Instant
    until: Instant | None = None
    still_since: Instant
    """Since when nothing has been asked, answered or decided about going on."""
    ready: tuple[Partner, ...] = ()
    for_decision: bool = False
    """The ladder paused it: facilitator and both decide."""


class JournalEntry(Frozen):
    """One event, without words."""

    seq: int
    at: Instant
    what: str
    by: str = ""
    detail: str = ""


class Applied(Frozen):
    """What was answered to an applied command, and to whom; see `State.receipt`."""

    by: By
    seq: int
    movement: str | None = None
    awaiting: Awaiting = "none"
    next_acts: tuple[Act, ...] = ()


class State(Frozen):
    """A programme, whole."""

    plan: Plan
    opened: Instant
    clock: Instant
    """The last instant to which time has been processed."""
    seq: int = 0
    digest: str = ""
    """A running fingerprint of the journal; see `fingerprint.py`."""
    stage: Stage = "enrolling"
    ending: Ending | None = None
    ended: Instant | None = None
    consents: tuple[Partner, ...] = ()
    screened: Mapping[Partner, bool] = Field(default_factory=dict)
    """Who has answered the suitability questions, and whether all was well. Private."""
    anchor: Instant | None = None
    """When practising began."""
    next_item: int = 0
    """The curriculum's next item; past its end: the tail."""
    in_tail: bool = False
    tail_held: int = 0
    tail_chosen: Mapping[Partner, str] = Field(default_factory=dict)
    numbers: int = 0
    """Sessions ever made; the number of the last."""
    sessions: tuple[Session, ...] = ()
    spoken: Spoken | None = None
    held: tuple[Held, ...] = ()
    counts: Mapping[str, int] = Field(default_factory=dict)
    """How often each outcome came about, over the whole programme."""
    last_slot: Instant | None = None
    """The last regular slot that was used; the next lies after it."""
    missed_in_a_row: int = 0
    windows: Windows | None = None
    """When messages may reach the two as they are now; None: to be asked for before the next is sent."""
    questions: tuple[Question, ...] = ()
    asked: Mapping[Partner, int] = Field(default_factory=dict)
    """Questions ever asked of each; part of their ids, so that nobody can count the other's."""
    notes: tuple[TriggerNote, ...] = ()
    noted: Mapping[Partner, int] = Field(default_factory=dict)
    """Notes ever kept by each; part of their ids."""
    requests: tuple[Granted, ...] = ()
    outbox: tuple[Pending, ...] = ()
    asks: Mapping[str, Annotated[Resolve | Message, Field(union_mode="left_to_right")]] = Field(
        default_factory=dict
    )
    """Effects under way, by key: what a continue-as-new issues again."""
    recalled: tuple[str, ...] = ()
    """The keys of messages that were taken back while under way: what became of them is still to be said."""
    escalation: Escalation | None = None
    called: tuple[Alert, ...] = ()
    """The call for a person, once a partner would like to talk to someone: it stays until somebody acknowledges it."""
    paused: Break | None = None
    shift: Span = timedelta(0)
    """How much later what remains comes, for pauses that shift it."""
    policy_before: Policy | None = None
    """The policy before a facilitator changed it, for the sessions that were booked under it."""
    sharing: tuple[Partner, ...] = ()
    """Who lets staff know of absences; see `attendance_shared`."""
    unreachable: tuple[Partner, ...] = ()
    """To whom the last message could not be delivered by any channel. Known to staff only."""
    hushed: bool = False
    """A concern is open: nothing reaches either partner, and padding goes out instead. Private."""
    resolves: int = 0
    """Times ever asked of the calendar; part of their keys."""
    refused: int = 0
    applied: Mapping[str, Applied] = Field(default_factory=dict)
    sent: Mapping[By, int] = Field(default_factory=dict)
    """Commands ever applied of each; the number in their receipts, so that nobody can count the other's."""
    journal: tuple[JournalEntry, ...] = ()
    awaiting: Awaiting = "couple"
    awaiting_since: Instant

    @property
    def policy(self) -> Policy:
        """The policy in force."""
        return self.plan.policy

    def policy_for(self, session: Session) -> Policy:
        """The policy that a session was booked under."""
        return self.policy_before if session.before and self.policy_before else self.plan.policy

    @property
    def over(self) -> bool:
        """Whether the programme has come to its end."""
        return self.stage in ("completed", "ended")

    @property
    def alerts(self) -> tuple[Alert, ...]:
        """Everything that anybody of the staff is called to."""
        return (*self.escalation.alerts, *self.called) if self.escalation else self.called

    @property
    def waiting(self) -> tuple[Alert, ...]:
        """The alerts that wait to be acknowledged."""
        return tuple(alert for alert in self.alerts if alert.acknowledged is None)

    @property
    def calls(self) -> tuple[Alert, ...]:
        """Those of them that call a facilitator or next contact; what safeguarding is told is not theirs to see."""
        return tuple(alert for alert in self.waiting if alert.to == "facilitator")

    @property
    def deciding(self) -> bool:
        """Whether the ladder has paused it and is still at work; a pause that somebody calls meanwhile changes nothing
        of that.
        """
        about = self.escalation.session if self.escalation else NO_SESSION
        return self.paused is not None and self.paused.for_decision and about != NO_SESSION

    @property
    def asked_to_go_on(self) -> bool:
        """Whether somebody has still to answer whether to go on after a pause."""
        return any(q.kind == "resume" for q in self.questions)

    @property
    def attendance_shared(self) -> bool:
        """Whether staff may know who of the two was absent: only while both let them, since one tells of the other."""
        return len(self.sharing) == len(PARTNERS)

    @property
    def open_session(self) -> Session | None:
        """The session whose dialogue runs."""
        return next((s for s in self.sessions if s.status == "open"), None)

    @property
    def next_session(self) -> Session | None:
        """The open session, or the next that is booked."""
        booked = [s for s in self.sessions if s.status == "booked"]
        return self.open_session or min(booked, key=lambda s: (s.start or self.clock, s.number), default=None)

    def receipt(self, command_id: str) -> Receipt | None:
        """The receipt of an applied command, while it is remembered."""
        answer = self.applied.get(command_id)
        return Receipt(command_id=command_id, **answer.model_dump(exclude={"by"})) if answer else None

    def session(self, number: int) -> Session | None:
        """The live session of that number."""
        return next((s for s in self.sessions if s.number == number), None)

    def question(self, question_id: str) -> Question | None:
        """The open question of that id."""
        return next((q for q in self.questions if q.id == question_id), None)

    def kinds_of(self, item: Item) -> tuple[KindName, ...]:
        """What would be held of `item` with the opt-ins as they are now."""
        both = set(self.plan.people.a.opt_in) & set(self.plan.people.b.opt_in)
        return tuple(item.fallback if k in OPT_IN and k not in both else k for k in item.kinds)

    def kinds_now(self, session: Session, *, held: int) -> tuple[KindName, ...]:
        """What a session holds: its first `held` parts as they were, the others with the opt-ins as they are now."""
        kinds = session.kinds or session.item.kinds
        return (*kinds[:held], *self.kinds_of(session.item.with_(kinds=kinds))[held:])


def person_ref(state: State, to: str) -> Ref | None:
    """The reference that stands for a recipient; None where the plan names nobody."""
    match to:
        case "a" | "b":
            return state.plan.people.a.ref if to == "a" else state.plan.people.b.ref
        case "facilitator":
            return state.plan.facilitators[0] if state.plan.facilitators else None
        case _:
            return next(iter(state.plan.hears_of_concerns), None)
