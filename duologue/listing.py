"""A programme as a list of them shows it: from its search attributes alone, which costs no query."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from temporalio.client import WorkflowExecution, WorkflowExecutionStatus
from temporalio.common import SearchAttributeKey

from duologue.codec import PROGRAMMES
from duologue.workflows.programme import ATTRIBUTE_KEYS


@dataclass(frozen=True)
class Listed:
    """A programme as its search attributes show it: a list costs no query."""

    programme: str
    stage: str
    awaiting: str
    awaiting_since: datetime | None
    next_session: datetime | None
    session: int
    missed_in_a_row: int
    escalation: str
    tenant: str
    running: bool


def listed(execution: WorkflowExecution) -> Listed:
    """The programme that a workflow of ours is, as Temporal lists it."""
    found = execution.typed_search_attributes

    def get(name: str, default: Any) -> Any:  # noqa: ANN401 - as the attribute's type is
        key: SearchAttributeKey[Any] = ATTRIBUTE_KEYS[name]
        return found.get(key, default)

    return Listed(
        programme=execution.id.removeprefix(PROGRAMMES),
        stage=get("DuologueStage", "enrolling"),
        awaiting=get("DuologueAwaiting", "none"),
        awaiting_since=get("DuologueAwaitingSince", None),
        next_session=get("DuologueNextSession", None),
        session=get("DuologueSession", 0),
        missed_in_a_row=get("DuologueMissedInARow", 0),
        escalation=get("DuologueEscalation", "none"),
        tenant=get("DuologueTenant", ""),
        running=execution.status == WorkflowExecutionStatus.RUNNING,
    )
