"""The plugin: programmes in a platform's own Temporal client and worker, beside its own workflows.

It is given to the client, and to nothing else: `Client.connect(…, plugins=[DuologuePlugin(…)])`. Workers of that client
then run programmes too; words that it sends to one are sealed with the plugin's vault, and `duologue.client.Client` on
top opens them. What the host has is amended and never replaced: a programme's payloads are ours, all others go as they
went before (`duologue.codec.beside`), and only programmes are guarded (`duologue.worker.runner`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from pydantic_core import to_json
from temporalio.api.common.v1 import Payload
from temporalio.client import (
    ClientConfig,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)
from temporalio.common import HeaderCodecBehavior
from temporalio.converter import DataConverter
from temporalio.plugin import SimplePlugin
from temporalio.service import RPCError
from temporalio.worker import ReplayerConfig, Worker, WorkerConfig, WorkflowRunner
from temporalio.workflow import NondeterminismError

from duologue import trouble
from duologue.activities import Channel, Post, all_activities
from duologue.codec import PROGRAMMES, Codec, KeyRing, Keys, beside, data_converter, is_programme
from duologue.practice.messages import COMMANDS, Reason, Refusal, parse
from duologue.trouble import Refused
from duologue.vault import Vault
from duologue.vault.memory import Remembering
from duologue.vault.reading import sealed_for
from duologue.worker import keys as service_keys
from duologue.worker import namespace
from duologue.worker.errors import NamespaceError
from duologue.worker.forgetting import sweeping
from duologue.worker.runner import amended
from duologue.workflows.programme import PracticeProgramme


class DuologuePlugin(SimplePlugin):
    """Practice programmes for a client of Temporal and its workers."""

    def __init__(
        self,
        *,
        vault: Vault | None = None,
        keys: Keys | KeyRing | None = None,
        channel: Channel | Post | None = None,
        task_queue: str | None = None,
    ) -> None:
        """Programmes with what a platform gives them.

        `vault` keeps the couples' keys and contacts; without it words go as they are given. `keys` encrypt what stands
        in a programme's history; without them that is left to the host's codec. `channel` delivers messages: one for
        everybody, or a whole post; by default they are written to the log. `task_queue` names the queue whose workers
        run programmes; by default all workers of the client do.
        """
        self.duologue_vault = vault
        """Found here by `duologue.client.Client`, which opens words with it."""
        self._task_queue = task_queue
        self._codec = None if keys is None else Codec(keys, service_keys.alert)
        ours = data_converter(keys, service_keys.alert)

        def converter(host: DataConverter | None) -> DataConverter:
            return beside(ours, host)

        def runner(host: WorkflowRunner | None) -> WorkflowRunner:
            if host is None:
                raise ValueError("there is no workflow runner to amend")
            return amended(host)

        super().__init__(
            "duologue",
            data_converter=converter,
            workflows=[PracticeProgramme],
            # A vault opens the reason of a concern for the safeguarding contact.
            activities=lambda host: [*(host or ()), *all_activities(channel, vault)],
            workflow_runner=runner,
        )

    def configure_client(self, config: ClientConfig) -> ClientConfig:
        """The host's client, with our part of it."""
        headers = self._headers(config["data_converter"], config["header_codec_behavior"])
        config = super().configure_client(config)
        config["header_codec_behavior"] = headers
        codec = self._codec if headers == HeaderCodecBehavior.CODEC else None
        config["interceptors"] = [*config["interceptors"], _Sending(self.duologue_vault, codec)]
        return config

    def configure_worker(self, config: WorkerConfig) -> WorkerConfig:
        """The host's worker, with our part of it, if it is one that runs programmes."""
        if not self._serves(config.get("task_queue")):
            return config
        failing = config.get("workflow_failure_exception_types", ())
        if any(issubclass(NondeterminismError, each) for each in failing):
            raise ValueError(
                "this worker ends a workflow whose replay differs (workflow_failure_exception_types), and would end a "
                "couple's programme; name narrower types, or give DuologuePlugin the task_queue of another worker"
            )
        return super().configure_worker(config)

    def configure_replayer(self, config: ReplayerConfig) -> ReplayerConfig:
        """The host's replayer, which reads programmes as its workers do."""
        config["header_codec_behavior"] = self._headers(
            config.get("data_converter", DataConverter.default),
            config.get("header_codec_behavior", HeaderCodecBehavior.NO_CODEC),
        )
        return super().configure_replayer(config)

    async def run_worker(self, worker: Worker, next: Callable[[Worker], Awaitable[None]]) -> None:  # noqa: A002 - the SDK's name
        """Run the worker, and with a vault see to it that couples are forgotten when their policy says so.

        Raises `NamespaceError` where the namespace is not prepared.
        """
        if not self._serves(worker.task_queue):
            await next(worker)
            return
        try:
            await namespace.check(worker.client)
        except NamespaceError:
            # Whoever waits for the worker to end would wait for ever for one that has never begun.
            stopping = asyncio.create_task(worker.shutdown())
            await next(worker)
            await stopping
            raise
        except RPCError:
            pass  # Not everybody may ask; a start is then judged by the service.
        async with sweeping(worker.client, self.duologue_vault) if self.duologue_vault else nullcontext():
            await next(worker)

    def _serves(self, task_queue: str | None) -> bool:
        return self._task_queue in {None, task_queue}

    def _headers(self, host: DataConverter, behaviour: HeaderCodecBehavior) -> HeaderCodecBehavior:
        """Encoded where that changes nothing for the host: it has no codec, or encodes them already."""
        ours_alone = self._codec is not None and host.payload_codec is None
        return HeaderCodecBehavior.CODEC if ours_alone else behaviour


