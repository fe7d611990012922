"""What a query brings along that waited while no worker ran: nothing of it reaches a programme out of turn."""

import asyncio
from collections.abc import Awaitable
from datetime import UTC, datetime
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration
from temporalio.api.enums.v1 import TaskQueueKind, TaskQueueType
from temporalio.api.taskqueue.v1 import StickyExecutionAttributes, TaskQueue
from temporalio.api.workflowservice.v1 import (
    DescribeTaskQueueRequest,
    PollWorkflowTaskQueueRequest,
    PollWorkflowTaskQueueResponse,
    RespondWorkflowTaskCompletedRequest,
    RespondWorkflowTaskFailedRequest,
)
from temporalio.bridge.proto.workflow_activation import WorkflowActivation
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.client import Client as TemporalClient

from duologue.client import Programme, Refused, make
from duologue.practice.events import CommandRefused
from duologue.worker import runner
from tests.support.programmes import Desk, a_plan, booked, client_of, enrol, proved, settled, until, working

ROUNDS = 6


@pytest.fixture
def given_up(monkeypatch: pytest.MonkeyPatch) -> list[WorkflowActivation]:
    """The readings that were given up."""
    give_up, readings = runner._given_up, list[WorkflowActivation]()

    def given_up(act: WorkflowActivation) -> WorkflowActivationCompletion:
        readings.append(act)
        return give_up(act)

    monkeypatch.setattr(runner, "_given_up", given_up)
    return readings


async def refused(programme: Programme) -> None:
    """An update that is refused: the server drops the workflow task that judged it."""
    with pytest.raises(Refused):
        await programme.send(make("turn", "a", act="mirror", sent_at=None))


async def test_no_signal_is_lost_after_a_refused_update_and_a_query_that_waited(
    embedded_client: TemporalClient,
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        before = (await programme.overview()).refused
    for round_ in range(1, ROUNDS + 1):
        asked: list[Awaitable[Any]] = [refused(programme), programme.overview(), programme.view("b")]
        waiting = [asyncio.ensure_future(one) for one in asked]
        # By now they have reached the server, which holds them until a worker comes, and shows nobody that it does.
        await asyncio.sleep(0.2)
        async with working(client, desk):
            await asyncio.gather(*waiting)
            await programme.signal(make("turn", "b", act="send", sent_at=None))

            async def taken(wanted: int = before + round_) -> bool:
                return (await programme.overview()).refused == wanted

            await until(taken, "the signal to be taken")
    async with working(client, desk):
        await programme.cancel()
        await programme.result()
        derived = await proved(programme)
    assert sum(isinstance(e, CommandRefused) for e in derived.events) == before + ROUNDS


class Dying:
    """A worker that takes what it is given, and dies of it. The server looks for a programme's worker there first."""

    def __init__(self, temporal: TemporalClient, queue: str) -> None:
        self._service = temporal.workflow_service
        self._who: dict[str, Any] = {"namespace": temporal.namespace, "identity": "dying"}
        self._queue = TaskQueue(name=queue)
        kind = TaskQueueKind.TASK_QUEUE_KIND_STICKY
        self._own = TaskQueue(name=f"dying-{queue}", kind=kind, normal_name=queue)

    async def takes_over(self) -> None:
        """Complete the one task that is there, of which nothing follows."""
        task = await self._next(self._queue)
        own = StickyExecutionAttributes(
            worker_task_queue=self._own, schedule_to_start_timeout=Duration(seconds=1)
        )
        await self._service.respond_workflow_task_completed(
            RespondWorkflowTaskCompletedRequest(
                **self._who, task_token=task.task_token, sticky_attributes=own
            )
        )

    async def takes(self) -> PollWorkflowTaskQueueResponse:
        """A task, or a query, that it will say nothing about."""
        return await self._next(self._own)

    async def waits(self) -> bool:
        """Whether the server knows that it asks for tasks."""
        request = DescribeTaskQueueRequest(
            namespace=self._who["namespace"],
            task_queue=self._own,
            task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        )
        return len((await self._service.describe_task_queue(request)).pollers) > 0

    async def is_missed(self, task: PollWorkflowTaskQueueResponse) -> None:
        """The server gives the task up, as it else does after ten seconds."""
        await self._service.respond_workflow_task_failed(
            RespondWorkflowTaskFailedRequest(**self._who, task_token=task.task_token)
        )

    async def _next(self, queue: TaskQueue) -> PollWorkflowTaskQueueResponse:
        request = PollWorkflowTaskQueueRequest(**self._who, task_queue=queue)
        while not (task := await self._service.poll_workflow_task_queue(request)).task_token:
            pass
        return task


async def test_what_a_dying_worker_had_taken_is_taken_once_and_not_before_its_time(
    embedded_client: TemporalClient, given_up: list[WorkflowActivation]
) -> None:
    """A query that died with it is asked again just before its task is: and brings along what that task was to take."""
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        await settled(programme)
    worker = Dying(embedded_client, client.task_queue)
    await programme.signal(make("note", "a", words="a quiet one", sent_at=datetime.now(UTC)))
    await worker.takes_over()
    polling = asyncio.ensure_future(worker.takes())
    await until(worker.waits, "the dying worker to ask for tasks")
    asked = asyncio.ensure_future(programme.overview())
    assert (await polling).query.query_type
    await programme.signal(make("turn", "b", act="send", sent_at=None))
    task = await worker.takes()
    assert not task.query.query_type

    async def read() -> bool:
        return asked.done() or given_up != []

    async with working(client, desk):
        # The other worker is asked after the second for which the first one's answer is waited for.
        await until(read, "the query to be read by another worker")
        paused = asyncio.ensure_future(programme.do("pause", "a"))
        await worker.is_missed(task)
        await asyncio.gather(asked, paused)
        await proved(programme)


async def test_a_worker_that_has_caught_up_reads_no_further_time_for_those_who_look_after_every_step(
    embedded_client: TemporalClient, given_up: list[WorkflowActivation]
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        await settled(programme)
    async with working(client, desk):
        for step in range(1, 1 + ROUNDS):
            await programme.do("note", "a", words=f"the {step}th")
            assert len((await programme.view("a")).notes) == step
    # Only the first task after catching up could be another worker's.
    assert len(given_up) <= 1
