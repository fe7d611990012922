"""The policy: every number of the practice, and the steps of the ladder.

Only shapes, limits and defaults live here. What is done with them is a rule, and lives elsewhere: `ladder`, `passing`,
`course`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import (
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from duologue.practice import texts
from duologue.practice.values import Frozen, Span
from duologue.practice.values import parse_span as _span

Audience = Literal["each", "absent", "facilitator", "next_contact", "safeguarding"]
"""Who a step of the ladder speaks to: both, each privately; only those who were absent; or somebody of the staff."""

While = Literal["always", "unbooked", "unacknowledged", "undecided", "unanswered"]
"""The reason of a step: it is taken only while this still holds. `unanswered`: whether to go on after a pause."""


Deed = Literal["tell", "ask", "alert", "pause", "end"]
"""What a step does: tell something, ask something privately, call somebody until it is acknowledged, pause, end."""

_COUPLE: tuple[Audience, ...] = ("each", "absent")
_STAFF: tuple[Audience, ...] = ("facilitator", "next_contact", "safeguarding")
_TO_COUPLE = tuple(sorted(texts.FOR_PARTNERS))
# What else staff are told is about something that somebody has done: no step may say it.
_TO_STAFF = tuple(sorted(texts.FOR_STAFF - {"concern", "unreachable", "wants_to_talk"}))

STEP_TEXTS: Mapping[Deed, Mapping[Audience, tuple[str, ...]]] = {
    "tell": {**dict.fromkeys(_COUPLE, _TO_COUPLE), **dict.fromkeys(_STAFF, _TO_STAFF)},
    "ask": dict.fromkeys(_COUPLE, ("check_in", "go_on", "resume_asked")),
    "alert": dict.fromkeys(_STAFF, _TO_STAFF),
    "pause": {"each": ("",)},
    "end": {"each": ("",)},
}
"""Whom each deed may go to, and the texts that it may name for them: never one for staff to a partner."""


class Step(Frozen):
    """One step of the ladder: at `after` from the miss, if its reason still holds, `do` it.

    `tell` goes to anybody, `ask` to `each` or `absent`, `alert` to staff, each with a text that is meant for them;
    `pause` and `end` have neither `to` nor `text`. Everything else is refused.
    """

    after: Span
    do: Deed
    to: Audience = Field(default="each", validate_default=True)
    text: str = Field(default="", max_length=40, pattern=r"^[a-z_]*$", validate_default=True)
    """The message template, or the question that is asked."""
    reason: While = "unbooked"
    every: Span | None = None
    """Take it again after each such span, as long as its reason holds."""
    times: int = Field(default=1, ge=1, le=16)
    """How often in all, where it is repeated."""

    @property
    def speaks_to_couple(self) -> bool:
        """Whether it says something to one or both of the two."""
        return self.do in ("tell", "ask") and self.to in _COUPLE

    @field_validator("to")
    @classmethod
    def _somebody_it_may_go_to(cls, to: Audience, info: ValidationInfo) -> Audience:
        audiences = STEP_TEXTS.get(info.data.get("do", ""), {to: ()})
        if to not in audiences:
            message = f"a step that does '{info.data['do']}' has 'to' as one of: {', '.join(audiences)}"
            raise ValueError(message)
        return to

    @field_validator("text")
    @classmethod
    def _a_text_for_them(cls, text: str, info: ValidationInfo) -> str:
        do, to = info.data.get("do"), info.data.get("to")
        if do is None or to is None:
            return text  # told already
        known = STEP_TEXTS[do][to]
        if text in known:
            return text
        if not any(known):
            message = f"a step that does '{do}' says nothing of its own; leave 'text' out"
        elif not text:
            message = f"a step that does '{do}' names the message or question in 'text'"
        else:
            message = f"there is no such text for '{do}' to {to}"
        raise ValueError(message)

    @model_validator(mode="after")
    def _repeated_as_a_whole(self) -> Self:
        if (self.every is None) != (self.times == 1) or (self.every is not None and not self.every):
            message = "a step that is repeated has both 'every' (longer than nothing) and 'times' (2 or more)"
            raise ValueError(message)
        if self.every is not None and self.do not in ("tell", "ask", "alert"):
            message = f"'{self.do}' is done once; only tell, ask and alert are repeated"
            raise ValueError(message)
        return self


_REBOOK = (
    Step(after=_span("0s"), do="tell", text="rebook_offer"),
    Step(after=_span("48h"), do="ask", text="check_in"),
)
_CALL = (
    Step(after=_span("0s"), do="alert", to="facilitator", text="second_miss", reason="always"),
    Step(after=_span("24h"), do="alert", to="next_contact", text="second_miss", reason="unacknowledged"),
    Step(after=_span("72h"), do="alert", to="facilitator", text="undecided", reason="undecided"),
)
_DECIDE = (
    Step(after=_span("0s"), do="pause", reason="always"),
    Step(after=_span("0s"), do="ask", text="go_on", reason="always"),
    Step(after=_span("0s"), do="alert", to="facilitator", text="third_miss", reason="always"),
    Step(after=_span("24h"), do="alert", to="next_contact", text="third_miss", reason="unacknowledged"),
    Step(after=_span("72h"), do="alert", to="facilitator", text="undecided", reason="undecided"),
    Step(after=_span("14d"), do="end", reason="undecided"),
)
_GO_ON = (
    Step(after=_span("7d"), do="ask", text="resume_asked", reason="unanswered", every=_span("7d"), times=3),
    Step(after=_span("28d"), do="alert", to="facilitator", text="pause_unanswered", reason="unanswered"),
    Step(after=_span("30d"), do="alert", to="next_contact", text="pause_unanswered", reason="unacknowledged"),
    Step(after=_span("42d"), do="end", reason="unanswered"),
)


MOST_STEPS = 16
"""The most steps that one miss may set to work."""


class Numbers(Frozen):
    """What a policy may name, each by itself. Defaults are those of reference/programme.md, "The default ladder"."""

    enrol_within: Span = _span("14d")
    """Both consent and answer the suitability questions within this, or the programme ends gently."""
    opens_before: Span = _span("10min")
    """Check-in (`ready`) opens this long before the start."""
    ask_absent_after: Span = _span("5min")
    """The one who is absent, and only that one, is asked after this."""
    missed_after: Span = _span("15min")
    """Without both checked in by then, the session counts as missed."""
    window: Span = _span("90min")
    """A dialogue that has not closed this long after the start is unfinished."""
    idle_after: Span = _span("30min")
    """A dialogue in which nothing happens for this long is nudged, once for each silence."""
    notice: Span = _span("2h")
    """A session begins later than this after both can be told of it, so that nobody misses what they could not know
    of; one that the two agree to hold at once needs none."""
    reminders: tuple[Span, ...] = Field(default=(_span("24h"), _span("1h")), max_length=3)
    """How long before the start each partner is reminded."""
    time_out_min: Span = _span("20min")
    time_out_max: Span = _span("24h")
    """A time-out is named between these lengths (source 12)."""
    answer_within: Span = _span("24h")
    """How long the other has to answer when a dialogue is asked for between the booked ones."""
    hold_within: Span = _span("24h")
    """How soon after the asking the dialogue itself is to be. A second, separate deadline."""
    deferred_after: Span = _span("2d")
    """How long after the start of a session its deferred other half is booked."""
    rebook_within: Span = _span("4d")
    """After a miss: with nothing booked by then, the next regular slot takes the dialogue."""
    proposals: tuple[Span, ...] = Field(
        default=(_span("1d"), _span("2d"), _span("3d")), min_length=1, max_length=6
    )
    """Where re-booking is offered, counted from the missed start; whole days keep the wall-clock time."""
    moves: int = Field(default=3, ge=0, le=20)
    """How often one session may be moved."""
    after_pause: Literal["keep_weekday", "shift"] = "keep_weekday"
    """What remains after a pause: goes on at the cadence's next slot, or shifts by the length of the pause; by the wall
    clock that is the whole days that it lasted. A slot that comes within a pause falls away."""
    words: Literal["any", "sealed", "none"] = "any"
    """Which words are taken: any; only sealed ones; or none, so that acts are recorded and what was said is not."""
    tell_reason: bool = True
    """Whether the safeguarding contact is told the reason that came with a concern."""
    forget_after: Span | None = None
    """So long after the end the couple's words and contacts are forgotten by themselves; what counts is the policy at
    the end. None: when it is asked for."""
    call_again_after: Span = _span("24h")
    """When a partner would like to talk to someone and nobody acknowledges that for so long, the next contact is
    called, or the facilitator once more where there is none."""
    pause_asks_after: Span = _span("30d")
    """A pause without an end, or whose end nobody took up: after so long both are asked whether to go on, each time."""
    resuming: tuple[Step, ...] = Field(default=_GO_ON, max_length=12)
    """What is done while a question whether to go on after a pause is not answered, counted from its being asked. No
    step ends a programme while a concern is open."""
    decide_within: Span = _span("14d")
    """How long a question about the tail, a midpoint or a request stays open; a midpoint's at the latest until the
    next booked session opens for check-in."""
    ladder: tuple[Annotated[tuple[Step, ...], Field(max_length=12)], ...] = Field(
        default=(_REBOOK, _REBOOK + _CALL, _DECIDE), min_length=1, max_length=6
    )
    """The steps after the first, second, third … miss in a row; the last rung serves for all that follow. From a
    `pause` on the two are told and asked `go_on` only."""


class Policy(Numbers):
    """Every number of the practice; what is not named is the default's."""

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not timedelta(0) < self.ask_absent_after < self.missed_after < self.window:
            message = "ask_absent_after, missed_after and window must rise in that order"
            raise ValueError(message)
        if not self.pause_asks_after:
            message = "pause_asks_after is longer than nothing"
            raise ValueError(message)
        if any(step.do == "pause" for step in self.resuming):
            message = "resuming: no step does 'pause', since the programme is paused"
            raise ValueError(message)
        # Whatever else they were told would be a nudge while a concern is open, or show by its absence that one is.
        if any((s.to, s.text) != ("each", "resume_asked") for s in self.resuming if s.speaks_to_couple):
            message = "resuming: the two are told and asked 'resume_asked' only, to: each"
            raise ValueError(message)
        if any(step.text != "go_on" for rung in self.ladder for step in _said_while_resting(rung)):
            message = "ladder: from a 'pause' on the two are told and asked 'go_on' only"
            raise ValueError(message)
        if any(sum(step.times for step in rung) > MOST_STEPS for rung in (*self.ladder, self.resuming)):
            message = f"a rung of the ladder has at most {MOST_STEPS} steps, repeats counted"
            raise ValueError(message)
        if self.time_out_min > self.time_out_max:
            message = "time_out_min is longer than time_out_max"
            raise ValueError(message)
        return self

    def changed(self, change: PolicyChange) -> Policy:
        """The same policy with what `change` names. Raises `ValidationError` where the whole of it is none."""
        named = {name: getattr(change, name) for name in change.model_fields_set}
        return Policy.model_validate({**dict(self), **named})


def _said_while_resting(rung: tuple[Step, ...]) -> Iterator[Step]:
    """The steps that speak to the couple, the last time at least, once the rung has paused the programme."""
    pauses = [step.after for step in rung if step.do == "pause"]
    for step in rung if pauses else ():
        last = step.after + (step.every or timedelta(0)) * (step.times - 1)
        if step.speaks_to_couple and last >= min(pauses):
            yield step


def _without_defaults(schema: dict[str, Any]) -> None:
    for field in schema["properties"].values():
        field.pop("default", None)
    schema["minProperties"] = 1


class PolicyChange(Numbers):
    """Some numbers of a policy, at least one; what is not named stays as it is. The whole has to be a policy again."""

    model_config = ConfigDict(json_schema_extra=_without_defaults)

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            message = "name at least one number of the policy; all others stay as they are"
            raise ValueError(message)
        return self

    @model_serializer(mode="wrap")
    def _only_what_is_named(self, serialised: SerializerFunctionWrapHandler) -> dict[str, Any]:
        return {name: value for name, value in serialised(self).items() if name in self.model_fields_set}
