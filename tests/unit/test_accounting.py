"""What a history costs, counted from hand-made events."""

from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from duologue.accounting import account, by_task, kind_of


def event(kind: str, **attributes: object) -> HistoryEvent:
    made = HistoryEvent(event_type=EventType.Value(f"EVENT_TYPE_{kind.upper()}"))
    for name, value in attributes.items():
        setattr(getattr(made, f"{kind}_event_attributes"), name, value)
    return made


TASK = [event(f"workflow_task_{what}") for what in ("scheduled", "started", "completed")]
STARTED = event("workflow_execution_started")
SIGNAL = [event("workflow_execution_signaled"), *TASK]
UPDATE = [
    *TASK,
    event("workflow_execution_update_accepted"),
    event("workflow_execution_update_completed"),
]


def test_events_are_counted_by_kind_and_bytes_are_theirs() -> None:
    cost = account([STARTED, *UPDATE])
    assert cost.events == 6
    assert cost.by_kind["workflow_task_started"] == 1
    assert cost.bytes == sum(e.ByteSize() for e in [STARTED, *UPDATE])
    assert kind_of(STARTED) == "workflow_execution_started"


def test_what_is_billed() -> None:
    cost = account(
        [
            STARTED,
            *SIGNAL,
            event("timer_started"),
            event("upsert_workflow_search_attributes"),
            event("workflow_properties_modified"),
            event("timer_fired"),
            *UPDATE,
            event("activity_task_scheduled"),
            event("activity_task_started", attempt=3),
            event("activity_task_completed"),
            event("timer_canceled"),
        ]
    )
    assert cost.billed == {
        "start": 1,
        "signal": 1,
        "update": 1,
        "timer": 1,
        "search_attributes": 1,
        "activity": 1,
        "activity_retry": 2,
    }
    assert cost.actions == 8


def test_a_continued_run_is_billed_once() -> None:
    first = account([STARTED, *TASK, event("workflow_execution_continued_as_new")])
    second = account([event("workflow_execution_started", continued_execution_run_id="before"), *TASK])
    assert first.billed == {"start": 1, "continue_as_new": 1}
    assert second.billed == {}


def test_a_history_falls_into_its_steps() -> None:
    first = [STARTED, *TASK, event("activity_task_scheduled"), event("timer_started")]
    second = [event("activity_task_started"), event("activity_task_completed"), *TASK]
    steps = [list(step) for step in by_task([*first, *second, *UPDATE, *SIGNAL, SIGNAL[0]])]
    assert steps == [first, second, UPDATE, SIGNAL, [SIGNAL[0]]]
