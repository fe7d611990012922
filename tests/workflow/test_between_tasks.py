"""What a query brings along that waited while no worker ran: nothing of it reaches a programme out of turn."""

import asyncio
from collections.abc import Awaitable
from typing import Any

import pytest
from temporalio.client import Client as TemporalClient

from duologue.client import Programme, Refused, make
from duologue.practice.events import CommandRefused
from tests.support.programmes import Desk, a_plan, client_of, proved, until, working

ROUNDS = 6


async def refused(programme: Programme) -> None:
    """An update that is refused: the server drops the workflow task that judged it."""
    with pytest.raises(Refused):
        await programme.send(make("turn", "a", act="mirror", sent_at=None))


async def test_no_signal_is_lost_after_a_refused_update_and_a_query_that_waited(
    embedded_client: TemporalClient,
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        before = (await programme.overview()).refused
    for round_ in range(1, ROUNDS + 1):
        asked: list[Awaitable[Any]] = [refused(programme), programme.overview(), programme.view("b")]
        waiting = [asyncio.ensure_future(one) for one in asked]
        # By now they have reached the server, which holds them until a worker comes, and shows nobody that it does.
        await asyncio.sleep(0.2)
        async with working(client, desk):
            await asyncio.gather(*waiting)
            await programme.signal(make("turn", "b", act="send", sent_at=None))

            async def taken(wanted: int = before + round_) -> bool:
                return (await programme.overview()).refused == wanted

            await until(taken, "the signal to be taken")
    async with working(client, desk):
        await programme.cancel()
        await programme.result()
        derived = await proved(programme)
    assert sum(isinstance(e, CommandRefused) for e in derived.events) == before + ROUNDS
