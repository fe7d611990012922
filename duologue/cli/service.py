"""The commands that run things: up, worker, setup. Whatever `up` starts has ended when it ends."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli import context, output
from duologue.cli.errors import Problem

if TYPE_CHECKING:
    from duologue.worker.embedded import Server
    from duologue.worker.namespace import Prepared
    from duologue.worker.settings import Settings


_LOOK = 0.5
"""Seconds between two looks whether the server still runs."""


def install(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    for command in (up, worker, setup):
        app.command(rich_help_panel=panel)(command)


def up(
    headless: Annotated[bool, typer.Option("--headless", help="Without the Web UI.")] = False,
    no_worker: Annotated[
        bool, typer.Option("--no-worker", help="Without a worker; run one by: duologue worker.")
    ] = False,
) -> None:
    """Serve for real: an embedded server with its data in a file, its Web UI and a worker, until Ctrl-C."""
    settings = context.load_settings()
    _log(settings)
    context.until_stopped(_up(settings, headless=headless, with_worker=not no_worker))


def worker() -> None:
    """Run a worker on the service that the TEMPORAL_* settings name (else the embedded server), until Ctrl-C."""
    settings = context.load_settings()
    _log(settings)

    async def work() -> None:
        from duologue.worker import service

        here = context.located(settings)
        await service.serve(await service.connect(here), here)

    context.until_stopped(work())


def setup(as_json: context.AsJson = False) -> None:
    """Prepare the namespace: search attributes and retention. May be repeated at any time."""
    settings = context.load_settings()

    async def work() -> tuple[str, Prepared]:
        from duologue.worker import namespace, service

        client = await service.connect(context.located(settings))
        with output.working(f"Preparing namespace '{client.namespace}' …"):
            return client.namespace, await namespace.prepare(client, settings.retention_days)

    name, prepared = context.run(work())
    if as_json:
        output.emit(
            {
                "namespace": name,
                "created": prepared.created,
                "added": prepared.added,
                "retention_days": prepared.retention_days,
            }
        )
        return
    ready = f"Namespace '{name}' {'is new and' if prepared.created else 'is'} ready"
    output.say(output.good(ready), ".")
    output.facts(
        ("Added", ", ".join(prepared.added) or "nothing; all search attributes were there"),
        ("Retention", f"{prepared.retention_days} days" if prepared.retention_days else None),
    )


def _log(settings: Settings) -> None:
    from duologue.worker import logs

    logs.configure(settings.log_format, settings.log_level)


async def _up(settings: Settings, *, headless: bool, with_worker: bool) -> None:
    from duologue.worker import codec_server, embedded, service

    output.say(output.soft("Starting the embedded server …"))
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(embedded.running(settings, headless=headless))
        here = context.located(settings)
        await stack.enter_async_context(codec_server.beside(here, server))
        if with_worker:
            client = await service.connect(here, embedded=True)
            await stack.enter_async_context(service.healthy(client, here))
        _announce(server, here, with_worker=with_worker)
        try:
            while embedded.find(settings) is not None:  # noqa: ASYNC110 - nothing else would tell of its end
                await asyncio.sleep(_LOOK)
        finally:
            output.say(output.soft("Stopping …"))
        raise Problem(
            "server", "The embedded server has ended.", f"Its log: {settings.data_dir / embedded.LOG}."
        )


def _announce(server: Server, settings: Settings, *, with_worker: bool) -> None:
    found = "found running, its owner gone, and taken over" if server.owned else "found running, and used"
    what = found if server.reused else f"started (process {server.pid})"
    health = f"http://{settings.health_host}:{settings.health_port}/healthz" if settings.health_port else None
    output.facts(
        ("Temporal", f"{server.address}, namespace default; {what}"),
        ("Web UI", output.name(server.ui) if server.ui else "none (--headless)"),
        ("Data", f"{settings.data_dir}/, closed runs kept for {settings.retention_days} days"),
        ("Worker", f"task queue {settings.task_queue}" if with_worker else "none (--no-worker)"),
        ("Health", health if with_worker else None),
    )
    output.say(
        output.good("Ready"), ". In another terminal: duologue start FILE. Ctrl-C stops everything here."
    )
