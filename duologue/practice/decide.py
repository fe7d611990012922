"""`decide(state, command, now)`: what a command, an answer from the world or the passing of time brings about.

What each command means is in `commands.py`, the consequences they share in `course.py`, those of time in `passing.py`,
the grammar of a dialogue in `grammar.py`.
"""

from __future__ import annotations

from duologue.practice import course, telling
from duologue.practice import events as e
from duologue.practice import messages as m
from duologue.practice.allowing import Refused, allow
from duologue.practice.asks import Delivered, Resolution
from duologue.practice.commands import COMMANDS
from duologue.practice.evolve import awaiting
from duologue.practice.grammar import NotAllowed
from duologue.practice.messages import Reason, Refusal
from duologue.practice.passing import pass_time
from duologue.practice.plan import Plan
from duologue.practice.state import State
from duologue.practice.telling import Ledger
from duologue.practice.values import Frozen, Instant


class Tick(Frozen):
    """Nothing but the passing of time."""


class Cancelled(Frozen):
    """The programme's workflow was asked to cancel: end it gently."""


class Junk(Frozen):
    """A signal that is no command, for the journal."""

    name: str
    reason: Reason
    by: str = ""


Input = m.Command | Tick | Cancelled | Junk | Resolution | Delivered


def blank(plan: Plan, now: Instant) -> State:
    """A programme before its first event."""
    state = State(plan=plan, opened=now, clock=now, awaiting_since=now)
    return state.with_(awaiting=awaiting(state))


def start(plan: Plan, now: Instant) -> tuple[State, list[e.Event]]:
    """A new programme and its first events."""
    state = blank(plan, now)
    ledger = Ledger(state, now)
    course.begin(ledger)
    pass_time(ledger, now)
    return ledger.state, ledger.events


def decide(state: State, command: Input, now: Instant) -> list[e.Event] | Refusal:
    """The events that `command` brings about at `now`, or why it is refused.

    Time passes first, each deadline at its own instant. A command's `sent_at` counts between the last processed
    instant and `now`: it is judged as of then, and time has passed only up to then. A repeat of an id that its
    sender has had applied brings about nothing; its receipt is in `State.applied`.
    """
    if isinstance(command, Junk):
        refused = e.CommandRefused(at=now, name=command.name, reason=command.reason, by=command.by)
        return [refused]
    if isinstance(command, Tick | Cancelled | Resolution | Delivered):
        # What became of a message changes nothing that depends on time: it is entered at the last processed instant, so
        # that the task which learned of it need not leave a mark of when that was.
        now = state.clock if isinstance(command, Delivered) else now
        ledger = Ledger(state, now)
        pass_time(ledger, now)
        _world(ledger, command)
        return ledger.events
    if (applied := state.applied.get(command.command_id)) is not None:
        return [] if applied.by == command.by else _taken(command)
    moment = now if command.sent_at is None else min(max(command.sent_at, state.clock), now)
    ledger = Ledger(state, moment)
    pass_time(ledger, moment)
    try:
        allow(ledger.state, command)
        if (handler := COMMANDS.find(command)) is not None:
            handler(ledger, command)
    except Refused as refused:
        return Refusal(reason=refused.reason, message=str(refused), command_id=command.command_id)
    except NotAllowed as refused:
        return Refusal(reason=Reason(refused.reason), message=str(refused), command_id=command.command_id)
    ledger.emit(
        e.CommandApplied(at=ledger.now, command_id=command.command_id, by=command.by, name=command.name)
    )
    return ledger.events


def _taken(command: m.Command) -> Refusal:
    """A receipt is its sender's alone, so an id that somebody else has used is no repeat."""
    message = "somebody else has sent a command of that id; choose another, which nobody can guess"
    return Refusal(reason=Reason.ID_TAKEN, message=message, command_id=command.command_id)


def _world(ledger: Ledger, command: Tick | Cancelled | Resolution | Delivered) -> None:
    match command:
        case Resolution():
            course.time_resolved(ledger, command)
        case Delivered() if command.key in (*ledger.state.asks, *ledger.state.recalled):
            telling.delivered(ledger, command)
        case Cancelled() if not ledger.state.over:
            course.end(ledger, "cancelled")
    # What has just been planned for this very moment happens now.
    pass_time(ledger, ledger.now)
