"""What refuses a command beside its own rules: for whom and when it is, what words it carries, how soon it books."""

from __future__ import annotations

from duologue.practice import messages as m
from duologue.practice import sealed
from duologue.practice.messages import Reason
from duologue.practice.moments import soonest
from duologue.practice.state import State
from duologue.practice.values import Instant, format_span


class Refused(Exception):
    """A command that cannot be applied, and why."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


_FOR_FACILITATOR = (m.Acknowledge, m.Decide)


def allow(state: State, command: m.Command) -> None:
    """Refuse what is not for its sender, or comes after the end."""
    facilitates = command.by == "facilitator"
    if isinstance(command, _FOR_FACILITATOR) != facilitates and not isinstance(command, m.Adjust):
        whom = (
            "a facilitator"
            if isinstance(command, _FOR_FACILITATOR)
            else "one of the two partners ('a' or 'b')"
        )
        raise Refused(Reason.NOT_A_PARTICIPANT, f"'{command.name}' is for {whom}")
    if state.over:
        raise Refused(Reason.STAGE, "the programme has ended; start a new one to go on practising")
    _allow_words(state, command)


def _allow_words(state: State, command: m.Command) -> None:
    """Refuse words that the policy does not take, or that were sealed for another place."""
    wanted, carried = state.policy.words, dict(sealed.words_of(command))
    said = next(
        (f for f, words in carried.items() if not sealed.may_be_filling(command.name, f, words)), None
    )
    if said and wanted == "none":
        raise Refused(
            Reason.MALFORMED, f"this programme records acts without words; send it without '{said}'"
        )
    plain = next((field for field, words in carried.items() if words.sealed is None), None)
    if plain and wanted == "sealed":
        raise Refused(
            Reason.MALFORMED, f"{plain}: this programme takes sealed words only; see 'duologue seal'"
        )
    if (field := sealed.misplaced(command, state.plan.programme)) is not None:
        raise Refused(
            Reason.MALFORMED,
            f"{field}: sealed for another programme, command or field, or by another; seal it for this one",
        )


def allow_practising(state: State) -> None:
    """Refuse what is done while practising only."""
    if state.stage != "practising":
        raise Refused(
            Reason.STAGE, f"the programme is {state.stage}; this can be done while it is practising"
        )


def allow_time(state: State, at: Instant, now: Instant) -> None:
    """Refuse a moment of which not both can be told in time; without saying when, since that tells quiet hours."""
    if at <= soonest(state, now, now):
        raise Refused(
            Reason.OUT_OF_RANGE,
            f"too soon: both are told at least {format_span(state.policy.notice)} before; choose a later moment",
        )
