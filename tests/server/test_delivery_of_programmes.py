"""A programme's own messages, from its workflow to those they are for, whoever delivers them and whatever befalls them.

Real programmes on the real server: delivered by a platform's worker on a queue of its own, and by our worker process
to an endpoint that fails at random, while that process is killed and started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from temporalio import activity
from temporalio.client import Client as TemporalClient
from temporalio.worker import Worker

from duologue.client import Programme, Unreachable
from duologue.codec import KeyRing
from duologue.practice.asks import DELIVER, Message
from duologue.practice.events import Event, MessageRecalled, MessageSent, MessageSettled
from duologue.practice.values import PARTNERS
from duologue.worker import embedded
from tests.support.endpoint import SECRET, Endpoint, endpoint
from tests.support.programmes import (
    Desk,
    a_plan,
    booked,
    client_of,
    enrol,
    events,
    history,
    practise,
    proved,
    until,
    with_codec,
    working,
)

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "delivery" / "worker.py"
CANARY = "anna.canary"


@contextmanager
def process(*command: str | Path, **own: str) -> Iterator[subprocess.Popen[str]]:
    """A process with so much more in its environment; killed at the end, if it still lives."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **own}
    with subprocess.Popen(
        [sys.executable, *command], env=environment, stdout=subprocess.PIPE, text=True
    ) as started:
        try:
            yield started
        finally:
            started.send_signal(signal.SIGKILL)


def sent(journal: Iterable[Event]) -> dict[str, Message]:
    """The messages given to delivery, by key."""
    return {e.message.key: e.message for e in journal if isinstance(e, MessageSent)}


def outcomes(journal: Iterable[Event]) -> dict[str, tuple[str, str]]:
    """What became of each, and by which way."""
    settled = [e.delivered for e in journal if isinstance(e, MessageSettled)]
    return {one.key: (one.outcome, one.channel) for one in settled}


def not_called_off(journal: Sequence[Event]) -> set[str]:
    """The keys of the messages that were not taken back before they could arrive."""
    recalled = {event.message.key for event in journal if isinstance(event, MessageRecalled)}
    return {
        key
        for key, (outcome, _) in outcomes(journal).items()
        if not (key in recalled and outcome == "expired")
    }


async def paused_for_a_while(programme: Programme) -> None:
    await programme.do("pause", "b")
    for by in PARTNERS:
        await programme.do("resume", by)


# --- a platform takes delivery over -----------------------------------------------------------------------------------


@pytest.mark.parametrize("encrypted", [False, True])
async def test_the_platforms_own_worker_delivers_what_a_programme_says_on_the_queue_its_file_names(
    embedded_server: embedded.Server, embedded_client: TemporalClient, tmp_path: Path, *, encrypted: bool
) -> None:
    ring = KeyRing.new() if encrypted else None
    client, desk = client_of(with_codec(embedded_client, ring) if ring else embedded_client), Desk()
    own = {"DUOLOGUE_DATA_DIR": str(tmp_path), "DUOLOGUE_CODEC_KEYS": ring.dump() if ring else ""}
    address = embedded_server.address
    with process(EXAMPLE, TEMPORAL_ADDRESS=address, NOTICE_SPAN="0.05", **own) as platform:
        async with working(client, desk):
            plan = a_plan(delivery={"task_queue": "platform-messages"}, safeguarding="safeguarding-1")
            programme = await client.start(plan)
            await enrol(programme)
            await practise(programme, turns=4)
            await paused_for_a_while(programme)
            await practise(programme)
            assert (await programme.result()).ending == "completed"
            derived = await proved(programme)
        asked = events(await history(programme), "activity_task_scheduled")
        platform.send_signal(signal.SIGKILL)
        assert platform.stdout is not None
        told = set(re.findall(r"^(\S+) -> ", platform.stdout.read(), re.MULTILINE))
    messages = sent(derived.events)
    assert {m.template for m in messages.values()} >= {"welcome", "invitation", "completed", "none"}
    arrived = not_called_off(derived.events)
    assert told == {key for key in arrived if messages[key].template != "none"}
    assert {k: outcomes(derived.events)[k] for k in arrived} == dict.fromkeys(
        arrived, ("delivered", "platform")
    )
    assert desk.keys == [], "our own worker has been given none"
    assert {(a.activity_type.name, a.task_queue.name) for a in asked} == {
        ("deliver", "platform-messages"),
        ("resolve", client.task_queue),
    }


async def test_whoever_delivers_needs_to_know_the_json_of_the_contract_and_none_of_our_classes(
    embedded_client: TemporalClient,
) -> None:
    seen: list[dict[str, Any]] = []

    @activity.defn(name=DELIVER)
    async def by_somebody_else(message: dict[str, Any]) -> dict[str, str]:
        seen.append(message)
        return {"key": message["key"], "outcome": "delivered", "channel": "platform"}

    client, desk, queue = client_of(embedded_client), Desk(), f"platform-{uuid4().hex[:12]}"
    async with (
        working(client, desk),
        Worker(embedded_client, task_queue=queue, activities=[by_somebody_else]),
    ):
        programme = await client.start(a_plan(delivery={"task_queue": queue}))
        await enrol(programme)
        await booked(programme)
        await programme.cancel()
        await programme.result()
        derived = await proved(programme)
    assert {m["key"]: m for m in seen} == {
        key: message.model_dump(mode="json") for key, message in sent(derived.events).items()
    }
    assert {m["ref"] for m in seen} == {"person-1", "person-2"}
    assert desk.keys == []


