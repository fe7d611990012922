"""On a real server: what was taken back while its delivery was under way does not arrive, and the record is true."""

from __future__ import annotations

import asyncio

import pytest
from temporalio.client import Client as TemporalClient

from duologue.audit import Derived
from duologue.client import Client, Programme, make
from duologue.practice.events import MessageRecalled, MessageSent, MessageSettled
from duologue.practice.plan import Plan
from duologue.practice.values import PARTNERS
from tests.support.programmes import (
    Desk,
    a_plan,
    chain,
    client_of,
    enrol,
    events,
    history,
    opened,
    proved,
    until,
    working,
)

PATIENT = 90.0
"""How long a busy machine may take, in seconds."""


def a_talk_that_falls_silent() -> Plan:
    return a_plan(policy={"idle_after": "1s"}, safeguarding="safeguarding-1")


async def silent(client: Client, desk: Desk, *, down: bool = False) -> Programme:
    """A dialogue is open and will have fallen silent; from before that nothing gets through, or no attempt ends."""
    programme = await client.start(a_talk_that_falls_silent())
    await enrol(programme)
    await until(lambda: delivered(desk, "invitation"), "the invitation", PATIENT)
    desk.down = down
    if not down:
        desk.open.clear()
    await opened(programme)
    return programme


async def delivered(desk: Desk, what: str) -> bool:
    return sum(f":{what}:" in key for key in desk.delivered) == len(PARTNERS)


async def tried(desk: Desk, what: str, times: int = 1) -> bool:
    keys = [key for key in desk.attempts if f":{what}:" in key]
    return len(keys) == len(PARTNERS) and all(desk.attempts[key] >= times for key in keys)


def outcomes(derived: Derived, what: str) -> list[tuple[str, str]]:
    """What the record says has become of the messages of a template."""
    keys = {x.message.key for x in derived.events if isinstance(x, MessageSent) and x.message.what == what}
    settled = [x.delivered for x in derived.events if isinstance(x, MessageSettled)]
    return [(d.outcome, d.reason) for d in settled if d.key in keys]


@pytest.mark.timeout(240)
@pytest.mark.parametrize("concern", [False, True])
async def test_a_pause_calls_off_what_is_tried_again_and_again_and_only_the_pause_arrives(
    embedded_client: TemporalClient,
    concern: bool,  # noqa: FBT001
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await silent(client, desk, down=True)
        await until(lambda: tried(desk, "idle_nudge", 2), "the nudge to be tried again", PATIENT)
        await programme.do("pause", "a", concern=concern)
        await until(lambda: tried(desk, "paused"), "the pause to be tried", PATIENT)
        desk.down = False
        await until(lambda: delivered(desk, "paused"), "the pause to be delivered", PATIENT)
        await programme.do("withdraw", "b")
        await programme.result()
        assert not [key for key in desk.delivered if ":idle_nudge:" in key]
        derived = await proved(programme)
    assert outcomes(derived, "idle_nudge") == [("expired", "taken_back")] * 2
    assert [e.message.what for e in derived.events if isinstance(e, MessageRecalled)][:2] == [
        "idle_nudge"
    ] * 2
    run = await history(programme)
    # Between two attempts it is called off at once; one that is being made fails and has no successor.
    called_off = events(run, "activity_task_canceled") + events(run, "activity_task_failed")
    assert len(called_off) == len(PARTNERS)
    assert derived.state.unreachable == ()


@pytest.mark.timeout(240)
async def test_an_attempt_that_is_being_made_says_whether_it_has_delivered(
    embedded_client: TemporalClient,
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await silent(client, desk)
        await until(lambda: tried(desk, "idle_nudge"), "the nudge to be tried", PATIENT)
        await programme.do("pause", "a")
        await until(lambda: tried(desk, "paused"), "the pause to be tried", PATIENT)
        desk.open.set()
        await programme.do("withdraw", "b")
        await programme.result()
        derived = await proved(programme)
    assert outcomes(derived, "idle_nudge") == [("delivered", "")] * 2
    assert max(desk.attempts.values()) == 1


@pytest.mark.timeout(240)
async def test_what_is_sent_and_taken_back_in_one_task_is_never_tried(
    embedded_client: TemporalClient,
) -> None:
    """While no worker is there: a pause, and then somebody has the workflow end."""
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        await until(lambda: delivered(desk, "invitation"), "the invitation", PATIENT)
    await programme.signal(make("pause", "a"))
    await programme.signal(make("pause", "b"))
    await programme.cancel()
    async with working(client, desk):
        await programme.result()
        derived = await proved(programme)
    assert outcomes(derived, "paused") == [("expired", "taken_back")] * len(PARTNERS)
    assert not [key for key in desk.keys if ":paused:" in key]
    assert await delivered(desk, "ended")


@pytest.mark.timeout(240)
async def test_the_next_run_does_not_begin_again_with_what_was_taken_back(short_runs: TemporalClient) -> None:
    client, desk = client_of(short_runs), Desk()
    async with working(client, desk):
        programme = await silent(client, desk)
        await until(lambda: tried(desk, "idle_nudge"), "the nudge to be tried", PATIENT)
        before = len(await chain(programme))
        await programme.do("pause", "a")
        while len(await chain(programme)) == before:
            await programme.signal(make("note", "a", note="b1", remove=True))
            await asyncio.sleep(0)
        await until(lambda: tried(desk, "paused", 2), "the next run to try the pause", PATIENT)
        desk.open.set()
        await programme.do("withdraw", "b")
        await programme.result()
        derived = await proved(programme)
    nudges = [times for key, times in desk.attempts.items() if ":idle_nudge:" in key]
    assert nudges == [1, 1]
    assert outcomes(derived, "idle_nudge") == [("expired", "taken_back")] * 2
