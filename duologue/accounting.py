"""What a history costs: its events by kind, the actions that Temporal Cloud bills for it, and its bytes.

Pure functions over the events of a history, whole or a part of it; nothing of ours is known here. Queries and refused
updates leave no trace in a history: each is one more billed action, and must be counted by whoever sends them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

_BILLED = {
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED: "start",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW: "continue_as_new",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED: "signal",
    EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED: "update",
    EventType.EVENT_TYPE_TIMER_STARTED: "timer",
    EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED: "activity",
    EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES: "search_attributes",
    EventType.EVENT_TYPE_START_CHILD_WORKFLOW_EXECUTION_INITIATED: "child_workflow",
}
"""One action each (docs.temporal.io/cloud/pricing). Firing, completing and cancelling are not billed."""

_COMMANDS = frozenset(
    {
        EventType.EVENT_TYPE_TIMER_STARTED,
        EventType.EVENT_TYPE_TIMER_CANCELED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
        EventType.EVENT_TYPE_ACTIVITY_TASK_CANCEL_REQUESTED,
        EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_COMPLETED,
        EventType.EVENT_TYPE_MARKER_RECORDED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_FAILED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CANCELED,
        EventType.EVENT_TYPE_WORKFLOW_EXECUTION_CONTINUED_AS_NEW,
    }
)
"""What a workflow task leaves behind, right after its completion."""


@dataclass(frozen=True)
class Account:
    """What a history, or a part of one, costs."""

    by_kind: Mapping[str, int]
    """Events by kind, such as `timer_started`."""
    billed: Mapping[str, int]
    """Billed actions by what they are for."""
    bytes: int
    """The size of the events as protocol buffers, which is about what a server stores and counts."""

    @property
    def events(self) -> int:
        """How many events."""
        return sum(self.by_kind.values())

    @property
    def actions(self) -> int:
        """How many billed actions."""
        return sum(self.billed.values())


def kind_of(event: HistoryEvent) -> str:
    """The kind of an event, such as `timer_started`."""
    return EventType.Name(event.event_type).removeprefix("EVENT_TYPE_").lower()


def account(events: Iterable[HistoryEvent]) -> Account:
    """Count a history, or a part of it."""
    kinds: Counter[str] = Counter()
    billed: Counter[str] = Counter()
    size = 0
    for event in events:
        kinds[kind_of(event)] += 1
        billed.update(_actions(event))
        size += event.ByteSize()
    return Account(by_kind=dict(sorted(kinds.items())), billed=dict(sorted(billed.items())), bytes=size)


def _actions(event: HistoryEvent) -> Mapping[str, int]:
    if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
        retries = event.activity_task_started_event_attributes.attempt - 1
        return {"activity_retry": retries} if retries > 0 else {}
    if event.workflow_execution_started_event_attributes.continued_execution_run_id:
        return {}  # billed with the continue-as-new that it follows from
    what = _BILLED.get(event.event_type)
    return {what: 1} if what else {}


def by_task(events: Iterable[HistoryEvent]) -> Iterator[Sequence[HistoryEvent]]:
    """A history in its steps: what woke the workflow, the workflow task, and the commands that it ended with."""
    step: list[HistoryEvent] = []
    completed = False
    for event in events:
        if completed and event.event_type not in _COMMANDS:
            yield step
            step, completed = [], False
        step.append(event)
        completed = completed or event.event_type == EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    if step:
        yield step
