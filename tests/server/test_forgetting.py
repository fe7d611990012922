"""Forgetting: a couple's words open nowhere any more, and their history still replays to the same state."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from structlog.testing import capture_logs
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import EventType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory
from temporalio.service import RPCError, RPCStatusCode

from duologue.client import Client, DuologueError, Programme, UnknownProgramme, Unsealed
from duologue.codec import Codec, KeyNotAtHand, KeyRing
from duologue.practice.policy import Policy
from duologue.vault import Contact, Forgotten, Kept, LocalKeys, Vault, VaultAway
from duologue.vault.reading import FORGOTTEN
from duologue.worker.forgetting import sweep, sweeping
from tests.support.programmes import (
    WELL,
    Desk,
    a_plan,
    booked,
    client_of,
    enrol,
    history,
    proved,
    settled,
    until,
    with_codec,
    working,
)

WORDS = "the sea was calm that day"


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.ahead = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def vault(tmp_path: Path, clock: Clock) -> AsyncIterator[Vault]:
    kept = Vault.at(f"sqlite:///{tmp_path / 'vault.db'}", LocalKeys.parse(LocalKeys.new()), clock)
    yield kept
    await kept.close()


@pytest.fixture
def client(embedded_client: TemporalClient, vault: Vault) -> Client:
    plain = client_of(embedded_client)
    return Client(plain.temporal, plain.task_queue, vault)


async def begun(client: Client, **given: object) -> Programme:
    """A programme in which something was noted."""
    programme = await client.start(a_plan(**given))
    await enrol(programme)
    await booked(programme)
    await programme.do("note", "a", words=WORDS, shared=True)
    return programme


async def noted(programme: Programme) -> list[str | None]:
    """What each of the two reads of the note."""
    return [(await programme.view(by)).notes[0].words.text for by in ("a", "b")]


async def test_a_forgotten_couple_cannot_be_read_and_its_history_replays(
    client: Client, vault: Vault
) -> None:
    async with working(client, Desk()):
        programme = await begun(client)
        await vault.put_contacts(
            programme.id, "person-1", (Contact(channel="email", address="a@example.org"),)
        )
        assert await noted(programme) == [WORDS, WORDS]
        receipt = await programme.forget()

        assert (receipt.programme, receipt.contacts) == (programme.id, 1)
        assert receipt.keys >= 3
        assert await noted(programme) == [FORGOTTEN, FORGOTTEN]
        for kind in ("shared", "a", "b"):
            with pytest.raises(Forgotten):
                await vault.key(programme.id, kind)
        # It ended gently, and comes to the same when it is derived and replayed.
        assert (await programme.result()).ending == "cancelled"
        await proved(programme)
    assert WORDS not in (await history(programme)).to_json()


async def test_what_was_done_stays_readable_by_the_service_keys_of_safeguarding(
    embedded_client: TemporalClient, vault: Vault
) -> None:
    ring = KeyRing.new()
    client = Client(with_codec(embedded_client, ring), client_of(embedded_client).task_queue, vault)
    async with working(client, Desk()):
        programme = await begun(client)
        await programme.do("pause", "a", concern=True, reason=WORDS)
        await programme.forget(patience=timedelta(seconds=1))
        recorded = await history(programme)

    async def sent(keys: KeyRing) -> dict[str, dict[str, Any]]:
        """The last command of each name, as it stands in the history."""
        requests = [
            event.workflow_execution_update_accepted_event_attributes.accepted_request
            for event in recorded.events
            if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED
        ]
        return {
            each.input.name: json.loads((await Codec(keys).decode(each.input.args.payloads))[0].data)
            for each in requests
        }

    read = await sent(ring)
    assert read["reply"]["answers"] == WELL
    assert (read["pause"]["by"], read["pause"]["concern"]) == ("a", True)
    assert WORDS not in str(read)
    with pytest.raises(KeyNotAtHand):
        await sent(ring.without(*ring.ids("safeguarding")))


async def test_to_forget_again_gives_the_same_receipt(client: Client) -> None:
    async with working(client, Desk()):
        programme = await begun(client)
        first = await programme.forget()
        assert await programme.forget() == first


async def test_it_does_not_depend_on_a_worker(client: Client) -> None:
    async with working(client, Desk()):
        programme = await begun(client)
    await programme.forget(patience=timedelta(seconds=1))
    described = await programme.handle.describe()
    assert described.status is not None
    assert described.status.name == "TERMINATED"


async def test_who_waits_long_enough_for_the_farewells_has_them_sent(client: Client) -> None:
    desk = Desk()
    async with working(client, desk):
        hasty, patient = [await begun(client) for _ in range(2)]
        await settled(hasty)
        await settled(patient)
        desk.open.clear()
        before = len(desk.keys)
        await hasty.forget(patience=timedelta(seconds=1))
        forgetting = asyncio.create_task(patient.forget(patience=timedelta(seconds=60)))

        async def under_way() -> bool:
            return any(key.startswith(f"{patient.id}:") for key in desk.keys[before:])

        await until(under_way, "a farewell")
        desk.open.set()
        await forgetting
        ends = [(await each.handle.describe()).status for each in (hasty, patient)]
    assert ends == [WorkflowExecutionStatus.TERMINATED, WorkflowExecutionStatus.COMPLETED]


async def test_it_does_not_depend_on_the_service_keys(embedded_client: TemporalClient, vault: Vault) -> None:
    given = Client(with_codec(embedded_client, KeyRing.new()), client_of(embedded_client).task_queue, vault)
    lacking = Client(embedded_client, given.task_queue, vault)
    async with working(given, Desk()):
        programme = await given.start(a_plan())
        await enrol(programme)
        receipt = await lacking.programme(programme.id).forget()
    assert receipt.keys > 0
    with pytest.raises(Forgotten):
        await vault.key(programme.id, "shared")


async def test_of_which_it_cannot_read_the_policy_nothing_is_ended(
    embedded_client: TemporalClient, client: Client, vault: Vault
) -> None:
    given = client_of(with_codec(embedded_client, KeyRing.new()))
    async with working(given, Desk()):
        programme = await given.start(a_plan())
        await enrol(programme)
        with pytest.raises(DuologueError, match="policy"):
            await Client(embedded_client, given.task_queue, vault).programme(programme.id).forget()
        assert (await programme.overview()).stage == "practising"


async def test_without_a_vault_it_says_so(embedded_client: TemporalClient) -> None:
    with pytest.raises(Unsealed, match="no vault"):
        await client_of(embedded_client).programme("p").forget()


@pytest.mark.parametrize("words", ["any", "none"])
async def test_nothing_is_ended_before_the_vault_has_answered(
    embedded_client: TemporalClient, client: Client, tmp_path: Path, words: str
) -> None:
    away = Vault.at("postgresql://u@127.0.0.1:1/d", LocalKeys.parse(LocalKeys.new()))
    another = Vault.at(f"sqlite:///{tmp_path / 'another.db'}", LocalKeys.parse(LocalKeys.new()))
    async with working(client, Desk()):
        programme = await client.start(a_plan(policy={"words": words}))
        for vault in (away, another) if words == "any" else (away,):
            elsewhere = Client(embedded_client, client.task_queue, vault).programme(programme.id)
            with pytest.raises(Unsealed, match="vault"):
                await elsewhere.forget()
            await vault.close()
        assert (await programme.overview()).stage == "enrolling"
        await another.close()


async def test_of_a_couple_that_has_no_words_and_no_keys_there_is_a_receipt_of_nothing(
    embedded_client: TemporalClient, client: Client, vault: Vault
) -> None:
    without = Client(embedded_client, client.task_queue)
    async with working(client, Desk()):
        programme = await without.start(a_plan(policy={"words": "none"}))
        receipt = await client.programme(programme.id).forget()
        assert (receipt.keys, receipt.contacts) == (0, 0)
        assert (await programme.result()).ending == "cancelled"
        assert await client.programme(programme.id).forget() == receipt


async def test_what_nobody_knows_cannot_be_forgotten(client: Client) -> None:
    async with working(client, Desk()):
        with pytest.raises(UnknownProgramme):
            await client.programme("nobody").forget()


async def test_a_policy_forgets_by_itself_so_long_after_the_end(
    client: Client, vault: Vault, clock: Clock
) -> None:
    async with working(client, Desk()):
        programme = await begun(client, policy={"forget_after": "30d"})
        other = await begun(client)
        clock.ahead = timedelta(days=40)
        assert await sweep(client.temporal, vault) == ()  # it runs
        clock.ahead = timedelta(0)
        for each in (programme, other):
            await each.cancel()
            await each.result()
        assert await sweep(client.temporal, vault) == ()
        clock.ahead = timedelta(days=29)
        assert await sweep(client.temporal, vault) == ()
        clock.ahead = timedelta(days=31)
        assert await sweep(client.temporal, vault) == (programme.id,)
        anew = Client(client.temporal, client.task_queue, vault)  # which has not just read them
        assert await noted(anew.programme(programme.id)) == [FORGOTTEN, FORGOTTEN]
        assert await noted(other) == [WORDS, WORDS]
        assert await sweep(client.temporal, vault) == ()


async def test_what_counts_is_the_policy_at_the_end(client: Client, vault: Vault, clock: Clock) -> None:
    async with working(client, Desk()):
        sooner, never = (
            await client.start(a_plan()),
            await client.start(a_plan(policy={"forget_after": "1d"})),
        )
        wordless = await client.start(a_plan(policy={"words": "none", "forget_after": "1d"}))
        await vault.put_contacts(
            wordless.id, "person-1", (Contact(channel="email", address="a@example.org"),)
        )
        await sooner.do("adjust", "facilitator", policy={"forget_after": "1d"})
        await never.do("adjust", "facilitator", policy={"forget_after": None})
        for each in (sooner, never, wordless):
            await each.cancel()
            await each.result()
    assert await sweep(client.temporal, vault) == ()
    clock.ahead = timedelta(days=2)
    assert set(await sweep(client.temporal, vault)) == {sooner.id, wordless.id}
    assert await vault.knows(never.id)


async def test_an_end_that_was_seen_is_remembered_when_the_service_knows_it_no_more(
    client: Client, vault: Vault, clock: Clock
) -> None:
    async with working(client, Desk()):
        programme = await client.start(a_plan(policy={"forget_after": "30d"}))
        await programme.cancel()
        await programme.result()
        await sweep(client.temporal, vault)
    # As after the namespace's retention: another namespace, in which there is no such programme.
    later = TemporalClient(**client.temporal.config() | {"namespace": "temporal-system"})
    clock.ahead = timedelta(days=29)
    assert await sweep(later, vault) == ()
    clock.ahead = timedelta(days=31)
    assert await sweep(later, vault) == (programme.id,)


async def test_an_end_is_not_judged_while_a_codec_key_is_missing(
    embedded_client: TemporalClient, vault: Vault, clock: Clock
) -> None:
    ring = KeyRing.new()
    whole, lacking = (with_codec(embedded_client, keys) for keys in (ring, ring.without(*ring.ids("ops"))))
    client = Client(whole, client_of(embedded_client).task_queue, vault)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await programme.do("adjust", "facilitator", policy={"forget_after": "1d"})
        await programme.cancel()
        await programme.result()
    clock.ahead = timedelta(days=2)
    assert await sweep(lacking, vault) == ()
    assert [kept.ended for kept in await vault.kept()] == [None]
    assert await sweep(whole, vault) == (programme.id,)


async def reset(programme: Programme) -> None:
    """To its beginning, by the service's own means."""
    await programme.client.temporal.workflow_service.reset_workflow_execution(
        ResetWorkflowExecutionRequest(
            namespace=programme.client.temporal.namespace,
            workflow_execution=WorkflowExecution(workflow_id=programme.handle.id),
            reason="test",
            request_id=str(uuid4()),
            workflow_task_finish_event_id=4,
        )
    )


