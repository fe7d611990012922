"""Records the histories that the replay test replays, each with what the programme itself said at its end.

    .venv/bin/python -m tests.replay.record              every history, in some five minutes
    .venv/bin/python -m tests.replay.record cancelled    one of them

Each file holds a chain of runs: workflow id, each run as Temporal's JSON, what the result said, and which server it ran
on; to which state each run leads stands beside them (`states.py`). A change that makes old histories diverge is one
that breaks programmes under way: then do not record again, but version it.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from unittest.mock import patch

from rich.console import Console
from temporalio.api.workflowservice.v1 import GetSystemInfoRequest
from temporalio.client import Client as TemporalClient
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import TimeSkippingConfig, WorkflowEnvironment

from duologue.cli import demo
from duologue.client import Client, Programme
from duologue.couple import Couple
from duologue.files import load_programme
from duologue.habits import Habits, Manner
from duologue.on_server import Driver, recording_worker
from duologue.practice.plan import Plan
from duologue.worker import embedded, namespace
from tests.replay import states
from tests.replay.scenarios import SCENARIOS, Scene
from tests.replay.states import FOLDER
from tests.support.core import a_plan as a_weekly_plan
from tests.support.programmes import Silent, chain, client_of
from tests.support.servers import program, settings_in

ROOT = FOLDER.parents[2]


# --- as fast as they go -----------------------------------------------------------------------------------------------


async def scenario(name: str, folder: Path) -> None:
    """Record one of the scenarios on the embedded server."""
    async with embedded.running(settings_in(folder), headless=True) as server:
        temporal = await TemporalClient.connect(server.address, data_converter=pydantic_data_converter)
        await _played(name, name, temporal)


async def continued(folder: Path) -> None:
    """The full dialogue, on a server that suggests to continue as new after every sixty events."""
    del folder
    async with _server("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60") as environment:
        await _played("full_dialogue_continued", "full_dialogue", environment.client)


async def _played(label: str, name: str, temporal: TemporalClient) -> None:
    scene = Scene(client_of(temporal))
    await scene.worker_comes()
    try:
        await keep(label, await SCENARIOS[name](scene))
    finally:
        await scene.worker_goes()


async def demonstration(folder: Path) -> None:
    """The demonstration itself, its killed worker included; its server is asked for the history afterwards."""
    settings = settings_in(folder)
    # Without keys, that what is kept can be read.
    with patch.object(demo, "keys_of", return_value=None):
        await demo.run(settings, Console(file=io.StringIO()))
    async with embedded.running(settings, headless=True) as server:
        client = Client(
            await TemporalClient.connect(server.address, data_converter=pydantic_data_converter), plain=True
        )
        [found] = [found async for found in client.list()]
        await keep("demo", client.programme(found.programme))


# --- weeks in a minute ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class OwnTime:
    """The time of one programme on the real server, which goes on as always, and faster when it is told to."""

    environment: WorkflowEnvironment
    programme: Programme

    async def now(self) -> datetime:
        """What time it is for that programme."""
        return (await self.environment.get_current_time(self.programme.handle)).astimezone(UTC)

    async def sleep(self, span: timedelta) -> None:
        """Let so much of it pass, and everything happen that is due meanwhile."""
        await self.environment.fast_forward(self.programme.handle, span)

    async def settle(self, programme: Programme) -> None:
        """Nothing: whoever looks too early looks again."""


async def over_weeks(name: str, plan: Plan, couple: Couple, folder: Path) -> None:
    """Record a programme by the week on the real server, whose time is skipped wherever nobody acts."""
    del folder
    async with (
        _server(
            "--dynamic-config-value", "frontend.WorkflowTimeSkippingEnabled=true", skipping=True
        ) as skipping,
        recording_worker(skipping.client),
    ):
        programme = await Client(skipping.client, plain=True).start(plan)
        driver = Driver(programme, couple, OwnTime(skipping, programme), facilitated=True)
        async for _ in driver.practise():
            pass
        await keep(name, programme)


@asynccontextmanager
async def _server(*flags: str, skipping: bool = False) -> AsyncIterator[WorkflowEnvironment]:
    """The real server, with flags that ours does not give it."""
    start = (
        partial(WorkflowEnvironment.start_time_skipping_v2, ts_config=TimeSkippingConfig(enabled=False))
        if skipping
        else WorkflowEnvironment.start_local
    )
    async with await start(
        dev_server_existing_path=program("temporal"),
        dev_server_extra_args=list(flags),
        data_converter=pydantic_data_converter,
        dev_server_log_level="error",
    ) as environment:
        await namespace.prepare(environment.client, retention_days=1)
        yield environment


_BRISK = Habits(
    exchanges=1, reaction=timedelta(0), answers_after=timedelta(0), books_after=timedelta(hours=1)
)
MIXED = Manner(
    a=_BRISK.with_(absent={3: 1}, falls_silent=0.08, defers=0.2, pauses=0.08),
    b=_BRISK.with_(absent={6: 2}, falls_silent=0.05, corrections=1, asks=0.1, times_out=0.1),
)
"""Nearly everything that may happen to a couple, and twelve sessions all the same."""


def twelve_weeks(folder: Path) -> Awaitable[None]:
    """The twelve weeks of a couple with a mixed course: see `test_replay` for what is in it."""
    plan = load_programme(ROOT / "examples" / "weekly.yaml")
    return over_weeks("twelve_weeks", plan, Couple(plan.programme, MIXED, seed=50), folder)


def ladder(folder: Path) -> Awaitable[None]:
    """The whole default ladder, of a couple that enrols and is not heard of again, to the gentle end."""
    plan = a_weekly_plan(programme="replay-ladder")
    manner = Manner(a=_BRISK, b=_BRISK)
    return over_weeks("ladder", plan, Silent(plan.programme, manner), folder)


# --- what is kept -----------------------------------------------------------------------------------------------------


async def keep(name: str, programme: Programme) -> None:
    """Once a programme is over, keep its histories, compressed and the same to the byte for the same content."""
    result = await programme.result()
    histories = await chain(programme)
    runs = [json.loads(run.to_json()) for run in histories]
    service = programme.client.temporal.workflow_service
    whole = {
        "workflow_id": programme.handle.id,
        "server": (await service.get_system_info(GetSystemInfoRequest())).server_version,
        "said": result.model_dump(mode="json", include={"seq", "digest", "ending", "counts"}),
        "runs": runs,
    }
    data = json.dumps(whole, separators=(",", ":"), sort_keys=True).encode()
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / f"{name}.json.gz").write_bytes(gzip.compress(data, mtime=0))
    states.keep({name: await states.reached(histories)})
    events = sum(len(run["events"]) for run in runs)
    print(f"{name}: {len(runs)} run(s), {events} events, {len(data)} bytes, {whole['said']}")  # noqa: T201 - a recorder's report


RECORDINGS: dict[str, Callable[[Path], Awaitable[None]]] = {
    **{name: partial(scenario, name) for name in SCENARIOS},
    "full_dialogue_continued": continued,
    "demo": demonstration,
    "ladder": ladder,
    "twelve_weeks": twelve_weeks,
}
"""Every history there is, and who records it, given a folder of its own."""


async def main(names: list[str]) -> None:
    """Record what is named, or everything."""
    with tempfile.TemporaryDirectory() as folder:
        for name in names or RECORDINGS:
            await RECORDINGS[name](Path(folder) / name)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
