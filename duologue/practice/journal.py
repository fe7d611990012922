"""The journal as people read it: what each event is called, in ops' plain words.

Only the wording lives here. It names nobody but `a`, `b` and `facilitator` and holds no partner's words, since the
journal holds none.
"""

from __future__ import annotations

from duologue.practice import events
from duologue.practice.state import JournalEntry
from duologue.practice.values import Frozen, Instant

_TEXTS = {
    "Consented": "consents to the programme",
    "Asked": "a private question is opened",
    "Answered": "answers a private question",
    "Lapsed": "a question's time is over",
    "PractisingBegan": "both have consented and answered: practising begins",
    "PauseBegan": "the programme pauses",
    "ResumeAsked": "going on is asked for",
    "PauseEnded": "the programme goes on",
    "SessionMade": "to be booked",
    "TimeAsked": "the calendar is asked",
    "WindowsAsked": "the calendar is asked when messages may be sent",
    "TimeResolved": "the calendar answers",
    "BookingBegan": "is being booked again",
    "SessionBooked": "is booked",
    "NightFound": "is looked at anew: night or day for each",
    "ProposalsMade": "times to book it again are offered",
    "TurnMade": "",
    "DialogueOpened": "both are ready: the dialogue is open",
    "PartBegan": "the next of its dialogues begins",
    "AbsentAsked": "the absent one, and nobody else, is asked",
    "SessionMissed": "was missed",
    "SessionUnfinished": "is unfinished; where it stopped is kept",
    "SessionEnded": "is over",
    "TimeOutEnded": "the time-out is over",
    "Nudged": "fell silent: a neutral nudge to both",
    "MessagePlanned": "a message waits for its moment",
    "MessageSent": "a message goes out",
    "MessageSkipped": "no message is sent",
    "MessageRecalled": "a message is taken back",
    "MessageSettled": "what became of a message",
    "NoteKept": "an entry of the trigger log is kept",
    "NoteRemoved": "an entry of the trigger log is removed",
    "Adjusted": "changes their own settings",
    "RequestGranted": "a request is chosen as a gift",
    "EscalationBegan": "the ladder begins",
    "StepTaken": "the ladder's next step",
    "Alerted": "a facilitator is called",
    "Called": "a facilitator is called, to talk to",
    "Acknowledged": "the alert is seen",
    "SnoozeEnded": "an alert that was put off waits again",
    "PolicyChanged": "the policy is changed, from the next booking on",
    "FoundUnreachable": "no channel reaches partner",
    "Decided": "decides",
    "TailBegan": "both go on after the last session",
    "Ended": "the programme is over",
    "CommandApplied": "a command is applied",
    "CommandRefused": "a command is refused",
}

QUIET = frozenset(
    {
        "CommandApplied",
        "MessageSettled",
        "MessageRecalled",
        "MessagePlanned",
        "TimeAsked",
        "WindowsAsked",
        "TimeResolved",
    }
)
"""Events that a live timeline leaves out, since others tell the same."""


class Entry(Frozen):
    """One line of a timeline, without words of a person."""

    at: Instant
    what: str
    """The event's name."""
    who: str = ""
    """`a`, `b` or `facilitator`, where somebody did it."""
    session: int | None = None
    text: str
    """For people."""

    @classmethod
    def of(cls, entry: JournalEntry) -> Entry:
        """The line for an entry of the journal."""
        detail, session = entry.detail, None
        if "session" in getattr(events, entry.what).model_fields:
            number, _, rest = detail.partition(":")
            session, detail = int(number), rest.strip()
        text = _TEXTS.get(entry.what, entry.what)
        return cls(
            at=entry.at,
            what=entry.what,
            who=entry.by,
            session=session,
            text=": ".join(part for part in (text, detail.replace("_", " ") if not text else detail) if part),
        )


def phrase(entry: JournalEntry) -> str:
    """What happened, in one line without a time."""
    told = Entry.of(entry)
    who = told.who.upper() if told.who in ("a", "b") else told.who
    where = f"session {told.session}" if told.session is not None else ""
    return f"{', '.join(part for part in (where, who) if part)}: {told.text}".removeprefix(": ")