async def test_a_programme_that_was_reset_after_its_end_is_not_forgotten_while_it_runs(
    client: Client, vault: Vault, clock: Clock
) -> None:
    async with working(client, Desk()):
        programme = await client.start(a_plan(policy={"forget_after": "1d"}))
        await programme.overview()
        await programme.handle.terminate()
        await sweep(client.temporal, vault)
        assert [kept.ended is None for kept in await vault.kept()] == [False]
        await reset(programme)
        clock.ahead = timedelta(days=2)
        assert await sweep(client.temporal, vault) == ()
        assert [kept.ended for kept in await vault.kept()] == [None]
        await programme.handle.terminate()
        assert await sweep(client.temporal, vault) == (programme.id,)


async def test_a_programme_that_was_reset_and_ended_again_is_forgotten_so_long_after_its_last_end(
    client: Client, vault: Vault, clock: Clock
) -> None:
    async with working(client, Desk()):
        programme = await client.start(a_plan(policy={"forget_after": "30d"}))
        await programme.overview()
        await programme.handle.terminate()
        # As if that had been seen thirty days ago; since then nobody has looked.
        first = datetime.now(UTC) - timedelta(days=30)
        await vault.ended(programme.id, first, timedelta(days=30))
        await reset(programme)
        await programme.do("adjust", "facilitator", policy={"forget_after": "20d"})
        await programme.handle.terminate()
    assert await sweep(client.temporal, vault) == ()
    (kept,) = await vault.kept()
    assert kept.ended == (await _closed(programme)).replace(microsecond=0)
    assert kept.forget_after == timedelta(days=20)
    clock.ahead = timedelta(days=21)
    assert await sweep(client.temporal, vault) == (programme.id,)


