"""The wire contract: the twelve commands, their receipts and refusals, and how raw JSON becomes a command.

Every model here is published as JSON Schema and must stay readable by clients in any language. What a command
means is in `decide.py`; here is only what it looks like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from duologue.practice.plan import KindName, QuietHours
from duologue.practice.policy import PolicyChange
from duologue.practice.shapes import Act
from duologue.practice.values import (
    WRITTEN,
    By,
    CommandId,
    Frozen,
    Instant,
    Language,
    Partner,
    Scope,
    Span,
    Words,
    ZoneName,
)

COMMAND_BYTES = 32_768
"""A larger command is refused before it is read."""


class Reason(StrEnum):
    """Why a command was refused: a closed set."""

    MALFORMED = "malformed"
    """It does not fit the schema."""
    UNKNOWN_COMMAND = "unknown_command"
    """No command has that name."""
    STAGE = "stage"
    """The programme is at a stage in which this cannot be done."""
    NOT_A_PARTICIPANT = "not_a_participant"
    """This command is not for whom it was sent by."""
    WRONG_ROLE = "wrong_role"
    """The act is the other partner's now."""
    OUT_OF_TURN = "out_of_turn"
    """The act does not fit where the dialogue stands."""
    NOT_OPEN = "not_open"
    """What it refers to is not open now."""
    TOO_LATE = "too_late"
    """Its time has passed."""
    OUT_OF_RANGE = "out_of_range"
    """A time or number lies outside what the policy allows."""
    UNKNOWN_QUESTION = "unknown_question"
    """No such question is open to this person."""
    UNKNOWN_SESSION = "unknown_session"
    UNKNOWN_NOTE = "unknown_note"
    UNKNOWN_LINE = "unknown_line"
    UNKNOWN_ALERT = "unknown_alert"
    CLASH = "clash"
    """Another session is booked at that time."""
    LIMIT = "limit"
    """As many as the policy allows are there already."""
    ID_TAKEN = "id_taken"
    """Somebody else has sent a command of that id."""


class _Command(Frozen):
    command_id: CommandId
    by: By
    sent_at: Instant | None = None
    """When the partner acted. It counts only between the last processed instant and now, so that our outage does
    not become their missed session."""


class Consent(_Command):
    """Agree to the programme (or decline it)."""

    name: ClassVar[str] = "consent"
    agree: bool = True
    """Whether the sender agrees; with a no the programme does not begin."""
    share_attendance: bool = False
    """Whether those who run the programme, and its facilitator, may know who of the two was absent. They do once both
    share it, and what is missed from then on; until then they see only that a dialogue did not take place."""

    @property
    def scope(self) -> Scope:
        """Who has agreed, and who has not, is for nobody else."""
        return "safeguarding"


SAYING = frozenset(
    {
        *(
            Act.SEND,
            Act.MIRROR,
            Act.CONFIRM,
            Act.CORRECT,
            Act.NO_MORE,
            Act.SUMMARISE,
            Act.VALIDATE,
            Act.ASK_MORE,
        ),
        *(Act.EMPATHISE, Act.SWITCH, Act.DEFER_SWITCH, Act.APPRECIATE, Act.TELL, Act.ROLE_PLAY),
        *(Act.TIME_OUT, Act.EXTEND, Act.HOLD_ON, Act.STOP),
    }
)
"""Acts that carry words at the most, or a time: whoever knows the act and the moment knows all there is but those."""


class TurnTaken(_Command):
    """An act in the dialogue that is open."""

    name: ClassVar[str] = "turn"
    act: Act
    """What is done; `view` tells what may be done now."""
    words: Words | None = None
    """What is said or written; some acts carry none."""
    lines: tuple[Annotated[int, Field(ge=1, le=999)], ...] = Field(default=(), max_length=50)
    """For `share`, `mark`, `choose`: line numbers that `view` shows."""
    within_days: int | None = Field(default=None, ge=1, le=366)
    """For `request`: in how many days it would be done."""
    until: Instant | None = None
    """For `time_out` and `extend`."""
    note: str | None = Field(default=None, max_length=16)
    """For `frame`: draw the topic from a note of the trigger log."""

    @property
    def scope(self) -> Scope:
        """Who came, and so who did not; what was drawn from, written, marked or chosen: that is nobody's but theirs."""
        return "ops" if self.act in SAYING else "safeguarding"


class AskDialogue(_Command):
    """Ask for a dialogue between the booked ones: is now a good time?"""

    name: ClassVar[str] = "ask_dialogue"
    kind: KindName = "full"
    """The kind of dialogue."""
    topic: Words | None = None
    """What it would be about; the other reads it with the question."""

    @property
    def scope(self) -> Scope:
        """It is asked in private."""
        return "safeguarding"


