"""What a history that cannot be read comes to when it is derived: a typed error, which quotes nothing of it."""

from collections.abc import Callable

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.history.v1 import HistoryEvent

from duologue.audit import NotDerivable, derive
from tests.replay.states import read, runs_of

SCHEDULED = EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED


def newer(event: HistoryEvent) -> None:
    event.activity_task_scheduled_event_attributes.input.payloads[0].data = b'{"canary": 1}'


def empty(event: HistoryEvent) -> None:
    event.activity_task_scheduled_event_attributes.ClearField("input")


def gone(event: HistoryEvent) -> None:
    event.event_id = -1


@pytest.mark.parametrize("change", [newer, empty, gone])
async def test_an_activity_that_cannot_be_read_is_no_raw_error(
    change: Callable[[HistoryEvent], None],
) -> None:
    events = list(runs_of(read("full_dialogue"))[0].events)
    for event in events:
        if event.event_type == SCHEDULED:
            change(event)
    with pytest.raises(NotDerivable, match="newer") as raised:
        await derive(events)
    assert raised.value.__suppress_context__
    assert "canary" not in str(raised.value)