async def _closed(programme: Programme) -> datetime:
    closed = (await programme.handle.describe()).close_time
    assert closed is not None
    return closed


async def unavailable(*_: object, **__: object) -> WorkflowHistory:
    raise RPCError("", RPCStatusCode.UNAVAILABLE, b"")


async def test_an_end_is_not_judged_by_a_guess_while_the_service_has_a_hiccup(
    client: Client, vault: Vault, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(client, Desk()):
        programme = await client.start(a_plan(policy={"forget_after": "1d"}))
        await programme.do("adjust", "facilitator", policy={"forget_after": "30d"})
        await programme.cancel()
        await programme.result()
    clock.ahead = timedelta(days=2)
    with monkeypatch.context() as hiccup:
        hiccup.setattr(WorkflowHandle, "fetch_history", unavailable)
        assert await sweep(client.temporal, vault) == ()
        assert [kept.ended for kept in await vault.kept()] == [None]
    assert await sweep(client.temporal, vault) == ()
    assert [kept.forget_after for kept in await vault.kept()] == [timedelta(days=30)]


async def test_trouble_with_one_couple_keeps_nobody_else_from_being_forgotten(
    client: Client, vault: Vault, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(client, Desk()):
        # They are looked at in this order.
        odd, plain = [
            await client.start(a_plan(programme=f"{n}-{uuid4().hex}", policy={"forget_after": "1d"}))
            for n in ("a", "b")
        ]
        for each in (odd, plain):
            await each.cancel()
            await each.result()

    async def policy(programme: Programme) -> Policy:
        if programme.id == odd.id:
            raise KeyError(WORDS)
        return await told(programme)

    told = Programme.policy
    monkeypatch.setattr(Programme, "policy", policy)
    clock.ahead = timedelta(days=2)
    with capture_logs() as lines:
        assert await sweep(client.temporal, vault) == (plain.id,)
    assert [(line["programme"], line["reason"]) for line in lines] == [(odd.id, "KeyError")]
    assert WORDS not in str(lines)


async def test_looking_goes_on_whatever_a_look_comes_to(
    client: Client, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    async def kept() -> tuple[Kept, ...]:
        nonlocal looks
        looks += 1
        raise ValueError(WORDS)

    async def again() -> bool:
        return looks > 1

    monkeypatch.setattr(vault, "kept", kept)
    with capture_logs() as lines:
        async with sweeping(client.temporal, vault, timedelta(milliseconds=1)):
            await until(again, "another look")
    assert {line["reason"] for line in lines} == {"ValueError"}


async def test_what_could_not_be_swept_up_is_swept_up_by_a_later_look(
    client: Client, vault: Vault, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with working(client, Desk()):
        programme = await client.start(a_plan(policy={"forget_after": "1d"}))
        await programme.cancel()
        await programme.result()
    clock.ahead = timedelta(days=2)
    swept, works = 0, False

    def sweep_up() -> None:
        nonlocal swept
        if not works:
            raise VaultAway("The vault is in use.", "Later.")
        swept += 1

    monkeypatch.setattr(vault._database, "sweep", sweep_up)
    with capture_logs() as lines, pytest.raises(VaultAway):
        await sweep(client.temporal, vault)
    assert [(line["programme"], line["reason"]) for line in lines] == [(programme.id, "VaultAway")]
    assert await vault.kept() == ()
    works = True
    await sweep(client.temporal, vault)
    await sweep(client.temporal, vault)
    assert swept == 1


async def test_a_couple_whose_programme_is_not_found_is_left_alone(
    client: Client, vault: Vault, clock: Clock
) -> None:
    await vault.add("never-started", timedelta(days=1))
    clock.ahead = timedelta(days=400)
    assert await sweep(client.temporal, vault) == ()
    assert (await vault.key("never-started", "shared")).secret