class Reply(_Command):
    """Answer an open question that `view` shows."""

    name: ClassVar[str] = "reply"
    question: str = Field(max_length=64)
    """The id of an open question, as `view` shows it."""
    answer: str = Field(default="", max_length=40)
    """One of the question's choices."""
    answers: Mapping[Annotated[str, StringConstraints(max_length=40)], Literal["yes", "no", "unsure"]] = (
        Field(default_factory=dict, max_length=20)
    )
    """For the private suitability questions: each with its answer."""
    at: Instant | None = None
    """For a dialogue that is asked for: the moment named instead of now."""

    @property
    def scope(self) -> Scope:
        """Whether somebody feels safe may be in any private answer."""
        return "safeguarding"


class Note(_Command):
    """Keep, share or remove an entry of the trigger log."""

    name: ClassVar[str] = "note"
    words: Words | None = None
    """A new entry; leave out to change one."""
    note: str | None = Field(default=None, max_length=16)
    """The id of the note to change or remove, as `view` shows it."""
    shared: bool | None = None
    """Whether the other sees it, from now on; left out, a new one is private, and one that is changed stays so."""
    remove: bool = False
    """Take the note out of the log."""

    @property
    def scope(self) -> Scope:
        """What is kept, and what of it is shown to the other, is nobody else's."""
        return "safeguarding"


class Adjust(_Command):
    """Change one's own zone, quiet hours, language, reminders, opt-ins or what one shares; what is left out stays."""

    name: ClassVar[str] = "adjust"
    zone: ZoneName | None = None
    """The zone that this person reads times in, and whose clock the quiet hours go by."""
    language: Language | None = None
    """The language of messages and prompts; English where there are no texts in it."""
    quiet: QuietHours | None = None
    """When no message comes."""
    no_quiet_hours: bool = False
    """Messages may come at any time."""
    reminders: bool | None = None
    """Whether this person is reminded of what is booked. Everything else comes all the same."""
    share_attendance: bool | None = None
    """As in `consent`; taken back, nothing of it is shown any more."""
    opt_in: Mapping[KindName, bool] = Field(default_factory=dict)
    """Kinds of dialogue that are held only if both wish it: whether this person does."""
    policy: PolicyChange | None = None
    """By a facilitator only: what of the policy changes. What a session is held under, from the next booking on; all
    else at once."""

    @property
    def names_own(self) -> bool:
        """Whether it changes something that is the sender's own."""
        own = (self.zone, self.language, self.quiet, self.reminders, self.share_attendance)
        return any(value is not None for value in own) or self.no_quiet_hours or bool(self.opt_in)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.names_own and self.policy is None:
            message = "name at least one thing to change"
            raise ValueError(message)
        return self


class Reschedule(_Command):
    """Move a booked session, or book a missed or unfinished one again."""

    name: ClassVar[str] = "reschedule"
    session: int = Field(ge=1, le=9999)
    """The session's number, as `view` shows it."""
    proposal: int | None = Field(default=None, ge=1, le=10)
    """The number of a proposal that `view` shows."""
    at: Instant | None = None
    """Or any other moment, on a blackout date too: only what the engine books and offers by itself keeps to those."""


class Pause(_Command):
    """Pause the programme, for any reason or none; nothing tells the other who or why."""

    name: ClassVar[str] = "pause"
    until: Instant | None = None
    """When both are asked whether to go on; left out, that is asked as the policy says."""
    reason: Words | None = None
    """Why, if the sender wishes to say so: to be read with a concern alone, by the safeguarding contact, if the policy
    lets it."""
    concern: bool = False
    """A concern about safety: every nudge to both stops, and the safeguarding contact alone hears of it; the next of
    the staff does where that one cannot be reached or none is named."""

    @property
    def scope(self) -> Scope:
        """Who asked for a pause, and whether out of a concern, is for nobody else."""
        return "safeguarding"


class Resume(_Command):
    """Ask to go on after a pause; the other is asked too."""

    name: ClassVar[str] = "resume"


class Withdraw(_Command):
    """Leave for good, alone, with no reason asked; nothing tells the other who."""

    name: ClassVar[str] = "withdraw"

    @property
    def scope(self) -> Scope:
        """Who left is for nobody else."""
        return "safeguarding"


class Acknowledge(_Command):
    """The facilitator has seen an alert."""

    name: ClassVar[str] = "acknowledge"
    alert: str = Field(max_length=64)
    """The alert's id, as the facilitator's view shows it."""
    snooze: Span | None = None
    """Put it off: after so long it waits to be acknowledged again, and the steps of the ladder that follow come as long
    after that as they would have after the alert."""


class Decide(_Command):
    """The facilitator's decision after repeated misses, or about a pause."""

    name: ClassVar[str] = "decide"
    decision: Literal["go_on", "pause", "end", "jump"]
    """What is done: go on, rest, end for good, or go to a later step of the ladder."""
    step: int | None = Field(default=None, ge=0, le=99)
    """For `jump`: the step of the ladder to take now; those before it are skipped."""


