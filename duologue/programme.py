"""One couple's programme, as whoever acts for them uses it: commands, views, the end, and forgetting.

Commands become updates or signals with safe retries, words are sealed before they leave, and every refusal comes as a
typed error that says what may be done instead. The connection behind it is `client`'s.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from temporalio import client as temporal
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.history.v1 import HistoryEvent
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.service import RPCError, RPCStatusCode

from duologue import trouble
from duologue.audit import NotDerivable, policy_of
from duologue.codec import PROGRAMMES, KeyNotAtHand, OtherKeys
from duologue.codec.codec import is_encrypted
from duologue.errors import DuologueError
from duologue.practice.messages import Command, Receipt, parse
from duologue.practice.messages import Refusal as RefusalMessage
from duologue.practice.policy import Policy
from duologue.practice.values import By
from duologue.practice.views import Overview, Result, View, ViewRequest
from duologue.trouble import (
    Encrypted,
    Ended,
    Refused,
    Stuck,
    UnknownProgramme,
    Unreachable,
    Unsealed,
)
from duologue.vault.errors import Forgotten, UnknownCouple
from duologue.vault.reading import Keeper, opened, sealed_for
from duologue.vault.values import ForgetReceipt

if TYPE_CHECKING:
    from duologue.client import Client

EXITS = frozenset({"pause", "withdraw"})
"""Commands that stand open whatever is with the vault."""

PATIENCE = timedelta(seconds=30)
"""How long a command is sent again while the service or the workers cannot be reached."""


_ENCODED = "Encoded failure"
"""What the SDK says of a query that failed for an encrypted reason: it does not hand the reason on."""

_LOOKS_AT = 20
"""Events of a run's beginning, and of its end, that tell whether it is encrypted."""


def workflow_id(programme_id: str) -> str:
    """The workflow id of a programme."""
    return PROGRAMMES + programme_id


