"""The durable shell on a real server: how commands reach a programme, what they cost, what ops see, how it ends.

Each test lets a programme live a piece of its life and then proves the whole of it (`proved`): every run replays, and
the core alone, fed with what the history recorded, comes to the journal that the workflow reports.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from temporalio.api.enums.v1 import EventType
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowExecutionStatus, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from duologue.client import Ended, Programme, Refused, make
from duologue.practice.messages import COMMANDS, Command, Reason, Receipt
from duologue.practice.values import PARTNERS, By
from duologue.workflows.programme import ATTRIBUTE_KEYS
from tests.support.programmes import (
    WELL,
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

SHORT = {"ask_absent_after": "1s", "missed_after": "2s", "window": "10h"}
ALERT = [{"after": "0s", "do": "alert", "to": "facilitator", "text": "second_miss", "reason": "always"}]


async def applied(programme: Programme, by: By, command_id: str) -> Receipt:
    """Wait for the receipt of a command that was sent as a signal."""

    async def look() -> Receipt | None:
        return (await programme.view(by, command_id=command_id)).receipt

    return await until(look, f"the receipt of {command_id}")


async def give(programme: Programme, command: Command, way: str) -> Receipt:
    """Send a command one way or the other, and wait until it is applied."""
    if way == "update":
        return await programme.send(command)
    await programme.signal(command)
    return await applied(programme, command.by, command.command_id)


async def length(programme: Programme) -> int:
    return len((await history(programme)).events)


@pytest.mark.parametrize("way", ["update", "signal"])
async def test_each_command_of_the_contract_is_taken_either_way(
    embedded_client: TemporalClient, way: str
) -> None:
    client = client_of(embedded_client)
    plan = a_plan(
        facilitators=["facilitator-1"],
        cadence={"every": "list", "at": ["+3s", "+5h"]},
        policy={**SHORT, "ladder": [ALERT]},
    )
    async with working(client, Desk()):
        programme, sent = await client.start(plan), set()

        async def do(name: str, by: By, **fields: Any) -> None:
            command = make(name, by, **fields)
            receipt = await give(programme, command, way)
            assert receipt.command_id == command.command_id
            sent.add(name)

        for by in PARTNERS:
            await do("consent", by)
            await do("reply", by, question=f"intake.{by}1", answers=WELL)
        await do("note", "a", words="late plans", shared=True)
        await do("adjust", "b", language="de")

        async def alerted() -> str | None:
            return next(iter((await programme.view("facilitator")).alerts), None)

        await do("acknowledge", "facilitator", alert=await until(alerted, "the miss"))
        await do("reschedule", "a", session=1, at=datetime.now(UTC) + timedelta(hours=2))
        await booked(programme)
        await do("ask_dialogue", "b", kind="appreciation")
        await do("turn", "a", act="ready")
        await do("pause", "b")
        await do("resume", "a")
        await do("decide", "facilitator", decision="go_on")
        await do("withdraw", "b")
        assert sent == set(COMMANDS)
        assert (await programme.result()).ending == "withdrawn"
        await proved(programme)


async def test_a_repeat_answers_with_the_first_receipt_and_changes_nothing(
    embedded_client: TemporalClient,
) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        first = await programme.send(make("consent", "a", command_id="yes-1"))
        await until(lambda: settled(programme), "the welcome to be delivered")
        digest, before = (await programme.overview()).digest, await length(programme)

        # The same update id: the server answers by itself.
        assert await programme.send(make("consent", "a", command_id="yes-1")) == first
        assert await length(programme) == before
        # The same, with other content.
        assert await programme.send(make("withdraw", "b", command_id="yes-1")) == first
        assert await length(programme) == before
        # The same command under another update id.
        receipt = await programme.handle.execute_update(
            "withdraw", make("withdraw", "a", command_id="yes-1"), id="another", result_type=Receipt
        )
        assert receipt == first
        # As a signal, with other content. A command after it tells that it was taken.
        await programme.signal(make("withdraw", "a", command_id="yes-1"))
        # An id that is the other's is refused, in either way, and the receipt stays its sender's.
        with pytest.raises(WorkflowUpdateFailedError) as caught:
            await programme.handle.execute_update(
                "withdraw", make("withdraw", "b", command_id="yes-1"), id="theirs", result_type=Receipt
            )
        assert isinstance(caught.value.cause, ApplicationError)
        assert caught.value.cause.type == "id_taken"
        await programme.signal(make("withdraw", "b", command_id="yes-1"))
        assert (await programme.do("note", "a", words="x")).seq == first.seq + 1
        seen = await programme.overview()
        assert seen.stage == "enrolling"
        assert (await programme.view("a", command_id="yes-1")).receipt == first
        assert digest != seen.digest
        assert seen.refused == 1

        # First as a signal, then as an update.
        await programme.signal(make("note", "b", words="one", command_id="note-1"))
        first = await applied(programme, "b", "note-1")
        digest = (await programme.overview()).digest
        assert await programme.send(make("withdraw", "b", command_id="note-1")) == first
        assert (await programme.overview()).digest == digest
        await proved(programme)
        await programme.cancel()


async def settled(programme: Programme) -> bool:
    """Whether nothing is under way."""
    return not (await programme.overview()).under_way


async def test_a_refused_update_says_why_and_leaves_no_trace(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await until(lambda: settled(programme), "the welcome to be delivered")
        before, digest = await length(programme), (await programme.overview()).digest
        for name, argument, reason in (
            ("turn", {"command_id": "1", "by": "a", "act": "send"}, Reason.STAGE),
            ("turn", {"command_id": "1", "by": "a", "act": "dance"}, Reason.MALFORMED),
            ("decide", {"command_id": "1", "by": "b", "decision": "end"}, Reason.NOT_A_PARTICIPANT),
            ("sing", {"command_id": "1", "by": "b"}, Reason.UNKNOWN_COMMAND),
        ):
            with pytest.raises(WorkflowUpdateFailedError) as caught:
                await programme.handle.execute_update(name, argument)
            cause = caught.value.cause
            assert isinstance(cause, ApplicationError)
            assert (cause.type, cause.non_retryable) == (reason, True)
            assert cause.details[0]["reason"] == reason
            assert cause.details[0]["message"] == cause.message
        assert await length(programme) == before
        assert (await programme.overview()).digest == digest
        await programme.cancel()


async def test_a_refused_command_may_be_sent_again_under_its_id_and_is_judged_anew(
    embedded_client: TemporalClient,
) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        with pytest.raises(Refused) as caught:
            await programme.do("turn", "a", command_id="ready-a", act="ready")
        assert caught.value.reason == Reason.STAGE
        await enrol(programme)
        await booked(programme)
        receipt = await programme.do("turn", "a", command_id="ready-a", act="ready")
        assert receipt.movement == "opening"
        await proved(programme)
        await programme.cancel()


async def test_a_refused_signal_is_entered_in_the_journal(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        for name, argument in (
            ("turn", make("turn", "a", act="ready")),
            ("turn", {"command_id": "1", "by": "a", "act": "dance"}),
            ("sing", {"command_id": "1", "by": "a"}),
        ):
            await programme.handle.signal(name, argument)

        async def all_refused() -> bool:
            return (await programme.overview()).refused == 3

        await until(all_refused, "three refusals")
        entries = [e for e in (await programme.overview()).journal if e.what == "CommandRefused"]
        said = [(e.by, e.detail) for e in entries]
        assert said == [("a", "turn: stage"), ("", "turn: malformed"), ("", "unknown: unknown_command")]
        await proved(programme)
        await programme.cancel()


@pytest.mark.parametrize(("way", "cost"), [("update", 5), ("signal", 4)])
async def test_a_turn_costs_its_events_and_no_timer_activity_or_upsert(
    embedded_client: TemporalClient, way: str, cost: int
) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await opened(programme)
        await until(lambda: settled(programme), "deliveries")
        before = await length(programme)
        acts = [("a", "frame"), ("b", "mirror"), ("a", "correct"), ("b", "mirror"), ("a", "confirm")]
        acts += [("a", "send"), ("b", "mirror"), ("a", "confirm"), ("a", "send"), ("b", "mirror")]
        for by, act in acts:
            await give(programme, make("turn", by, act=act, words="words"), way)  # type: ignore[arg-type]
        found = await history(programme)
        new = found.events[before:]
        assert len(new) == cost * len(acts)
        dear = {
            EventType.EVENT_TYPE_TIMER_STARTED,
            EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED,
            EventType.EVENT_TYPE_UPSERT_WORKFLOW_SEARCH_ATTRIBUTES,
        }
        assert not dear & {e.event_type for e in new}
        await proved(programme)
        await programme.cancel()


async def test_ops_read_where_a_programme_stands_without_asking_it(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)

    async def attributes(programme: Programme) -> dict[str, Any]:
        found = (await programme.handle.describe()).typed_search_attributes
        return {name: found[key] for name, key in ATTRIBUTE_KEYS.items() if found.get(key) is not None}

    async with working(client, Desk()):
        programme = await client.start(a_plan(tenant="clinic-7"))
        assert (await attributes(programme))["DuologueTenant"] == "clinic-7"
        await enrol(programme)
        seen = await booked(programme)

        async def published() -> bool:
            return (await attributes(programme)).get("DuologueNextSession") == seen.next_session

        await until(published, "the attributes")
        assert await attributes(programme) == {
            "DuologueStage": "practising",
            "DuologueAwaiting": "none",
            "DuologueAwaitingSince": seen.awaiting_since,
            "DuologueNextSession": seen.next_session,
            "DuologueSession": 1,
            "DuologueMissedInARow": 0,
            "DuologueEscalation": "none",
            "DuologueTenant": "clinic-7",
        }
        await opened(programme)
        metadata = await programme.handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
        for says in ("## Practising", "**Session 1:** mirroring, open", "turn: partner A"):
            assert says in metadata.current_details
        summary = await (await programme.handle.describe()).static_summary()
        assert summary == f"Practice programme {programme.id}"
        await programme.cancel()
        await programme.result()
        assert (await attributes(programme))["DuologueStage"] == "ended"
        assert "DuologueNextSession" not in await attributes(programme)


async def test_timers_and_activities_say_what_they_are_for(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await opened(programme)
        said = {
            e.event_type: e.user_metadata.summary.data.decode()
            for e in (await history(programme)).events
            if e.user_metadata.HasField("summary")
        }
        assert said[EventType.EVENT_TYPE_TIMER_STARTED].startswith('"until: session 0001')
        assert said[EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED].startswith('"a ')
        await programme.cancel()


async def test_a_message_that_cannot_be_delivered_is_on_the_record_and_holds_nothing_up(
    embedded_client: TemporalClient,
) -> None:
    client, desk = client_of(embedded_client), Desk()
    desk.fails = True
    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        # Else the dialogue takes back what is still under way.
        await until(lambda: settled(programme), "what comes before the dialogue to be given up")
        await opened(programme)
        await until(lambda: settled(programme), "everything to be given up")
        derived = await proved(programme)
        outcomes = [e.detail for e in derived.events if type(e).__name__ == "MessageSettled"]
        assert outcomes == ["undeliverable"] * len(desk.messages)
        await programme.cancel()


async def test_an_outage_of_ours_makes_nobody_late(embedded_client: TemporalClient) -> None:
    """Both say in time that they are ready; the worker hears of it when the session would have been missed."""
    client = client_of(embedded_client)
    plan = a_plan(cadence={"every": "list", "at": ["+2s", "+5h"]}, policy=SHORT)
    async with working(client, Desk()):
        programme = await client.start(plan)
        await enrol(programme)
        start = (await booked(programme)).next_session
        assert start is not None
        await until(lambda: settled(programme), "the invitations")
    for by in PARTNERS:
        await programme.signal(make("turn", by, act="ready", sent_at=start))
    late = asyncio.create_task(
        asyncio.sleep((start + timedelta(seconds=3) - datetime.now(UTC)).total_seconds())
    )
    await late
    async with working(client, Desk()):

        async def begun() -> bool:
            return (await programme.overview()).movement is not None

        await until(begun, "the dialogue")
        seen = await programme.overview()
        assert (seen.missed_in_a_row, seen.counts) == (0, {})
        assert all(e.at == start for e in seen.journal if e.what in ("TurnMade", "DialogueOpened"))
        await proved(programme)
        await programme.cancel()


async def test_replaying_moves_nothing_to_another_time(embedded_client: TemporalClient) -> None:
    """Two signals that say nothing of when they were sent, then a refused update: see `_leave_a_mark`."""
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await opened(programme)
        for by, act in (("a", "frame"), ("b", "mirror")):
            command = make("turn", by, act=act, words="x", sent_at=None)  # type: ignore[arg-type]
            await give(programme, command, "signal")
        before = await programme.overview()
    refused = asyncio.create_task(programme.do("turn", "b", act="mirror", words="no"))

    async def waits() -> bool:
        return (await programme.handle.describe()).raw_description.HasField("pending_workflow_task")

    await until(waits, "the update to wait for a worker")
    await programme.signal(make("turn", "a", act="confirm"))
    async with working(client, Desk()):
        with pytest.raises(Refused):
            await refused
    async with working(client, Desk()):
        derived = await proved(programme)
        entry = next(e for e in derived.state.journal if e.seq == before.seq)
        assert entry == before.journal[-1]
        await programme.cancel()


async def test_an_answer_from_which_nothing_follows_costs_no_mark_and_waits_for_what_comes_next(
    embedded_client: TemporalClient,
) -> None:
    """A worker that starts anew may take both at once, and comes to the same: see `_perform`."""
    client, desk = client_of(embedded_client), Desk()
    desk.open.clear()
    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        asked, before = (await programme.overview()).under_way, await length(programme)
        assert asked
        desk.open.set()
        await until(lambda: settled(programme), "the messages to be delivered")
        since = {event.event_type for event in (await history(programme)).events[before:]}
        assert EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED in since
        assert EventType.EVENT_TYPE_WORKFLOW_PROPERTIES_MODIFIED not in since
        told, shown = await proved(programme), await programme.overview()
    await programme.signal(make("turn", "a", act="ready", sent_at=None))
    async with working(client, desk):

        async def taken() -> bool:
            return (await programme.overview()).seq > told.state.seq

        await until(taken, "the signal")
        after = (await programme.overview()).journal
        assert [entry for entry in after if entry.seq <= shown.seq] == [*shown.journal], "numbers stay"
        journal = [type(event).__name__ for event in (await proved(programme)).events]
        await programme.cancel()
    assert journal.index("MessageSettled") > journal.index("TurnMade")
    # And the welcome to both, which had been taken back when practising began.
    assert journal.count("MessageSettled") == len(asked) + len(PARTNERS)


async def test_a_worker_that_remembers_nothing_comes_to_the_same(embedded_client: TemporalClient) -> None:
    """It reads the whole history before every task, and takes together what can be taken together."""
    client = client_of(embedded_client)
    async with working(client, Desk(), max_cached_workflows=0):
        programme = await client.start(a_plan(kinds=["mirroring"]))
        await practise(programme, by_signal=True)
        assert (await programme.result()).counts == {"done": 1}
        await proved(programme)


@pytest.mark.parametrize("where", ["enrolling", "practising", "paused", "dialogue"])
async def test_cancelling_from_outside_ends_gently(embedded_client: TemporalClient, where: str) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        if where != "enrolling":
            await enrol(programme)
            await booked(programme)
        if where == "paused":
            await programme.do("pause", "a")
        if where == "dialogue":
            await opened(programme)
            await programme.do("turn", "a", act="frame", words="x")
        await programme.handle.cancel()
        result = await programme.result()
        assert (result.stage, result.ending) == ("ended", "cancelled")
        assert (await programme.handle.describe()).status == WorkflowExecutionStatus.COMPLETED
        assert desk.told("ended") == {"a", "b"}
        assert (await programme.view("b")).ending == "ended"
        derived = await proved(programme)
        assert (result.seq, result.digest) == (derived.state.seq, derived.state.digest)


async def test_cancelling_again_while_both_are_being_told_changes_nothing(
    embedded_client: TemporalClient,
) -> None:
    client, desk = client_of(embedded_client), Desk()
    async with working(client, desk):
        programme = await client.start(a_plan())
        await until(lambda: settled(programme), "the welcome")
        desk.open.clear()
        await programme.cancel()

        async def over() -> bool:
            return (await programme.overview()).stage == "ended"

        await until(over, "the end")
        await programme.cancel()
        digest = (await programme.overview()).digest
    # The worker goes, and with it the cached workflow, which is not cancelled a second time by that.
    desk.open.set()
    async with working(client, desk):
        assert (await programme.overview()).digest == digest
        result = await programme.result()
        assert result.ending == "cancelled"
        assert (await programme.handle.describe()).status == WorkflowExecutionStatus.COMPLETED
        await proved(programme)


async def test_a_time_that_is_still_asked_for_does_not_hold_up_the_end(
    embedded_client: TemporalClient,
) -> None:
    client, desk = client_of(embedded_client), Desk()
    desk.calendar_open.clear()
    async with working(client, desk):
        programme = await client.start(a_plan())
        await enrol(programme)
        await programme.cancel()
        assert (await programme.result()).ending == "cancelled"
        desk.calendar_open.set()
        await proved(programme)


async def test_a_command_after_the_end_is_refused_with_the_ending(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await programme.do("withdraw", "a", command_id="bye")
        await programme.result()
        for send in (programme.send, programme.signal):
            with pytest.raises(Ended) as caught:
                await send(make("consent", "a"))
            assert (caught.value.reason, caught.value.ending) == (Reason.STAGE, "not_enrolled")


async def test_a_command_that_was_applied_before_the_end_still_answers_with_its_receipt(
    embedded_client: TemporalClient,
) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        command = make("withdraw", "a", command_id="bye")
        await programme.signal(command)
        await programme.result()
        receipt = await programme.send(command)
        assert receipt.command_id == "bye"


async def test_a_whole_programme_is_practised_by_signals(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan(kinds=("full", "appreciation")))
        await practise(programme, by_signal=True)
        result = await programme.result()
        assert (result.ending, result.counts) == ("completed", {"done": 2})
        await proved(programme)
