"""Continuing as new: a programme goes from one run to the next in the middle of everything, and nobody notices.

The server of these tests suggests it after a few events, where by default it takes thousands.
"""

import asyncio
from collections import Counter
from datetime import timedelta
from functools import partial
from pathlib import Path

from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHistory

from duologue.client import Client, Programme, make
from duologue.practice.events import CommandApplied, CommandRefused, MessageSettled
from duologue.practice.messages import Receipt
from duologue.practice.values import Partner
from duologue.vault import LocalKeys, Vault
from duologue.vault.reading import FORGOTTEN
from duologue.workflows.programme import Start
from tests.support.programmes import (
    Desk,
    a_plan,
    booked,
    chain,
    client_of,
    enrol,
    opened,
    practise,
    proved,
    until,
    working,
)


def given(run: WorkflowHistory) -> Start:
    """What a run began with."""
    payload = run.events[0].workflow_execution_started_event_attributes.input.payloads[0]
    return Start.model_validate_json(payload.data)


async def settled(programme: Programme) -> bool:
    return not (await programme.overview()).under_way


async def test_nothing_is_lost_while_commands_keep_coming_and_effects_are_under_way(
    short_runs: TemporalClient,
) -> None:
    client, desk = client_of(short_runs), Desk()
    desk.open.clear()
    receipts: dict[str, Receipt] = {}
    sent = 0

    async def keep_and_remove(programme: Programme, by: Partner, numbers: range) -> None:
        for n in numbers:
            for command_id, fields in (
                (f"{by}{n}-keep", {"words": "x"}),
                (f"{by}{n}-remove", {"note": f"{by}{n}", "remove": True}),
            ):
                receipts[command_id] = await programme.do("note", by, command_id=command_id, **fields)

    async def noise(programme: Programme, times: int) -> None:
        for _ in range(times):
            await programme.signal(make("note", "a", note="b1", remove=True))
            await asyncio.sleep(0)

    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        await opened(programme)
        # How many of them a run takes depends on the machine.
        while sent < 600 and len(runs := await chain(programme)) < 4:
            more = range(sent + 1, sent + 31)
            await asyncio.gather(
                keep_and_remove(programme, "a", more),
                keep_and_remove(programme, "b", more),
                noise(programme, 30),
            )
            sent += 30
        assert len(runs) >= 4
        under_way = set((await programme.overview()).under_way)
        # Each run has tried again, under its own key, what the ones before it had left open.
        await until(lambda: _tried(desk, "enrolled:a:0", len(runs)), "the last run's attempts")
        assert {key for key, times in desk.attempts.items() if times > 1} <= under_way
        # The welcome was called off when practising began, the invitation when the dialogue did.
        assert under_way == {key for key in desk.messages if ":enrolled:" in key}
        # An id that was applied in a run before is known in the last.
        known = f"a{sent}-keep"
        assert await programme.send(make("withdraw", "a", command_id=known)) == receipts[known]

        desk.open.set()
        await until(lambda: settled(programme), "every message to be delivered")
        assert (await programme.overview()).refused == sent
        await programme.do("withdraw", "a")
        await programme.result()
        derived = await proved(programme)

    applied = [e.command_id for e in derived.events if isinstance(e, CommandApplied)]
    assert len(applied) == len(set(applied))
    assert set(receipts) <= set(applied)
    told = Counter(e.delivered.key for e in derived.events if isinstance(e, MessageSettled))
    assert set(told.values()) == {1}
    assert set(told) == set(desk.messages)


async def _tried(desk: Desk, key: str, times: int) -> bool:
    return any(k.endswith(key) and n >= times for k, n in desk.attempts.items())


async def test_a_dialogue_goes_on_where_it_stood(short_runs: TemporalClient) -> None:
    client = client_of(short_runs)
    async with working(client, Desk()):
        programme = await client.start(a_plan(kinds=["full"]))
        # Five events each, so a new run is due. It begins by a timer, and they could be through before that.
        await practise(programme, turns=32)
        assert (await programme.overview()).movement

        async def continued() -> bool:
            return len(await chain(programme)) > 1

        await until(continued, "a new run")
        await practise(programme)
        result = await programme.result()
        assert (result.ending, result.counts) == ("completed", {"done": 1})
        runs = await chain(programme)
        states = [state for run in runs if (state := given(run).state)]
        assert any(state.open_session is not None for state in states)
        await proved(programme)


async def test_a_flood_of_signals_is_counted_to_the_last_and_a_cancellation_in_it_is_heard(
    short_runs: TemporalClient,
) -> None:
    client = client_of(short_runs)
    async with working(client, Desk()):
        programme = await client.start(a_plan())

        sent = 0

        async def flood() -> None:
            for _ in range(20):
                await programme.handle.signal("flood", "x")

        async def begun(runs: int) -> bool:
            return len(await chain(programme)) >= runs

        # While they come, a run does not always find the moment to end.
        for runs in (1, 2, 3):
            await until(partial(begun, runs), f"the run of number {runs}")
            await asyncio.gather(*(flood() for _ in range(20)))
            sent += 400
        await programme.cancel()
        assert (await programme.result()).ending == "cancelled"
        assert (await programme.overview()).refused == sent
        assert len(await chain(programme)) > 2
        derived = await proved(programme)
        assert sum(isinstance(e, CommandRefused) for e in derived.events) == sent


async def test_what_comes_just_when_a_run_ends_is_not_lost(short_runs: TemporalClient) -> None:
    """One task takes signals that make the run long enough, and after them answers, and a request to cancel."""
    client, desk = client_of(short_runs), Desk()
    desk.down = True
    async with working(client, desk):
        programme = await client.start(a_plan())
        await until(lambda: _tried(desk, "welcome:b:0", 1), "the welcome to be tried")
    desk.down = False
    async with working(client, desk, workflows=[]):
        await until(lambda: _delivered(desk, 2), "both to be welcomed, while nobody hears of it")
    for _ in range(200):
        await programme.signal(make("turn", "a", act="mirror"))
    await programme.cancel()
    async with working(client, desk):
        assert (await programme.result()).ending == "cancelled"
        await proved(programme)
    assert [key for key in desk.delivered if ":welcome:" in key] == desk.delivered[:2], "nobody is told twice"


async def test_a_couple_is_forgotten_in_every_run_and_all_of_them_replay(
    short_runs: TemporalClient, tmp_path: Path
) -> None:
    vault = Vault.at(f"sqlite:///{tmp_path / 'vault.db'}", LocalKeys.parse(LocalKeys.new()))
    plain = client_of(short_runs)
    client = Client(plain.temporal, plain.task_queue, vault)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        await programme.do("adjust", "facilitator", policy={"forget_after": "3d"})
        await programme.do("note", "a", words="the sea was calm", shared=True)
        while len(await chain(programme)) < 3:
            await programme.do("adjust", "a", reminders=True)
        assert (await programme.policy()).forget_after == timedelta(days=3), "as a run before has left it"
        assert (await programme.view("b")).notes[0].words.text == "the sea was calm"
        await programme.forget()
        assert (await programme.view("b")).notes[0].words.text == FORGOTTEN
        await proved(programme)
        assert not any("the sea was calm" in run.to_json() for run in await chain(programme))
    await vault.close()


async def _delivered(desk: Desk, times: int) -> bool:
    return len(desk.delivered) >= times
