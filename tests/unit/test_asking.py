"""What a client makes of a query that has no answer at once: asked again while that may help, then said plainly."""

from datetime import timedelta
from typing import Any, cast

import pytest
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowQueryFailedError
from temporalio.service import RPCError, RPCStatusCode

from duologue.client import Client, DuologueError, Programme, Stuck, Unreachable
from duologue.workflows.intake import NO_TASK

FAILING = RPCError("Workflow Task in failed state.", RPCStatusCode.FAILED_PRECONDITION, b"")
NOBODY = RPCError("no poller seen for task queue recently", RPCStatusCode.FAILED_PRECONDITION, b"")
BETWEEN = WorkflowQueryFailedError(NO_TASK)
OTHERWISE = WorkflowQueryFailedError("something else")


class Service:
    """A Temporal client whose programme meets each error once, and answers then."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)

    def config(self, **_: Any) -> dict[str, Any]:
        return {"plugins": []}

    def get_workflow_handle(self, *_: Any, **__: Any) -> "Service":
        return self

    async def query(self, *_: Any, **__: Any) -> str:
        if self.errors:
            raise self.errors.pop(0)
        return "answered"


async def asked(*errors: Exception, patience: float = 5) -> str:
    client = Client(
        cast("TemporalClient", Service(*errors)), plain=True, query_patience=timedelta(seconds=patience)
    )
    return str(await Programme(client, "p")._query("a", "view", str))


@pytest.mark.parametrize("error", [FAILING, NOBODY, BETWEEN])
async def test_what_passes_is_waited_for(error: Exception) -> None:
    """A workflow task that workers died of may be taken by the next."""
    assert await asked(error, error) == "answered"


@pytest.mark.parametrize(
    ("error", "said"),
    [(FAILING, Stuck), (NOBODY, Unreachable), (BETWEEN, Unreachable), (OTHERWISE, DuologueError)],
)
async def test_what_does_not_pass_is_said(error: Exception, said: type[DuologueError]) -> None:
    with pytest.raises(said):
        await asked(*[error] * 20, patience=0.1)