@dataclass(frozen=True)
class Programme:
    """One couple's programme."""

    client: Client
    id: str

    @property
    def handle(self) -> temporal.WorkflowHandle[Any, Any]:
        """Temporal's own handle, for what this class does not offer."""
        return self.client.temporal.get_workflow_handle(workflow_id(self.id), result_type=Result)

    async def send(self, command: Command, *, patience: timedelta = PATIENCE) -> Receipt:
        """Apply a command and answer with its receipt.

        Sent again with the same id until it is answered or `patience` is over, which is safe: an id is applied once.
        What has to be sent again says when it was first sent, so that an outage makes nobody late.
        Raises `Refused` (also `Ended`), `UnknownProgramme`, `Unreachable`, `Unsealed`, `Encrypted`.
        """
        command = await self._ready(command)
        first, deadline = datetime.now(UTC), time.monotonic() + patience.total_seconds()
        wait = 0.1
        while True:
            left = timedelta(seconds=max(deadline - time.monotonic(), 0.1))
            answer = await self._attempt(command, left)
            if isinstance(answer, Receipt):
                return answer
            if time.monotonic() + wait >= deadline:
                message = f"programme '{self.id}' did not answer; is a worker running? Send it again with the same id"
                raise Unreachable(message) from answer
            await asyncio.sleep(wait)
            wait = min(wait * 2, 5)
            command = command if command.sent_at else command.with_(sent_at=first)

    async def _attempt(self, command: Command, within: timedelta) -> Receipt | Exception:
        """The receipt, or the error after which the command may be sent again. Raises as `send` does."""
        try:
            await self._guard(within)
            update = await self.handle.start_update(
                command.name,
                command,
                id=command.command_id,
                result_type=Receipt,
                rpc_timeout=within,
                wait_for_stage=temporal.WorkflowUpdateStage.COMPLETED,
            )
            with trouble.readable("The command has arrived, but its answer is encrypted."):
                receipt: Receipt = await update.result(rpc_timeout=within)
        except Encrypted:
            self.client.looked_at.discard(self.id)
            raise
        except temporal.WorkflowUpdateFailedError as error:
            if refused := trouble.refused(error):
                raise refused from error
            # It was under way when the run closed.
            return await self._applied(command, error)
        except temporal.WorkflowUpdateRPCTimeoutOrCancelledError as error:
            task = asyncio.current_task()
            if task is not None and task.cancelling():
                raise
            return error
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                # Also said of a run that closes to continue as new.
                return await self._applied(command, error)
            if error.status not in trouble.WAITING:
                raise self.client.explain(error, self.id) from error
            return error
        return receipt

    async def signal(self, command: Command) -> None:
        """Send a command and do not wait: whether it was applied shows in `view` by its id. Raises as `send` does.

        Let it say when it was sent (`make` sees to that), since nobody knows when a worker will read it.
        """
        command = await self._ready(command)
        try:
            await self._guard(PATIENCE, answered=False)
            await self.handle.signal(command.name, command)
        except RPCError as error:
            raise await self._gone(error, command.by) from error

    async def do(self, command: str, by: By, *, command_id: str | None = None, **fields: Any) -> Receipt:  # noqa: ANN401
        """Send the command of that name, built from `fields`; the id is made up where none is given.

        Raises `Refused` for fields that do not fit, as the programme itself would.
        """
        return await self.send(make(command, by, command_id=command_id, **fields))

    async def view(self, by: By, *, now: datetime | None = None, command_id: str | None = None) -> View:
        """The programme in one participant's eyes."""
        request = ViewRequest(by=by, now=now or datetime.now(UTC), command_id=command_id)
        found: View = await self._query(by, "view", View, request)
        return found if self.client.keys is None else await opened(found, self.id, by, self.client.keys)

    async def _ready(self, command: Command) -> Command:
        trouble.refuse_unknown_zone(command)
        if self.client.keys is None:
            self.client.warn_of(command)
            return command
        with trouble.unsealed("Without words it can be sent all the same." if command.name in EXITS else ""):
            return await sealed_for(command, self.id, self.client.keys)

    async def _guard(self, within: timedelta, *, answered: bool = True) -> None:
        """Before anything leaves that others may not read: a client without service keys has no business here.

        Nor has one with those of another ring: a programme refuses all that it sends. Where there is an answer, that
        tells; what is sent without would be lost.
        Raises `Encrypted` where the programme has been written with keys that are not this client's.
        """
        client = self.client
        codec = client.temporal.data_converter.payload_codec
        wrote: Callable[[Payload], bool] | None = getattr(codec, "wrote", None)
        if self.id in client.looked_at or (client.plain if codec is None else answered or wrote is None):
            return
        written = await self._written(within)
        encrypted = list(filter(is_encrypted, written))
        if encrypted and wrote is None:
            raise Encrypted(f"Nothing was sent: programme '{self.id}' is encrypted.")
        if encrypted and wrote is not None and not any(map(wrote, encrypted)):
            raise Encrypted(f"Nothing was sent: programme '{self.id}' is encrypted by other service keys.")
        if len(written) > 1:
            client.looked_at.add(self.id)

    async def _written(self, within: timedelta) -> list[Payload]:
        """What was written at both ends of the run: it may have begun before there were keys, and not everybody who can
        signal can make its beginning look otherwise. Nothing, where this client may not look.
        """
        first = self.handle.fetch_history_events(page_size=_LOOKS_AT, rpc_timeout=within)
        last = GetWorkflowExecutionHistoryReverseRequest(
            namespace=self.client.temporal.namespace,
            execution=WorkflowExecution(workflow_id=self.handle.id),
            maximum_page_size=_LOOKS_AT,
        )
        service, events = self.client.temporal.workflow_service, list[HistoryEvent]()
        try:
            await first.fetch_next_page()
            events += first.current_page or ()
            found = await service.get_workflow_execution_history_reverse(last, timeout=within)
            events += found.history.events
        except RPCError as error:
            # Not everybody may look; and a test server cannot say it backwards.
            if error.status not in (RPCStatusCode.PERMISSION_DENIED, RPCStatusCode.UNIMPLEMENTED):
                raise
        # The two ends of a short history are the same events.
        each = {event.event_id: event for event in events}
        return [payload for event in each.values() for payload in _written(event)]

    async def overview(self) -> Overview:
        """Where the programme stands, for ops."""
        found: Overview = await self._query("facilitator", "overview", Overview)
        return found

    async def policy(self) -> Policy:
        """The policy as it is now, or was at the end: out of the history, so that no worker is needed.

        Raises `UnknownProgramme`, `DuologueError` where the history tells nothing of it.
        """
        try:
            history = await self.handle.fetch_history()
        except RPCError as error:
            raise await self._gone(error, "facilitator") from error
        codec = self.client.temporal.data_converter.payload_codec
        try:
            # In a thread of its own, since a long one takes its time.
            return await asyncio.to_thread(lambda: asyncio.run(policy_of(history, codec=codec)))
        except NotDerivable as error:
            raise DuologueError(f"the policy of programme '{self.id}' cannot be told: {error}") from error

    async def result(self) -> Result:
        """Wait for the end, and how it ended. Raises `UnknownProgramme`."""
        try:
            with trouble.readable(f"Programme '{self.id}' has ended, but how is encrypted."):
                found: Result = await self.handle.result()
        except RPCError as error:
            raise await self._gone(error, "facilitator") from error
        return found

    async def cancel(self) -> None:
        """End the programme gently, as ops: both are told."""
        try:
            await self.handle.cancel()
        except RPCError as error:
            raise await self._gone(error, "facilitator") from error

    async def forget(self, *, patience: timedelta = PATIENCE) -> ForgetReceipt:
        """End the programme if it lives, and forget the couple: nobody can read their words or reach them any more.

        The end is a gentle one, with a farewell to both. But to be forgotten comes first: what has not gone out within
        `patience` never does, and the workflow is terminated. That is so where no worker runs, in somebody's quiet
        hours, and while a notice of a pause is under way, for up to a day: then nobody is told, and calendars keep
        their invitations. Either wait longer, or tell them yourself; `handle.describe()` says `TERMINATED`.
        The history stays, and replays as before. Nothing is ended before the vault has answered.
        Raises `Unsealed` where there is none, or it does not answer, or does not know a couple that has words; of one
        that has none, nothing is forgotten and the receipt says so.
        """
        if self.client.keys is None:
            raise Unsealed("this client has no vault, and so nothing that could be forgotten")
        unknown = await self._unknown(self.client.keys)
        with contextlib.suppress(UnknownProgramme, Ended):
            await self.cancel()
            try:
                async with asyncio.timeout(patience.total_seconds()):
                    with trouble.readable("It has ended."):
                        await self.handle.result()
            except (TimeoutError, RPCError):
                with contextlib.suppress(RPCError):
                    await self.handle.terminate("to be forgotten")
            except (temporal.WorkflowFailureError, Encrypted):
                pass  # terminated by somebody before; or ended, and how is encrypted
        with trouble.unsealed():
            return await self.client.keys.forget(self.id, unknown=unknown)

    async def _unknown(self, keys: Keeper) -> bool:
        """Whether the vault keeps nothing of this couple, and need not. Raises `Unsealed` where it should."""
        with trouble.unsealed(), contextlib.suppress(Forgotten):
            if not await keys.knows(self.id):
                if (await self.policy()).words != "none":
                    raise UnknownCouple(self.id)
                return True
        return False

    async def _query(
        self, by: By, name: str, kind: type[Any], *arguments: object, within: timedelta | None = None
    ) -> Any:  # noqa: ANN401 - of `kind`
        """The answer of `kind`, asked for again while none can be had just now."""
        deadline = time.monotonic() + (within or self.client.query_patience).total_seconds()
        wait = 0.05
        while True:
            left = timedelta(seconds=max(deadline - time.monotonic(), 0.1))
            try:
                with trouble.readable(f"The answer to '{name}' is encrypted."):
                    return await self.handle.query(
                        name, args=list(arguments), result_type=kind, rpc_timeout=left
                    )
            except (RPCError, temporal.WorkflowQueryFailedError) as error:
                if time.monotonic() + wait >= deadline or not trouble.passes(error):
                    raise await self._unanswered(by, name, error) from error
            await asyncio.sleep(wait)
            wait = min(wait * 2, 1)

    async def _unanswered(
        self, by: By, name: str, error: RPCError | temporal.WorkflowQueryFailedError
    ) -> DuologueError:
        """Why a query has no answer."""
        if isinstance(error, temporal.WorkflowQueryFailedError) and error.message == _ENCODED:
            return DuologueError(
                f"programme '{self.id}' cannot answer '{name}', and why is encrypted; see its worker's log, and "
                "whether all have the same service keys"
            )
        if isinstance(error, temporal.WorkflowQueryFailedError) and not trouble.passes(error):
            return DuologueError(f"programme '{self.id}' cannot answer '{name}': {error}")
        if isinstance(error, temporal.WorkflowQueryFailedError):
            return Unreachable(f"programme '{self.id}' did not answer: {error}")
        if "in failed state" in error.message:
            return Stuck(f"programme '{self.id}' is stuck in a failing workflow task; see the worker's log")
        if error.status in (*trouble.WAITING, RPCStatusCode.CANCELLED):
            return Unreachable(f"programme '{self.id}' did not answer; is a worker running?")
        return await self._gone(error, by)

    async def _applied(self, command: Command, error: Exception) -> Receipt | Exception:
        """Where the programme has ended: the receipt of a command that was applied before. Raises `Ended` if not.

        Where it runs, as after a continue-as-new, `error`: the command may be sent again.
        """
        ended = await self._ended(command.by)
        if ended is None:
            return error
        with contextlib.suppress(DuologueError):
            request = ViewRequest(by=command.by, now=datetime.now(UTC), command_id=command.command_id)
            seen: View = await self._query(command.by, "view", View, request, within=timedelta(seconds=5))
            if seen.receipt is not None:
                return seen.receipt
        raise ended from error

    async def _gone(self, error: RPCError, by: By) -> DuologueError:
        """Ended, or never there: the service says "not found" to both."""
        if error.status == RPCStatusCode.NOT_FOUND and (ended := await self._ended(by)):
            return ended
        return self.client.explain(error, self.id)

    async def _ended(self, by: By) -> Ended | None:
        """That the programme has ended, as `by` may know it, or None while it runs. Raises `UnknownProgramme`."""
        try:
            described = await self.handle.describe()
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND and not trouble.no_namespace(error):
                message = f"there is no programme '{self.id}' here; 'list' shows those there are"
                raise UnknownProgramme(message) from error
            if error.status in trouble.PASSING:
                return None
            raise self.client.explain(error, self.id) from error
        running = described.status == temporal.WorkflowExecutionStatus.RUNNING
        return None if running else Ended(self.id, by, await self._ending())

    async def _ending(self) -> str | None:
        try:
            described = await self.handle.describe()
            if described.status == temporal.WorkflowExecutionStatus.COMPLETED:
                found: Result = await self.handle.result()
                return found.ending
        except (RPCError, temporal.WorkflowFailureError, KeyError, KeyNotAtHand, OtherKeys):
            return None
        return described.status.name.lower() if described.status else None


def _written(event: HistoryEvent) -> Iterable[Payload]:
    """What whoever started a programme, and a worker after that, have written in an event."""
    return (
        *event.workflow_execution_started_event_attributes.input.payloads,
        *event.activity_task_scheduled_event_attributes.input.payloads,
        *event.workflow_execution_update_completed_event_attributes.outcome.success.payloads,
    )


def make(command: str, by: By, *, command_id: str | None = None, **fields: Any) -> Command:  # noqa: ANN401
    """The command of that name, made and sent now unless `fields` say otherwise.

    Raises `Refused` where the name or a field does not fit.
    """
    data = {"command_id": command_id or str(uuid4()), "by": by, "sent_at": datetime.now(UTC), **fields}
    parsed = parse(command, [json.dumps(data, default=_plain).encode()])
    if isinstance(parsed, RefusalMessage):
        raise Refused(parsed)
    trouble.refuse_unknown_zone(parsed)
    return parsed


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else str(value)
