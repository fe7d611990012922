"""How workflow code is run: in Temporal's sandbox, and guarded against what the SDK hands over outside a workflow task.

Only the running lives here: no rule, and nothing of what a programme does. A worker of a platform's own is guarded
too, since without the guard a signal can be lost (docs: decisions, 14): `duologue.plugin` amends its runner by
`amended()`, or it takes `sandbox()`.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace
from time import monotonic
from typing import Any

from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from duologue.workflows.intake import NO_TASK
from duologue.workflows.programme import WORKFLOW

PASSED_THROUGH = ("duologue.practice", "pydantic", "pydantic_core")

_BY_ITSELF = "legacy_query"
"""The SDK's id of a query that is a task of its own, and not part of a workflow task."""


def sandbox() -> WorkflowRunner:
    """The workflow sandbox, for a worker that runs programmes alone."""
    return amended(SandboxedWorkflowRunner())


def amended(runner: WorkflowRunner) -> WorkflowRunner:
    """The same runner, of a kind derived from its own, by which programmes are guarded; others run as before.

    A sandbox passes the pure core and pydantic through: they are linted instead, and stay small. (A core that is loaded
    anew for each workflow costs ten times the memory.)
    """
    if isinstance(runner, SandboxedWorkflowRunner):
        runner = replace(runner, restrictions=runner.restrictions.with_passthrough_modules(*PASSED_THROUGH))
    kind = type(runner)
    guarding = copy(runner)
    object.__setattr__(guarding, "__class__", type(f"Guarding{kind.__name__}", (_Guarding, kind), {}))
    return guarding


class _Guarding(WorkflowRunner):
    """What a runner does first of all, before what its own kind does."""

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """A workflow. A programme stands behind its guard, and ends by no exception that may end a host's workflows."""
        ours = det.defn.name == WORKFLOW
        if ours:
            det = replace(det, worker_level_failure_exception_types=())
        workflow: WorkflowInstance = super().create_instance(det)  # type: ignore[safe-super]  # there is a kind
        return Guarded(workflow) if ours else workflow


class Doubts:
    """Readings that were given up, by their run and the time of the last task they knew of.

    What made one doubtful is gone after a moment, since it was a task that the server did not keep. If it did keep it,
    the same doubt comes back for ever: after `LAST` and `READINGS` it counts no more. On a busy machine the time alone
    would be over at the second reading.
    """

    LAST = 3.0
    """Seconds. A client asks again for longer."""
    READINGS = 4
    KEPT = 1000
    """Of so many runs at the most."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, int], tuple[float, int, bool]] = {}

    def holds(self, run_id: str, time: int, *, unproven: bool = False) -> bool:
        """Whether to give up a reading that is doubtful; `unproven`: only for the task of that time, its last."""
        now = monotonic()
        if len(self._seen) >= self.KEPT:
            self._seen.pop(next(iter(self._seen)), None)
        first, readings, _ = self._seen.get((run_id, time), (now, 0, unproven))
        self._seen[run_id, time] = first, readings + 1, unproven
        return readings < self.READINGS or now - first < self.LAST

    def proven(self, run_id: str, time: int) -> bool:
        """Whether a task that is in the history was in doubt when it was taken here, and for nothing but that."""
        return self._seen.get((run_id, time), (0.0, 0, False))[-1]


_doubts = Doubts()


class Guarded(WorkflowInstance):
    """Refuses what belongs to no workflow task that lasts, before the workflow sees it.

    A query that was waiting while no worker ran is answered from the whole history, and with it the SDK hands over

    - commands that no task has taken yet, at the time of the task before. A replay takes them at another time.
    - the two events of a task that the server then drops, because the update in it was refused. The SDK goes on to
      count them as seen, and skips as many of the next task's events: a signal among them is lost.
    - what another worker is taking, which may die before it has done so. Then the server gives it to a later task.

    So that reading is given up. It costs the query its answer, and the client asks again; nothing is left in the
    history, and the SDK reads the workflow anew. The last kind looks like a task of this worker's own, when it has
    just caught up; only the next task proves that it was. And where a doubt has held for long enough the query is
    answered, but no task is taken on that reading any more.
    """

    def __init__(self, workflow: WorkflowInstance) -> None:
        self._workflow = workflow
        self._time = self._length = 0
        """Of the last task that came here, and of the history then."""
        self._dropped = False
        """Whether the server is likely to have dropped that task."""
        self._replaying = False
        """Whether that task was taken before, and may have been by another worker."""
        self._unproven = False
        """Whether it is the first that was not, after others that were."""
        self._spoilt = False
        """Whether a query was answered from a doubtful reading."""
        self._context: Any = None

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Let the workflow take what has come, or refuse it."""
        kinds = {job.WhichOneof("variant") for job in act.jobs}
        if "remove_from_cache" in kinds:
            return self._workflow.activate(act)
        time, length = act.timestamp.ToNanoseconds(), act.history_length
        if "query_workflow" in kinds:
            by_itself = any(job.query_workflow.query_id == _BY_ITSELF for job in act.jobs)
            misplaced = time != self._time or (self._dropped and length == self._length)
            if by_itself and (misplaced or self._unproven):
                if _doubts.holds(act.run_id, time, unproven=not misplaced):
                    return _given_up(act)
                self._spoilt = True
            return self._workflow.activate(act)
        if self._spoilt or (not act.is_replaying and time == self._time and length > self._length):
            return _given_up(act)
        completion = self._workflow.activate(act)
        if act.is_replaying:
            self._unproven = False
        elif time != self._time:
            self._unproven = self._replaying
        # Without the second half the next query would be in doubt again, and so every one that follows a single task:
        # each would cost a reading of the whole history.
        self._replaying = act.is_replaying and not _doubts.proven(act.run_id, time)
        self._time, self._length = time, length
        self._dropped = kinds == {"do_update"} and all(
            command.update_response.HasField("rejected") for command in completion.successful.commands
        )
        return completion

    def get_serialization_context(self, command_info: Any) -> Any:  # noqa: ANN401 - the SDK's own types are private
        """As the workflow's own. It is asked for with every payload, and of no command always the same."""
        if command_info is not None:
            return self._workflow.get_serialization_context(command_info)
        if self._context is None:
            self._context = self._workflow.get_serialization_context(None)
        return self._context

    def get_external_store_context(self, command_info: Any) -> Any:  # noqa: ANN401 - the same
        """As the workflow's own."""
        return self._workflow.get_external_store_context(command_info)

    def get_info(self) -> Any:  # noqa: ANN401 - the same
        """As the workflow's own."""
        return self._workflow.get_info()

    def get_thread_id(self) -> int | None:
        """As the workflow's own."""
        return self._workflow.get_thread_id()


def _given_up(act: WorkflowActivation) -> WorkflowActivationCompletion:
    completion = WorkflowActivationCompletion(run_id=act.run_id)
    completion.failed.failure.message = NO_TASK
    completion.failed.failure.application_failure_info.type = "NoTask"
    return completion
