"""What reaches a programme, read into the words of the core: signals, updates, and answers of activities.

Pure functions that both the workflow and an audit use, so that the two cannot read the same history differently.
None of them raises, whatever was sent. What a thing then brings about is for `practice.decide` to say.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from pydantic import ValidationError

from duologue.practice.asks import GAVE_UP, Delivered, Message, Resolution, Resolve
from duologue.practice.decide import Cancelled, Junk, Tick, decide
from duologue.practice.events import Event, MessageSettled
from duologue.practice.evolve import evolve
from duologue.practice.messages import COMMANDS, Command, Refusal, parse
from duologue.practice.state import State
from duologue.practice.values import Instant

JSON = (b"json/plain", b"json/protobuf")
"""The encodings that hold readable JSON."""

Given = tuple[Resolve | Message, Sequence[bytes | None] | None]
"""What was asked for and its result; None where it failed for good."""

NO_TASK = "the programme was asked between two of its workflow tasks; ask again"
"""What a query may be answered that waited while no worker ran: see `worker.runner`."""


class Payload(Protocol):
    """What is used here of Temporal's payload."""

    @property
    def metadata(self) -> Mapping[str, bytes]:
        """Among it the encoding."""

    @property
    def data(self) -> bytes:
        """The bytes."""


def arguments(payloads: Iterable[Payload]) -> list[bytes | None]:
    """Each argument's raw JSON; None where it is none."""
    return [p.data if p.metadata.get("encoding") in JSON else None for p in payloads]


def updated(
    state: State, name: str, given: Sequence[bytes | None], now: Instant
) -> tuple[Command, list[Event]] | Refusal:
    """The command an update carries and what it brings about, or why it is refused."""
    command = parse(name, given)
    if isinstance(command, Refusal):
        return command
    outcome = decide(state, command, now)
    return outcome if isinstance(outcome, Refusal) else (command, outcome)


def signalled(state: State, name: str, given: Sequence[bytes | None], now: Instant) -> list[Event]:
    """What a signal brings about; one that is refused is entered in the journal, without what it held."""
    command = parse(name, given)
    outcome = command if isinstance(command, Refusal) else decide(state, command, now)
    if not isinstance(outcome, Refusal):
        return outcome
    by = "" if isinstance(command, Refusal) else command.by
    return world(state, Junk(name=known(name), reason=outcome.reason, by=by), now)


def world(state: State, given: Tick | Cancelled | Junk | Resolution | Delivered, now: Instant) -> list[Event]:
    """What time, a request to cancel or an activity's answer brings about; none of them is ever refused."""
    outcome = decide(state, given, now)
    return [] if isinstance(outcome, Refusal) else outcome


def known(name: str) -> str:
    """A command's name as it may be shown: one that is none of ours is not repeated."""
    return name if name in COMMANDS else "unknown"


def answered(ask: Resolve | Message, given: Sequence[bytes | None] | None) -> Resolution | Delivered | None:
    """An activity's answer to `ask`; `given` is its result, None if it failed for good.

    A message that could not be delivered, or whose delivery answers something unreadable, is given up: whatever a
    provider said stays out of here. A time must be had: None, it is to be asked for again.
    """
    kind: type[Resolution | Delivered] = Resolution if isinstance(ask, Resolve) else Delivered
    raw = given[0] if given else None
    if raw is not None:
        try:
            return kind.model_validate_json(raw).with_(key=ask.key)
        except (ValidationError, ValueError, RecursionError):
            pass
    if isinstance(ask, Resolve):
        return None
    return Delivered(key=ask.key, outcome="undeliverable", reason=GAVE_UP if given is None else "unreadable")


def may_wait(state: State, ask: Resolve | Message, given: Sequence[bytes | None] | None) -> bool:
    """Whether nothing follows from an answer but that a message is dealt with: then it can be entered later.

    Not of one that takes a time out of a calendar: should it be taken back, another does that in its place.
    """
    answer = answered(ask, given)
    if state.over or not isinstance(ask, Message) or ask.clears or answer is None:
        return False
    return all(isinstance(event, MessageSettled) for event in world(state, answer, state.clock))


def settled(state: State, waiting: Iterable[Given]) -> State:
    """The state once the answers that wait have been taken."""
    for ask, given in waiting:
        answer = answered(ask, given)
        for event in world(state, answer, state.clock) if answer is not None else ():
            state = evolve(state, event)
    return state
