"""What the dry run says a programme costs is what a server records, and never less."""

from temporalio.testing import WorkflowEnvironment

from duologue.accounting import account, by_task, kind_of
from duologue.forecast import forecast
from duologue.habits import REFERENCE
from duologue.on_server import simulate_on_server
from duologue.simulate import reference_plan

TASK = frozenset({"workflow_task_scheduled", "workflow_task_started", "workflow_task_completed"})


async def test_a_forecast_is_what_is_then_counted(time_skipping: WorkflowEnvironment) -> None:
    plan = reference_plan("foretold", 2)
    recording = await simulate_on_server(plan, manner=REFERENCE, environment=time_skipping)
    # A query on a busy machine was seen to leave a task on the test server that nothing had caused.
    steps = [step for step in by_task(recording.events) if {kind_of(event) for event in step} - TASK]
    counted = account([event for step in steps for event in step])
    cost = forecast(plan, starts=recording.begins, manner=REFERENCE).cost
    assert cost.by_action == counted.billed
    assert counted.events <= cost.events <= counted.events * 1.03
    assert counted.bytes <= cost.history_bytes <= counted.bytes * 1.1
