"""A programme's journal and state, derived again from its histories: the core alone, fed with what was recorded.

Here stands in which order and at which instant a workflow took what reached it, as Temporal's server and SDK hand it
over; what it means is `workflows.intake`'s, and what follows from it the core's. Nothing of Temporal runs here.

A workflow task takes everything that was recorded before it started, at the instant it started: first the signals, as
recorded; then the updates that it accepted, as accepted; then answers of activities and alarms, as recorded; then a
request to cancel. Time passes up to that instant after the commands, and again at the end. A task that failed or timed
out has taken nothing. A timer carries no information, and that an alarm rang is all there is to know of it. An answer
from which nothing follows waits for whatever wakes the workflow next, and is taken after that.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pydantic import ValidationError
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.update.v1 import Request
from temporalio.client import WorkflowHistory
from temporalio.converter import PayloadCodec

from duologue.practice.asks import RESOLVE, Message, Resolve, called_off
from duologue.practice.decide import Cancelled, Tick, blank, start
from duologue.practice.events import Event
from duologue.practice.evolve import evolve
from duologue.practice.messages import Refusal
from duologue.practice.passing import finished
from duologue.practice.policy import Policy
from duologue.practice.state import State
from duologue.practice.values import Instant
from duologue.workflows import intake
from duologue.workflows.programme import WORKFLOW, Start

_BATCHED = 2
"""The SDK's flag for tasks that take everything at once; no released version sets it, and the order would differ."""

_COMMANDS = {EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED}
_ANSWERS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED,
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT,
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED,
}
_OTHERS = {
    EventType.EVENT_TYPE_TIMER_FIRED,
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED,
}


class NotDerivable(Exception):
    """A history that is no programme's, is not whole, or does not follow from the one before."""


@dataclass
class Derived:
    """What a history leads to."""

    state: State
    events: list[Event]
    """The whole journal: every event since the beginning of the first history."""
    first: State
    """What the first of them met."""
    began: State | None = None
    """The state that the run was given; None where it was the programme's first."""
    continued: bool = False
    """Whether the run ended by continuing as new."""
    entered: State | None = None
    """The state without the answers that wait for what comes next."""


async def derive(
    history: WorkflowHistory | Iterable[HistoryEvent], *, codec: PayloadCodec | None = None
) -> Derived:
    """The state and journal that one run's history leads to. `codec` opens its payloads. Raises `NotDerivable`."""
    return (await _taken(history, codec)).derived


async def policy_of(
    history: WorkflowHistory | Iterable[HistoryEvent], *, codec: PayloadCodec | None = None
) -> Policy:
    """The policy that one run's history leads to, also where nothing was taken yet. Raises `NotDerivable`."""
    return (await _taken(history, codec)).policy


async def _taken(history: WorkflowHistory | Iterable[HistoryEvent], codec: PayloadCodec | None) -> _Run:
    events = list(history.events if isinstance(history, WorkflowHistory) else history)
    run = await _Run.of(events, codec)
    for task in _tasks(events):
        await run.take(task)
        if run.over:
            break
    run.end()
    return run


async def derive_chain(histories: Iterable[WorkflowHistory], *, codec: PayloadCodec | None = None) -> Derived:
    """The same over all runs of a programme, first to last. Each must begin with what the one before it led to."""
    whole: Derived | None = None
    for history in histories:
        run = await derive(history, codec=codec)
        if run.began != (whole.state if whole else None):
            raise NotDerivable("a run does not begin where the one before it ended")
        if whole is not None:
            run.events, run.first = [*whole.events, *run.events], whole.first
        whole = run
    if whole is None:
        raise NotDerivable("there is no history")
    return whole


@dataclass
class _Task:
    """A workflow task that was completed, with what it took."""

    now: Instant
    continues: bool = False
    """Whether the run ended with it, by continuing as new."""
    signals: list[HistoryEvent] = field(default_factory=list)
    updates: list[HistoryEvent] = field(default_factory=list)
    others: list[HistoryEvent] = field(default_factory=list)


