"""Forgetting by itself: couples whose programme ended long enough ago, by their own policy, are forgotten.

Looked for by each worker now and then; twice or by two at once is as good as once. What forgetting is, is the vault's
matter; when a programme ended, Temporal's; and how long after the end, what its policy said then. Both are noted in the
vault as soon as they are seen, so that it does not matter for how long the service keeps what has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

import structlog
from temporalio.client import Client, WorkflowExecutionDescription, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from duologue.client import Client as Programmes
from duologue.client import DuologueError, workflow_id
from duologue.codec import KeyNotAtHand
from duologue.trouble import WAITING
from duologue.vault import Kept, Vault
from duologue.workflows.programme import WORKFLOW

EVERY = timedelta(hours=1)
"""How often a worker looks."""

_log = structlog.get_logger("duologue.worker")


async def sweep(client: Client, vault: Vault) -> tuple[str, ...]:
    """Forget every couple whose time has come; answers with their programmes.

    Trouble with one couple is logged and keeps nobody else from being forgotten. Raises `VaultError`, and `RPCError`
    while the service cannot be asked at all.
    """
    for couple in await vault.kept():
        async with _going_on(couple):
            await _look(client, vault, couple)
    forgotten = []
    for couple in await vault.due():
        async with _going_on(couple):
            found = await _described(client, couple)
            if found is not None and _closed(found) != couple.ended:
                # It was reset since, and what came of it is not noted yet.
                continue
            await vault.forget(couple.programme)
            forgotten.append(couple.programme)
    await vault.tidy()
    return tuple(forgotten)


@asynccontextmanager
async def _going_on(couple: Kept) -> AsyncIterator[None]:
    """Log what goes wrong with one couple, and go on with the next."""
    try:
        yield
    except RPCError as error:
        if error.status in WAITING:
            raise
        _log.warning("forgetting put off", programme=couple.programme, reason=error.status.name)
    except Exception as error:  # noqa: BLE001 - whatever it is: its own text might quote what it could not read
        _log.warning("forgetting put off", programme=couple.programme, reason=type(error).__name__)


async def _look(client: Client, vault: Vault, couple: Kept) -> None:
    """Note in the vault that a couple's programme has ended, if it has; also anew, since it may have been reset.

    Not where the service has no record of it: it may be that of another service, or was never started.
    """
    found = await _described(client, couple)
    if found is None:
        if couple.ended is None and couple.forget_after is not None:
            _log.warning("programme to be forgotten not found", programme=couple.programme)
        return
    ended = _closed(found)
    if ended == couple.ended:
        return
    after = couple.forget_after
    if ended is not None and found.workflow_type == WORKFLOW:
        try:
            after = (await Programmes(client).programme(couple.programme).policy()).forget_after
        except DuologueError as error:
            # To go by what the vault was told at the start would be to guess, and cannot be undone.
            reason = error.what if isinstance(error, KeyNotAtHand) else type(error).__name__
            _log.warning("forgetting put off", programme=couple.programme, reason=reason)
            return
    await vault.ended(couple.programme, ended, after)


async def _described(client: Client, couple: Kept) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(workflow_id(couple.programme)).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise


def _closed(found: WorkflowExecutionDescription) -> datetime | None:
    """When it ended, to the second, as the vault notes it; None while it runs."""
    running = found.status == WorkflowExecutionStatus.RUNNING
    return (
        None
        if running or found.close_time is None
        else found.close_time.astimezone(UTC).replace(microsecond=0)
    )


@asynccontextmanager
async def sweeping(client: Client, vault: Vault, every: timedelta = EVERY) -> AsyncIterator[None]:
    """Look at once and then every so often, as long as this lasts. Trouble is logged, and the next look tries again."""

    async def look() -> None:
        while True:
            try:
                for programme in await sweep(client, vault):
                    _log.info("couple forgotten", programme=programme)
            except RPCError as error:
                _log.warning("forgetting put off", reason=error.status.name)
            except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better
                _log.warning("forgetting put off", reason=type(error).__name__)
            await asyncio.sleep(every.total_seconds())

    task = asyncio.create_task(look())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
