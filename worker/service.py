"""The worker: our workflow and activities, run on a Temporal service until somebody asks them to stop.

What belongs together is put together here and nowhere else: data converter, sandbox, activities, limits, health.
`make_worker` gives the bare worker (tests, a platform of its own); `serve` runs one as a process does.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import cache

import structlog
from temporalio.client import Client
from temporalio.runtime import Runtime, TelemetryConfig
from temporalio.worker import Worker

from duologue.activities import Channel, Post, all_activities
from duologue.codec import connecting
from duologue.trouble import silent
from duologue.vault import Vault
from duologue.worker import health, keys, namespace
from duologue.worker.delivery import pace_of, post_of
from duologue.worker.errors import ServerError
from duologue.worker.forgetting import sweeping
from duologue.worker.logs import core_logging
from duologue.worker.runner import sandbox
from duologue.worker.settings import Settings
from duologue.worker.vaulting import vault_of
from duologue.workflows.programme import PracticeProgramme

_log = structlog.get_logger("duologue.worker")


def make_worker(
    client: Client, settings: Settings, *, channel: Channel | Post | None = None, vault: Vault | None = None
) -> Worker:
    """A worker for programmes on `client`; the bare one, which forgets nobody by itself.

    `channel` delivers the messages: one channel for everybody, or a whole post; by default what the settings say, and
    that is the console unless they say more. `vault` has the couples' keys and, unless a `channel` is given, says how
    they are reached; by default the one that the settings name. Raises `SettingsError` where that cannot be used.
    """
    vault = vault or _vault_of(client, settings)
    if channel is not None and not isinstance(channel, Post):
        channel = Post.through(channel, pace_of(settings))
    return Worker(
        client,
        task_queue=settings.task_queue,
        identity=settings.identity,
        workflows=[PracticeProgramme],
        activities=all_activities(channel or post_of(settings, vault), vault),
        workflow_runner=sandbox(),
        max_cached_workflows=settings.max_cached_workflows,
        # How long a programme waits for a worker that was killed before another one may take it over.
        sticky_queue_schedule_to_start_timeout=timedelta(seconds=5),
        graceful_shutdown_timeout=timedelta(seconds=settings.graceful_shutdown),
    )


def _vault_of(client: Client, settings: Settings) -> Vault:
    return vault_of(settings, client.service_client.config.target_host)


@cache
def _runtime() -> Runtime:
    """One runtime for the process: what the SDK's core logs comes out in our own lines."""
    return Runtime(telemetry=TelemetryConfig(logging=core_logging()))


async def connect(settings: Settings, *, embedded: bool = False) -> Client:
    """A client for workers and for setting up. Raises `ServerError` where no service answers, `SettingsError`."""
    config = settings.connection(embedded=embedded)
    config.setdefault("target_host", settings.embedded_address)
    found = keys.keys_of(settings, config["target_host"])
    try:
        return await Client.connect(
            **config, **connecting(found, keys.alert), identity=settings.identity, runtime=_runtime()
        )
    except RuntimeError as error:
        what, remedy = silent(config["target_host"], tls=bool(config.get("tls")))
        raise ServerError(f"{what}.", remedy) from error


@asynccontextmanager
async def working(
    client: Client, settings: Settings, *, channel: Channel | Post | None = None, vault: Vault | None = None
) -> AsyncIterator[Worker]:
    """A worker for as long as the block lasts. Raises `NamespaceError` where the namespace is not prepared."""
    await namespace.check(client)
    if client.data_converter.payload_codec is None:
        _log.warning("payloads are not encrypted: there are no codec keys", remedy=keys.REMEDY)
    async with make_worker(client, settings, channel=channel, vault=vault) as worker:
        yield worker


@asynccontextmanager
async def healthy(
    client: Client, settings: Settings, *, channel: Channel | Post | None = None, vault: Vault | None = None
) -> AsyncIterator[Worker]:
    """A worker with its health endpoint, if it is to have one, which forgets by itself whose time has come.

    `vault` is closed by whoever gives it. Raises `HealthError` before the worker begins.
    """
    begun: list[Worker] = []
    async with contextlib.AsyncExitStack() as stack:
        if vault is None:
            vault = _vault_of(client, settings)
            stack.push_async_callback(vault.close)
        if settings.health_port:
            contact = await stack.enter_async_context(health.contact(client, settings.health_patience))
            endpoint = health.serve(
                settings.health_host,
                settings.health_port,
                task_queue=settings.task_queue,
                alive=lambda: any(worker.is_running for worker in begun),
                contact=contact,
            )
            await stack.enter_async_context(endpoint)
        begun.append(await stack.enter_async_context(working(client, settings, channel=channel, vault=vault)))
        await stack.enter_async_context(sweeping(client, vault))
        yield begun[0]


async def serve(
    client: Client, settings: Settings, *, channel: Channel | Post | None = None, vault: Vault | None = None
) -> None:
    """Run a worker with its health endpoint until SIGTERM or SIGINT, then let what is under way finish."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    handled = []
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):  # on Windows Ctrl-C comes as KeyboardInterrupt
            loop.add_signal_handler(number, stop.set)
            handled.append(number)
    try:
        async with healthy(client, settings, channel=channel, vault=vault):
            _log.info("worker started", task_queue=settings.task_queue, namespace=client.namespace)
            await stop.wait()
            _log.info("worker stopping", within_seconds=settings.graceful_shutdown)
        _log.info("worker stopped")
    finally:
        for number in handled:
            loop.remove_signal_handler(number)