class _Sending(Interceptor):
    """Sees to it that what a client sends to a programme leaves sealed, and its headers encrypted."""

    def __init__(self, vault: Vault | None, codec: Codec | None) -> None:
        """`vault` seals words, and `codec` encrypts headers; None: they go as they are given."""
        self._keys = None if vault is None else Remembering(vault)
        self._codec = codec

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 - the SDK's name
        """Whatever a client sends with words or headers."""
        return _Outbound(next, self)

    def closed(self, workflow_id: str, headers: Mapping[str, Payload]) -> Mapping[str, Payload]:
        """The headers, encrypted for a programme: further on nobody knows any more whose a header is."""
        if self._codec is None or not is_programme(workflow_id):
            return headers
        return {name: self._codec.encrypt(payload) for name, payload in headers.items()}

    async def sealed(self, workflow_id: str, name: str, args: Sequence[Any]) -> Sequence[Any]:
        """The arguments of a signal or update, a command's words sealed; those that are sealed already stay.

        Raises `Unsealed`, and `Refused` for what is named like a command and is none, or cannot be told to be one: its
        words would leave as they are.
        """
        model = COMMANDS.get(name)
        if self._keys is None or model is None or not is_programme(workflow_id):
            return args
        command = args[0] if len(args) == 1 else None
        if isinstance(command, Mapping):
            command = parse(name, [to_json(command)])
            if isinstance(command, Refusal):
                raise Refused(command)
        if not isinstance(command, model):
            message = f"send '{name}' exactly one argument: a mapping, or the command as 'make' makes it"
            raise Refused(Refusal(reason=Reason.MALFORMED, message=message))
        with trouble.unsealed():
            return [await sealed_for(command, workflow_id.removeprefix(PROGRAMMES), self._keys)]


class _Outbound(OutboundInterceptor):
    def __init__(self, next: OutboundInterceptor, sending: _Sending) -> None:  # noqa: A002 - the SDK's name
        super().__init__(next)
        self._sending = sending

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 - the SDK's name
        input.start_signal_args = await self._sending.sealed(
            input.id, input.start_signal or "", input.start_signal_args
        )
        input.headers = self._sending.closed(input.id, input.headers)
        return await super().start_workflow(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 - the same
        input.args = await self._sending.sealed(input.id, input.signal, input.args)
        input.headers = self._sending.closed(input.id, input.headers)
        await super().signal_workflow(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:  # noqa: A002, ANN401 - the same
        input.headers = self._sending.closed(input.id, input.headers)
        return await super().query_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002 - the same
        input.args = await self._sending.sealed(input.id, input.update, input.args)
        input.headers = self._sending.closed(input.id, input.headers)
        return await super().start_workflow_update(input)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002 - the same
    ) -> WorkflowUpdateHandle[Any]:
        start, update = input.start_workflow_input, input.update_workflow_input
        update.args = await self._sending.sealed(start.id, update.update, update.args)
        update.headers = self._sending.closed(start.id, update.headers)
        start.headers = self._sending.closed(start.id, start.headers)
        return await super().start_update_with_start_workflow(input)