# --- a failing endpoint and a dying worker ----------------------------------------------------------------------------

OFTEN: dict[str, Any] = {
    "reminders": ["1h59min57s", "1h59min54s", "1h59min51s"],
    "idle_after": "3s",
    "window": "1h",
}
"""Reminders from some seconds after the booking on, all with hours in which to arrive, and a nudge for each silence."""


class Moody:
    """An endpoint that says yes, no, or nothing, by chance; and on demand takes an event and has no time to say so."""

    def __init__(self, there: Endpoint) -> None:
        self.there = there
        self.dice = random.Random(7)
        self.holds_from = sys.maxsize
        """From so many requests on they are held."""
        self.held = 0
        self.gone = asyncio.Event()
        self.well = False
        """Whether it has come to say nothing but yes."""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if len(self.there.posted) >= self.holds_from:
            self.held += 1
            await self.gone.wait()
            return web.Response(status=204)
        throw = 1.0 if self.well else self.dice.random()
        if throw < 0.2:
            return web.Response(status=503)
        if throw < 0.3:
            return web.Response(status=500, text=CANARY)
        if throw < 0.4:
            # Taken, and nobody will ever know.
            self.there.accepted[request.headers["webhook-id"]] += 1
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=204)

    async def holds(self, requests: int) -> None:
        """From so many requests on: wait for one that is taken, and of which nobody will be told so in time."""
        self.holds_from, self.held = requests, 0

        async def holding() -> bool:
            return self.held > 0

        await until(holding, "an event to be under way", within=60)

    def let_go(self) -> None:
        """Answer what was held, whoever is still there to hear it."""
        self.holds_from = sys.maxsize
        self.gone.set()
        self.gone = asyncio.Event()


async def practised(programme: Programme) -> None:
    """A couple from consent to the end of two dialogues, with a pause on the way that moves a session."""
    await enrol(programme)
    await patiently(lambda: practise(programme, turns=8))
    await paused_for_a_while(programme)
    await patiently(lambda: practise(programme))


async def patiently(do: Callable[[], Awaitable[Any]]) -> None:
    """Do it, and again if nobody answered: a worker needs some seconds to come, longer than a query waits."""
    while True:
        with contextlib.suppress(Unreachable):
            await do()
            return


@pytest.mark.timeout(240)
async def test_every_message_arrives_though_the_endpoint_fails_and_the_worker_is_killed(
    embedded_server: embedded.Server, embedded_client: TemporalClient, tmp_path: Path
) -> None:
    client = client_of(embedded_client)
    async with endpoint() as there:
        own = {
            "TEMPORAL_ADDRESS": embedded_server.address,
            "DUOLOGUE_TASK_QUEUE": client.task_queue,
            "DUOLOGUE_HEALTH_PORT": "0",
            "DUOLOGUE_LOG_LEVEL": "error",
            "DUOLOGUE_DATA_DIR": str(tmp_path),
            "DUOLOGUE_WEBHOOK_URL": there.url,
            "DUOLOGUE_WEBHOOK_SECRET": SECRET,
            "DUOLOGUE_DELIVERY_TIMEOUT": "5",
            "DUOLOGUE_NOTICE_SPAN": "1",
            "DUOLOGUE_NOTICE_WAITS": "1s",
            "DUOLOGUE_NOTICE_LAST_WAITS": "1s",
        }
        worker = ("-m", "duologue", "worker")
        there.answer = moody = Moody(there)
        programmes = [await client.start(a_plan(policy=OFTEN)) for _ in range(3)]
        courses: list[Awaitable[Any]] = [asyncio.ensure_future(practised(p)) for p in programmes]
        for requests in (10, 24):
            with process(*worker, **own):
                await moody.holds(requests)
            moody.let_go()
        with process(*worker, **own):
            await asyncio.gather(*courses)
            # What the killed workers had under way comes again a minute after them, when the server gives them up.
            moody.well = True
            await asyncio.gather(*(p.result() for p in programmes))
            journals = [(await proved(p, watched=False)).events for p in programmes]
    expected: set[str] = set()
    every: set[str] = set()
    for journal in journals:
        messages, arrived = sent(journal), not_called_off(journal)
        assert {k: outcomes(journal)[k] for k in arrived} == dict.fromkeys(arrived, ("delivered", "webhook"))
        real = {key: key.replace(".", "~") for key, m in messages.items() if m.template != "none"}
        expected |= {number for key, number in real.items() if key in arrived}
        every |= set(real.values())
    assert len(there.posted) > len(expected), "it has failed now and then"
    assert expected <= set(there.accepted) <= every, "every message at least once that was not taken back"
    assert max(there.accepted.values()) > 1, "and some of them again, since nobody could know"
    assert {len(bodies) for bodies in there.bodies.values()} == {1}, (
        "and never two different ones under one key"
    )
