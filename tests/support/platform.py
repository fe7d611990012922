"""A platform that is not ours: its own workflow, payload converter, codec, headers and runner, as one may find them.

Whatever it has is a little unlike ours on purpose: values that pydantic does not know, a codec that uses the same name
for its encoding and raises on junk. What is to be seen of it beside programmes is in the tests.
"""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio import activity, client, worker, workflow
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    CompositePayloadConverter,
    DataConverter,
    DefaultFailureConverter,
    DefaultPayloadConverter,
    EncodingPayloadConverter,
    PayloadCodec,
)
from temporalio.exceptions import ApplicationError

HEADER = "platform-tag"


@dataclass
class Money:
    """Something that only the platform's own converter can write."""

    cents: int

    def __reduce__(self) -> Any:
        raise TypeError("only by its own converter")


class MoneyConverter(EncodingPayloadConverter):
    @property
    def encoding(self) -> str:
        return "platform/money"

    def to_payload(self, value: Any) -> Payload | None:
        if not isinstance(value, Money):
            return None
        return Payload(metadata={"encoding": b"platform/money"}, data=str(value.cents).encode())

    def from_payload(self, payload: Payload, type_hint: type | None = None) -> Any:
        return Money(int(payload.data))


class PlatformConverter(CompositePayloadConverter):
    def __init__(self) -> None:
        super().__init__(MoneyConverter(), *DefaultPayloadConverter.default_encoding_payload_converters)


class PlatformCodec(PayloadCodec):
    """Packs under the name that every example of an encrypting codec uses, and raises on what it has not packed."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [
            Payload(metadata={"encoding": b"binary/encrypted"}, data=zlib.compress(each.SerializeToString()))
            for each in payloads
        ]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(zlib.decompress(each.data)) for each in payloads]


class PlatformFailures(DefaultFailureConverter):
    """Sets its sign on every failure."""

    def to_failure(self, exception: BaseException, *given: Any) -> None:
        super().to_failure(exception, *given)
        given[-1].source = "platform"


CONVERTER = DataConverter(
    payload_converter_class=PlatformConverter,
    payload_codec=PlatformCodec(),
    failure_converter_class=PlatformFailures,
)


class Tagging(client.Interceptor, worker.Interceptor):
    """Sends a header along with whatever a client sends, and notes in workflows what has come of it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, bytes]] = []

    def intercept_client(self, next: client.OutboundInterceptor) -> client.OutboundInterceptor:  # noqa: A002
        return _Tagged(next)

    def workflow_interceptor_class(
        self,
        input: worker.WorkflowInterceptorClassInput,  # noqa: A002
    ) -> type[worker.WorkflowInboundInterceptor]:
        input.unsafe_extern_functions["note_tag"] = lambda kind, tag: self.seen.append((kind, tag))
        return _Noting


class _Tagged(client.OutboundInterceptor):
    async def start_workflow(self, input: Any) -> Any:  # noqa: A002
        input.headers = {HEADER: _tag(input.id)}
        return await super().start_workflow(input)

    async def signal_workflow(self, input: Any) -> Any:  # noqa: A002
        input.headers = {HEADER: _tag(input.id)}
        return await super().signal_workflow(input)

    async def start_workflow_update(self, input: Any) -> Any:  # noqa: A002
        input.headers = {HEADER: _tag(input.id)}
        return await super().start_workflow_update(input)


def _tag(workflow_id: str) -> Payload:
    return Payload(metadata={"encoding": b"binary/plain"}, data=f"TAG {workflow_id}".encode())


class _Noting(worker.WorkflowInboundInterceptor):
    async def execute_workflow(self, input: worker.ExecuteWorkflowInput) -> Any:  # noqa: A002
        note: Any = workflow.extern_functions()["note_tag"]
        note(workflow.info().workflow_type, input.headers[HEADER].data)
        return await super().execute_workflow(input)


@activity.defn
async def double(money: Money) -> Money:
    return Money(money.cents * 2)


@workflow.defn
class Order:
    """The platform's own workflow: it waits for its price, has it doubled, and fails if there is none."""

    def __init__(self) -> None:
        self._price: Money | None = None

    @workflow.run
    async def run(self, least: Money) -> Money:
        await workflow.wait_condition(lambda: self._price is not None)
        assert self._price is not None
        if self._price.cents < least.cents:
            raise ApplicationError("too cheap", self._price, type="TooCheap")
        return await workflow.execute_activity(
            double, self._price, start_to_close_timeout=timedelta(seconds=20)
        )

    @workflow.signal
    def price(self, given: Money) -> None:
        self._price = given

    @workflow.query
    def current(self) -> Money | None:
        return self._price
