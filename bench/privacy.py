"""What sealing and codec cost a turn, in processor time of client and worker together, and in bytes of history.

All variants run in one process, against one server, and take turns in short stretches: first one, then the other, then
the other way round, so that whatever else the machine does falls on all alike. `make bench` prints the ratio, and fails
over budget; `--turns N` measures so many of each.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

from rich.console import Console
from rich.table import Table
from run import free_port
from temporalio.client import Client as TemporalClient

from duologue.accounting import account
from duologue.activities import Contact
from duologue.client import Client, Programme
from duologue.codec import KeyRing, connecting
from duologue.practice.asks import Message
from duologue.practice.plan import Plan
from duologue.practice.state import SCREEN
from duologue.practice.texts import MessageText
from duologue.practice.values import PARTNERS, Partner
from duologue.vault import LocalKeys, Vault
from duologue.worker import embedded, service
from duologue.worker.settings import Settings

MOST = 1.10
"""The processor time of a turn with words sealed and payloads encrypted, to that of one with neither."""

WORDS = "What made it light for me was cooking together without anybody hurrying, for once. " * 2
EXCHANGE: tuple[tuple[str, Partner], ...] = (("send", "a"), ("mirror", "b"), ("confirm", "a"))
STRETCH = 10
"""Exchanges that one variant makes before it is the next one's turn."""


class Nowhere:
    """A channel that takes everything."""

    name = "console"

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Take it."""


async def dialogue(client: Client) -> Programme:
    """A programme in the middle of a dialogue, where exchanges may be made for as long as one likes."""
    plan = Plan.model_validate(
        {
            "programme": f"bench-{uuid4().hex[:8]}",
            "people": {"a": {"ref": "person-1", "quiet": None}, "b": {"ref": "person-2", "quiet": None}},
            "cadence": {"every": "list", "at": ["+2h", "+4h"]},
            "curriculum": {"name": "bench", "items": [{"kinds": ["mirroring"]}]},
            "policy": {"opens_before": "10h", "notice": "0s", "reminders": []},
        }
    )
    programme = await client.start(plan)
    for by in PARTNERS:
        await programme.do("consent", by)
        await programme.do("reply", by, question=f"intake.{by}1", answers=dict.fromkeys(SCREEN, "yes"))
    while (await programme.view("a")).dialogue is None:  # noqa: ASYNC110 - another process opens it
        await asyncio.sleep(0.05)
    for by in PARTNERS:
        await programme.do("turn", by, act="ready")
    await exchange(programme, ("frame", "a"), *EXCHANGE[1:])
    return programme


async def exchange(programme: Programme, *turns: tuple[str, Partner]) -> None:
    """Take these turns, each with words unless it takes none."""
    for act, by in turns:
        await programme.do("turn", by, act=act, **({} if act == "confirm" else {"words": WORDS}))


async def stretch(programme: Programme) -> float:
    """Seconds of processor time for a turn, over one stretch of them."""
    began = time.process_time()
    for _ in range(STRETCH):
        await exchange(programme, *EXCHANGE)
    return (time.process_time() - began) / (STRETCH * len(EXCHANGE))


async def history_bytes(programme: Programme) -> int:
    """The size of its history so far."""
    return account((await programme.handle.fetch_history()).events).bytes


async def measure(turns: int) -> Mapping[str, tuple[list[float], float]]:
    """For each variant its seconds for a turn in every stretch, and the bytes of a turn."""
    rounds = -(-turns // (STRETCH * len(EXCHANGE)))
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        settings = Settings.load(data_dir=folder, server_port=free_port(), health_port=0)
        server = await stack.enter_async_context(embedded.running(settings, headless=True))
        programmes: dict[str, Programme] = {}
        for name, keys in (("without", None), ("with", KeyRing.new())):
            own = settings.model_copy(update={"task_queue": f"bench-{name}"})
            temporal = await TemporalClient.connect(server.address, identity="bench", **connecting(keys))
            await stack.enter_async_context(service.make_worker(temporal, own, channel=Nowhere()))
            vault = Vault.at(f"sqlite:///{folder / 'vault.db'}", LocalKeys.parse(LocalKeys.new()))
            stack.push_async_callback(vault.close)
            programmes[name] = await dialogue(
                Client(temporal, own.task_queue, vault if keys else None, plain=not keys)
            )
        sizes: dict[str, float] = {}
        for name, programme in programmes.items():  # the first is for warming up
            before = await history_bytes(programme)
            await stretch(programme)
            sizes[name] = (await history_bytes(programme) - before) / (STRETCH * len(EXCHANGE))
        taken: dict[str, list[float]] = {name: [] for name in programmes}
        for number in range(rounds):
            for name in sorted(programmes, reverse=bool(number % 2)):
                taken[name].append(await stretch(programmes[name]))
        return {name: (seconds, sizes[name]) for name, seconds in taken.items()}


def main(turns: int) -> bool:
    """Measure, print, and say whether the budget holds."""
    found = asyncio.run(measure(turns))
    table = Table(title="What sealing and codec cost a turn (client and worker; interleaved)")
    for column in ("privacy", "processor time, ms", "middle half, ms", "bytes of history"):
        table.add_column(column, justify="left" if column == "privacy" else "right")
    for name, (seconds, size) in found.items():
        low, middle, high = (each * 1000 for each in statistics.quantiles(seconds, n=4))
        table.add_row(name, f"{middle:.3f}", f"{low:.3f} to {high:.3f}", f"{size:,.0f}")
    # Each stretch against its neighbour, which ran under the same circumstances.
    pairs = zip(found["with"][0], found["without"][0], strict=True)
    ratio = statistics.median(a / b for a, b in pairs)
    Console().print(table)
    print(f"ratio {ratio:.3f} (budget: at most {MOST})")
    return ratio <= MOST


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=900, help="turns of each variant")
    within = main(parser.parse_args().turns)
    sys.stdout.flush()
    os._exit(0 if within else 1)