def _tasks(events: Sequence[HistoryEvent]) -> Iterable[_Task]:
    waiting: list[HistoryEvent] = []
    started: HistoryEvent | None = None
    taken: list[HistoryEvent] = []
    task: _Task | None = None
    for event in events:
        match event.event_type:
            case EventType.EVENT_TYPE_WORKFLOW_TASK_STARTED:
                if task is not None:
                    yield task
                    task = None
                started, taken = event, list(waiting)
            case EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED if started is not None:
                if _BATCHED in event.workflow_task_completed_event_attributes.sdk_metadata.lang_used_flags:
                    raise NotDerivable("a workflow task was taken in an order that is not known here")
                task = _Task(
                    now=_instant(started),
                    signals=[e for e in taken if e.event_type in _COMMANDS],
                    others=[e for e in taken if e.event_type not in _COMMANDS],
                )
                waiting, started = waiting[len(taken) :], None
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED if task is not None:
                task.updates.append(event)
            case EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW if task is not None:
                task.continues = True
            case kind if kind in _COMMANDS | _ANSWERS | _OTHERS:
                waiting.append(event)
    if task is not None:
        yield task


def _instant(event: HistoryEvent) -> Instant:
    # As the SDK tells workflows the time, rounding included.
    return datetime.fromtimestamp(event.event_time.ToNanoseconds() / 1e9, UTC)


