"""Signals, updates and queries as bytes on the wire, past every client; and all payloads of a history.

What follows from them is for tests to say.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from typing import Any
from uuid import uuid4

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message as Proto
from temporalio.api.common.v1 import Header, Payload, Payloads, WorkflowExecution
from temporalio.api.enums.v1 import UpdateWorkflowExecutionLifecycleStage
from temporalio.api.query.v1 import WorkflowQuery
from temporalio.api.update.v1 import Input, Meta, Request, WaitPolicy
from temporalio.api.workflowservice.v1 import (
    QueryWorkflowRequest,
    SignalWorkflowExecutionRequest,
    UpdateWorkflowExecutionRequest,
)
from temporalio.client import WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from duologue.client import Programme
from tests.support.programmes import until

NOT_STARTED = b'"ACTIVITY_ID_NOT_STARTED"'
"""What the server itself says of an activity that was cancelled before it began: its own words, always the same."""

MARK = "HOSTILE"
"""In every hostile text, so that none of it can hide."""

Attack = tuple[str, Sequence[Payload]]
"""A name, and the arguments."""


def payload(data: bytes, encoding: bytes | None = b"json/plain", **metadata: bytes) -> Payload:
    return Payload(data=data, metadata=metadata if encoding is None else {"encoding": encoding, **metadata})


async def signal(programme: Programme, attack: Attack) -> bool:
    """Whether the server took it."""
    temporal, (name, arguments) = programme.client.temporal, attack
    try:
        await temporal.workflow_service.signal_workflow_execution(
            SignalWorkflowExecutionRequest(
                namespace=temporal.namespace,
                workflow_execution=WorkflowExecution(workflow_id=programme.handle.id),
                signal_name=name,
                input=Payloads(payloads=arguments),
                header=Header(fields={MARK: payload(b"\xff", b"\xff")}),
                request_id=str(uuid4()),
                identity="hostile",
            )
        )
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        return False
    return True


async def update(programme: Programme, attack: Attack) -> str | None:
    """The type of the refusal; None if the server itself refused."""
    temporal, (name, arguments) = programme.client.temporal, attack
    try:
        answer = await temporal.workflow_service.update_workflow_execution(
            UpdateWorkflowExecutionRequest(
                namespace=temporal.namespace,
                workflow_execution=WorkflowExecution(workflow_id=programme.handle.id),
                wait_policy=WaitPolicy(
                    lifecycle_stage=UpdateWorkflowExecutionLifecycleStage.UPDATE_WORKFLOW_EXECUTION_LIFECYCLE_STAGE_COMPLETED
                ),
                request=Request(
                    meta=Meta(update_id=str(uuid4()), identity="hostile"),
                    input=Input(
                        name=name,
                        args=Payloads(payloads=arguments),
                        header=Header(fields={MARK: payload(b"\xff", b"\xff")}),
                    ),
                ),
            )
        )
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        return None
    failure = answer.outcome.failure
    assert MARK not in failure.message
    return failure.application_failure_info.type


async def query(programme: Programme, attack: Attack) -> str:
    """What came back: an answer, or an error."""
    temporal, (name, arguments) = programme.client.temporal, attack

    async def ask() -> str | None:
        try:
            answer = await temporal.workflow_service.query_workflow(
                QueryWorkflowRequest(
                    namespace=temporal.namespace,
                    execution=WorkflowExecution(workflow_id=programme.handle.id),
                    query=WorkflowQuery(query_type=name, query_args=Payloads(payloads=arguments)),
                )
            )
        except RPCError as error:
            if error.status == RPCStatusCode.INVALID_ARGUMENT:
                return "refused"
            if error.status == RPCStatusCode.RESOURCE_EXHAUSTED:
                # A server lets few queries wait for the end of a workflow task.
                return None
            raise
        return answer.query_result.payloads[0].data.decode()

    return await until(ask, f"an answer to {name}")


async def all_at_once(
    what: Callable[[Programme, Attack], Any], programme: Programme, given: Sequence[Attack], width: int = 8
) -> list[Any]:
    """Send them all, a few at a time."""
    gate = asyncio.Semaphore(width)

    async def one(attack: Attack) -> Any:
        async with gate:
            return await what(programme, attack)

    return await asyncio.gather(*(one(attack) for attack in given))


async def answered(programme: Programme, sent: int) -> None:
    """Wait until so many signals stand in the journal as refused."""

    async def look() -> bool:
        refused: int = (await programme.overview()).refused
        return refused == sent

    await until(look, f"{sent} refusals")


def payloads(message: Proto, place: str = "") -> Iterator[tuple[str, Payload]]:
    """Every payload in a message, wherever it stands, with its place; but for search attributes, which are plain."""
    if isinstance(message, Payload):
        yield place, message
        return
    for field, value in message.ListFields():
        entry = field.message_type
        if entry is None or field.name == "search_attributes":
            continue
        if entry.GetOptions().map_entry:
            if entry.fields_by_name["value"].type == FieldDescriptor.TYPE_MESSAGE:
                for key in value:
                    yield from payloads(value[key], f"{place}.{field.name}.{key}")
        else:
            for each in value if field.is_repeated else [value]:
                yield from payloads(each, f"{place}.{field.name}")


def everything(runs: Sequence[WorkflowHistory]) -> list[tuple[str, Payload]]:
    found = [each for run in runs for event in run.events for each in payloads(event)]
    return [(place, each) for place, each in found if each.data != NOT_STARTED]