Command = (
    Consent
    | TurnTaken
    | AskDialogue
    | Reply
    | Note
    | Adjust
    | Reschedule
    | Pause
    | Resume
    | Withdraw
    | Acknowledge
    | Decide
)
"""Any command of the contract."""

COMMANDS: Mapping[str, type[Command]] = {
    m.name: m
    for m in (
        Consent,
        TurnTaken,
        AskDialogue,
        Reply,
        Note,
        Adjust,
        Reschedule,
        Pause,
        Resume,
        Withdraw,
        Acknowledge,
        Decide,
    )
}
"""The commands by the name of their signal and update."""

NAMELESS = frozenset({"consent", "reply", "pause", "withdraw"})
"""Commands of which no journal says who sent them: who agreed, asked for a pause or left, and whose answer brought
something about, is for nobody else."""


class Refusal(Frozen):
    """A command that was not applied, why, and what may be done instead. Nothing has changed."""

    reason: Reason
    message: str
    command_id: str | None = None


class Receipt(Frozen):
    """The answer to an applied command. Words and prompts come from `view`."""

    command_id: str
    seq: int
    """How many commands of its sender have been applied, this one included. Not the journal's number: what it skips
    would tell of private answers of the other."""
    movement: str | None = None
    """Where the dialogue stands now; None: no dialogue is open."""
    awaiting: Literal["none", "couple", "a", "b", "facilitator"] = "none"
    """Whose turn it is in the dialogue."""
    next_acts: tuple[Act, ...] = ()
    """What the sender of this command may do next in the dialogue."""

    @property
    def scope(self) -> Scope:
        """How many commands somebody has sent tells whose the private ones are: who paused, answered, or came."""
        return "safeguarding"

    @property
    def brief(self) -> bool:
        """There is one for each turn, and no words are in it."""
        return True


def parse(name: str, arguments: Sequence[bytes | None]) -> Command | Refusal:
    """The command in the JSON of one signal or update, or a refusal. Never raises, whatever was sent.

    `arguments`: the raw JSON of each argument; None where an argument is not JSON at all.
    """
    model = COMMANDS.get(name)
    if model is None:
        return Refusal(reason=Reason.UNKNOWN_COMMAND, message=f"commands are: {', '.join(COMMANDS)}")
    if len(arguments) != 1:
        return Refusal(reason=Reason.MALFORMED, message="send exactly one argument: a JSON object")
    data = arguments[0]
    if data is None:
        message = "send JSON: as it is, or encrypted by the service keys that the programme's workers have"
        return Refusal(reason=Reason.MALFORMED, message=message)
    if len(data) > COMMAND_BYTES:
        return Refusal(reason=Reason.MALFORMED, message=f"a command may hold at most {COMMAND_BYTES} bytes")
    try:
        return model.model_validate_json(data, strict=True)
    except ValidationError as error:
        return Refusal(reason=Reason.MALFORMED, message=told(error))
    except (ValueError, RecursionError):
        return Refusal(reason=Reason.MALFORMED, message="the argument is not readable JSON")


def told(error: ValidationError, within: str = "the command") -> str:
    """What is wrong and where. Only the place and the rule: what was sent may be somebody's words."""
    first, *rest = error.errors(include_url=False, include_input=False)
    place = (within, *first["loc"]) if within == "policy" else first["loc"] or (within,)
    # In a policy all names are ours, but that of an unknown field; elsewhere a sender may have made one up.
    ours, unknown = place[0] == "policy", first["type"] == "extra_forbidden"
    known = place[: -1 if unknown else None] if ours else place[: 0 if unknown else 1]
    where = ".".join(map(str, known))
    if unknown:
        where = f"a field of {where}" if where else "a field"
    more = f" (and {len(rest)} more)" if rest else ""
    return f"{where}: {_told(first)}{more}"


def _told(error: ErrorDetails) -> str:
    """What is wrong, in words for whoever sent it."""
    if error["type"] == "extra_forbidden":
        return "no such field"
    if error["type"] == "string_pattern_mismatch":
        return WRITTEN.get(error["ctx"]["pattern"], "it is not written as the schema says")
    if error["type"] == "json_invalid" and "surrogate" in error["msg"]:
        return "it holds half a character (a lone surrogate); send text that is valid Unicode"
    return error["msg"].removeprefix("Value error, ")


def is_partner(by: By) -> bool:
    """Whether `by` is one of the two partners."""
    return by != "facilitator"


def partner(by: By) -> Partner:
    """`by` as a partner. Raises `ValueError` for a facilitator."""
    if by == "facilitator":
        message = "a facilitator is not a partner"
        raise ValueError(message)
    return by