class _Run:
    """A run in the making."""

    def __init__(self, given: Start, events: Sequence[HistoryEvent], codec: PayloadCodec | None) -> None:
        self._given = given
        self._codec = codec
        self._by_id = {event.event_id: event for event in events}
        self._admitted = {
            a.request.meta.update_id: a.request
            for a in (e.workflow_execution_update_admitted_event_attributes for e in events)
            if a.HasField("request")
        }
        self._derived: Derived | None = None
        self._waiting: list[intake.Given] = []
        self._now: Instant
        self._begun: set[str] = set()
        """What the world had been asked when the task began."""
        self.over = False
        """Whether the workflow returned or continued as new, and took nothing more."""

    @classmethod
    async def of(cls, events: Sequence[HistoryEvent], codec: PayloadCodec | None) -> _Run:
        attributes = events[0].workflow_execution_started_event_attributes if events else None
        if attributes is None or attributes.workflow_type.name != WORKFLOW:
            raise NotDerivable("this is not the history of a programme")
        given = await _opened(attributes.input, codec)
        try:
            return cls(Start.model_validate_json(given[0].data), events, codec)
        except (ValidationError, IndexError) as error:
            raise NotDerivable(
                "the programme's plan cannot be read; is it encrypted by other keys?"
            ) from error

    @property
    def derived(self) -> Derived:
        if self._derived is None:
            raise NotDerivable("no workflow task was completed")
        return self._derived

    @property
    def policy(self) -> Policy:
        """The one of the moment."""
        state = self._derived.state if self._derived else self._given.state
        return state.policy if state else self._given.plan.policy

    async def take(self, task: _Task) -> None:
        """What one workflow task did."""
        self._now, first = task.now, self._derived is None
        self._begun = set() if self._derived is None else _asked_of_the_world(self._derived.state)
        if self._derived is None:
            self._derived = self._begin()
        for signal in task.signals:
            await self._signal(signal)
        for update in task.updates:
            await self._update(update)
        ran = not first and bool(task.signals or task.updates)
        if ran:
            self._run()
        if self.over:
            return
        woken, answered, cancelled = first, False, False
        for event in task.others:
            if event.event_type in _ANSWERS:
                given = await self._answer(event)
                self._waiting.append(given)
                answered |= ran or not intake.may_wait(self.derived.state, *given)
            else:
                woken = True
                cancelled |= event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCEL_REQUESTED
        if woken or answered:
            self._run(answered=answered, cancelled=cancelled, last=task.continues)

    def end(self) -> None:
        """Here the history ends: what waits is taken, and not entered yet."""
        if self._derived is not None:
            self._derived.entered = self._derived.state
        self.settle()

    def settle(self) -> None:
        """Take the answers that wait."""
        for given in self._waiting:
            answer = intake.answered(*given)
            if answer is not None:
                self._add(intake.world(self.derived.state, answer, self._now))
        self._waiting.clear()

    def _run(self, *, answered: bool = False, cancelled: bool = False, last: bool = False) -> None:
        """The workflow was woken: what it did in its loop, for the `last` time before it continued as new."""
        if answered:
            self.settle()
        if cancelled and not self.derived.state.over:
            self._add(intake.world(self.derived.state, Cancelled(), self._now))
        self._pass_time(last=last)
        if self._waiting and not self.over:
            self._run(answered=True)

    def _begin(self) -> Derived:
        if self._given.state is not None:
            return Derived(self._given.state, [], first=self._given.state, began=self._given.state)
        return Derived(*start(self._given.plan, self._now), first=blank(self._given.plan, self._now))

    def _add(self, events: Sequence[Event]) -> None:
        for event in events:
            self.derived.state = evolve(self.derived.state, event)
        self.derived.events += events

    def _pass_time(self, *, last: bool) -> None:
        self._add(intake.world(self.derived.state, Tick(), self._now))
        for key in self.derived.state.recalled:
            if key not in self._begun:
                # No activity was ever started for it; one that was answers for itself.
                self._add(intake.world(self.derived.state, called_off(key), self._now))
        if finished(self.derived.state):
            self.over = True
        elif last:
            self.settle()
            self.over = self.derived.continued = True

    async def _signal(self, event: HistoryEvent) -> None:
        signal = event.workflow_execution_signaled_event_attributes
        given = intake.arguments(await _opened(signal.input, self._codec))
        self._add(intake.signalled(self.derived.state, signal.signal_name, given, self._now))

    async def _update(self, event: HistoryEvent) -> None:
        accepted = event.workflow_execution_update_accepted_event_attributes
        request: Request = accepted.accepted_request
        if not request.HasField("input"):
            # After a reset the request stands in an event of its own.
            request = self._admitted.get(accepted.protocol_instance_id, request)
        given = intake.arguments(await _opened(request.input.args, self._codec))
        outcome = intake.updated(self.derived.state, request.input.name, given, self._now)
        self._add([] if isinstance(outcome, Refusal) else outcome[1])

    async def _answer(self, event: HistoryEvent) -> intake.Given:
        given: list[bytes | None] | None = None
        match event.event_type:
            case EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED:
                done = event.activity_task_completed_event_attributes
                given = intake.arguments(await _opened(done.result, self._codec))
                scheduled = done.scheduled_event_id
            case EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
                scheduled = event.activity_task_failed_event_attributes.scheduled_event_id
            case EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT:
                scheduled = event.activity_task_timed_out_event_attributes.scheduled_event_id
            case _:
                scheduled = event.activity_task_canceled_event_attributes.scheduled_event_id
        return await self._asked(scheduled), given

    async def _asked(self, scheduled: int) -> Resolve | Message:
        try:
            activity = self._by_id[scheduled].activity_task_scheduled_event_attributes
            asked = (await _opened(activity.input, self._codec))[0].data
            if activity.activity_type.name == RESOLVE:
                return Resolve.model_validate_json(asked)
            return Message.model_validate_json(asked)
        except (KeyError, IndexError, ValidationError):
            # Not chained: what cannot be read would be quoted.
            raise NotDerivable("what an activity was asked cannot be read; was it a newer worker?") from None


def _asked_of_the_world(state: State) -> set[str]:
    return {*state.asks, *state.recalled}


async def _opened(payloads: Payloads, codec: PayloadCodec | None) -> list[Payload]:
    return await codec.decode(payloads.payloads) if codec else list(payloads.payloads)
