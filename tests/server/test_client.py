"""The typed client: every "no" is an exception that says what to do instead, and sending twice is safe."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowExecutionStatus
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from duologue.client import (
    AlreadyStarted,
    Client,
    DuologueError,
    Encrypted,
    Ended,
    NotSetUp,
    PlainWords,
    Refused,
    UnknownProgramme,
    Unreachable,
    make,
)
from duologue.codec import KeyRing, data_converter
from duologue.practice.messages import Adjust, Reason
from duologue.vault import LocalKeys, Vault
from duologue.worker import embedded
from tests.support.programmes import (
    Desk,
    a_plan,
    booked,
    client_of,
    enrol,
    opened,
    until,
    with_codec,
    working,
)
from tests.support.servers import free_port, program

IMPATIENT = timedelta(seconds=1)


async def test_a_namespace_that_is_not_prepared_is_refused_before_the_start(tmp_path: Path) -> None:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=program("temporal"),
        data_converter=pydantic_data_converter,
        dev_server_log_level="error",
        dev_server_database_filename=str(tmp_path / "bare.db"),
    ) as bare:
        with pytest.raises(NotSetUp, match="duologue setup"):
            await Client(bare.client).start(a_plan())
        assert [found async for found in bare.client.list_workflows("")] == []


async def test_a_namespace_that_does_not_exist_is_said_with_the_remedy(
    embedded_server: embedded.Server,
) -> None:
    client = await Client.connect(target_host=embedded_server.address, namespace="nosuch")
    nobody = client.programme("nobody")
    attempts = (
        client.start(a_plan()),
        anext(client.list()),
        nobody.do("consent", "a"),
        nobody.view("a"),
        nobody.result(),
    )
    for attempt in attempts:
        with pytest.raises(NotSetUp, match=r"'nosuch' does not exist here; run 'duologue setup'"):
            await attempt


async def test_a_zone_that_does_not_exist_is_refused_before_it_is_sent(
    embedded_server: embedded.Server,
) -> None:
    nobody = (await Client.connect(target_host=embedded_server.address)).programme("nobody")
    moved = Adjust(command_id="c1", by="a", zone="Mars/Phobos")
    for attempt in (nobody.send(moved), nobody.signal(moved), nobody.do("adjust", "a", zone="Mars/Phobos")):
        with pytest.raises(Refused, match="there is no time zone 'Mars/Phobos'") as refused:
            await attempt
        assert refused.value.reason == Reason.MALFORMED


async def test_that_tls_may_be_the_cause_is_said(embedded_server: embedded.Server) -> None:
    with pytest.raises(Unreachable, match=r"with TLS at 127.*TEMPORAL_TLS"):
        await Client.connect(target_host=embedded_server.address, tls=True)
    with pytest.raises(Unreachable, match="TEMPORAL_TLS, if that one takes TLS only"):
        await Client.connect(target_host=f"127.0.0.1:{free_port()}")


async def test_no_service_at_the_address_is_said_with_the_remedy() -> None:
    port = free_port()
    with pytest.raises(Unreachable, match="duologue up"):
        await Client.connect(target_host=f"127.0.0.1:{port}")


async def test_a_programme_is_started_once(embedded_client: TemporalClient) -> None:
    client, plan = client_of(embedded_client), a_plan()
    await client.start(plan)
    with pytest.raises(AlreadyStarted, match=plan.programme):
        await client.start(plan)
    await client.programme(plan.programme).handle.terminate()
    with pytest.raises(AlreadyStarted):
        await client.start(plan)


async def test_an_id_whose_couple_is_still_kept_is_nobody_elses(
    embedded_client: TemporalClient, tmp_path: Path
) -> None:
    """Also where the service has removed what ran under it: or else their messages would go to those of before."""
    vault = Vault.at(f"sqlite:///{tmp_path / 'vault.db'}", LocalKeys.parse(LocalKeys.new()))
    plan = a_plan()
    await vault.add(plan.programme)
    await vault.ended(plan.programme, datetime.now(UTC))
    with pytest.raises(AlreadyStarted, match=r"has run before.*another id"):
        await Client(embedded_client, keys=vault).start(plan)


async def test_an_unknown_programme_is_told_from_one_that_has_ended(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    nobody = client.programme(f"none-{uuid4().hex}")
    for attempt in (nobody.view("a"), nobody.overview(), nobody.do("consent", "a"), nobody.result()):
        with pytest.raises(UnknownProgramme, match="list"):
            await attempt
    with pytest.raises(UnknownProgramme):
        await nobody.signal(make("consent", "a"))

    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await programme.do("withdraw", "b")
        result = await programme.result()
        assert result.ending == "not_enrolled"
        with pytest.raises(Ended) as ended:
            await programme.do("consent", "a")
        assert (ended.value.reason, ended.value.ending) == (Reason.STAGE, "not_enrolled")
        with pytest.raises(Ended):
            await programme.signal(make("consent", "a"))
        assert (await programme.view("a")).ending == "not_enrolled"


async def test_who_left_is_told_to_a_facilitator_alone(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await programme.do("withdraw", "b")
        assert (await programme.result()).ending == "withdrawn"
        commands = (
            make("turn", "a", act="ready"),
            make("resume", "b"),
            make("decide", "facilitator", decision="go_on"),
        )
        for command in commands:
            for send in (programme.send, programme.signal):
                with pytest.raises(Ended) as ended:
                    await send(command)
                full = command.by == "facilitator"
                assert ended.value.ending == ("withdrawn" if full else "ended")
                assert ("withdrawn" in str(ended.value)) == full
        assert (await programme.view("a")).ending == "ended"


async def test_without_a_worker_a_command_may_be_sent_again(embedded_client: TemporalClient) -> None:
    client = client_of(embedded_client)
    programme = await client.start(a_plan())
    command = make("consent", "a")
    with pytest.raises(Unreachable, match="same id"):
        await programme.send(command, patience=IMPATIENT)
    sending = asyncio.create_task(programme.send(command))
    async with working(client, Desk()):
        receipt = await sending
        assert receipt.command_id == command.command_id
        assert await programme.send(command) == receipt


async def test_fields_that_do_not_fit_are_refused_before_they_are_sent() -> None:
    for name, fields, says in (
        ("turn", {"act": "shout"}, "act"),
        ("turn", {}, "act"),
        ("dance", {}, "commands are"),
        ("pause", {"until": "tomorrow"}, "until"),
        ("note", {"words": "x" * 5000}, "smaller pieces"),
    ):
        with pytest.raises(Refused, match=says):
            make(name, "a", **fields)


async def test_programmes_are_listed_by_what_they_await(embedded_client: TemporalClient) -> None:
    client, tenant = client_of(embedded_client), f"t-{uuid4().hex[:8]}"
    async with working(client, Desk()):
        enrolling = await client.start(a_plan(tenant=tenant))
        practising = await client.start(a_plan(tenant=tenant))
        await enrol(practising)
        await opened(practising)

        async def listed() -> dict[str, tuple[str, str]] | None:
            found = {p.programme: (p.stage, p.awaiting) async for p in client.list(tenant=tenant)}
            wanted = {enrolling.id: ("enrolling", "couple"), practising.id: ("practising", "couple")}
            return found if found == wanted else None

        assert await until(listed, "visibility to show both")
        assert [p.programme async for p in client.list(tenant=tenant, stage="enrolling")] == [enrolling.id]
        assert [p async for p in client.list(tenant=tenant, needs_a_person=True)] == []
        assert [p async for p in client.list(tenant="' OR ''='")] == []


async def test_a_client_without_a_vault_warns_once_of_plain_words_unless_they_are_meant(
    embedded_client: TemporalClient,
) -> None:
    meant = client_of(embedded_client)
    async with working(meant, Desk()):
        programme = await meant.start(a_plan())
        await enrol(programme)
        await opened(programme)
        unaware = Client(meant.temporal, meant.task_queue).programme(programme.id)
        await unaware.do("pause", "b")
        with pytest.warns(PlainWords, match="keys="):
            await unaware.do("note", "a", words="one")
        await unaware.do("note", "a", words="two")
        await programme.do("note", "a", words="three")
        await programme.cancel()


async def test_a_missing_codec_key_is_said_like_everything_else_with_the_remedy(
    embedded_client: TemporalClient,
) -> None:
    ring = KeyRing.new()
    lacking = Client(with_codec(embedded_client, ring.without(*ring.ids("ops"))), plain=True)
    with pytest.raises(DuologueError, match="DUOLOGUE_CODEC_KEYS"):
        await lacking.start(a_plan())


@pytest.mark.parametrize("bare", [True, False])
async def test_a_client_without_the_service_keys_sends_nothing_to_an_encrypted_programme(
    embedded_client: TemporalClient, *, bare: bool
) -> None:
    """What it sent would stand there for everybody who runs the service: that somebody has a concern, say."""
    given = client_of(with_codec(embedded_client, KeyRing.new()))
    converter = pydantic_data_converter if bare else data_converter(None)
    keyless = TemporalClient(**{**embedded_client.config(), "data_converter": converter})  # type: ignore[arg-type]
    async with working(given, Desk()):
        started = await given.start(a_plan())
        await enrol(started)
        unaware = Client(keyless, given.task_queue).programme(started.id)
        await booked(started)
        for send in (unaware.send, unaware.signal):
            with pytest.raises(Encrypted, match=r"Nothing was sent.*service keys"):
                await send(make("pause", "a", concern=True))
        assert (await started.overview()).stage == "practising"
        for ask in (unaware.overview(), unaware.view("a")):
            with pytest.raises(Encrypted, match="is encrypted"):
                await ask
        await started.cancel()
        await started.result()
        with pytest.raises(Encrypted, match="has ended, but how is encrypted"):
            await unaware.result()


@pytest.mark.parametrize("rotated", [True, False])
async def test_what_has_arrived_is_said_to_have_where_its_answer_cannot_be_read(
    embedded_client: TemporalClient, *, rotated: bool
) -> None:
    """No more than that: whether it was applied or refused is what cannot be read."""
    ring = KeyRing.new()
    given = client_of(with_codec(embedded_client, ring.rotated()))
    lacking = with_codec(embedded_client, ring) if rotated else embedded_client
    async with working(given, Desk()):
        started = await given.start(a_plan())
        await enrol(started)
        meant = Client(lacking, given.task_queue, plain=True).programme(started.id)
        for command, applied in (("pause", True), ("reschedule", False)):
            fields = {} if applied else {"session": 99, "proposal": 1}
            with pytest.raises(Encrypted, match=r"has arrived, but its answer is encrypted.*service keys"):
                await meant.do(command, "a", command_id=command, **fields)
            assert ((await started.view("a", command_id=command)).receipt is not None) == applied


async def test_a_client_with_other_service_keys_is_told_so_and_loses_nothing_in_silence(
    embedded_client: TemporalClient,
) -> None:
    """A programme refuses what it sends; a signal, a concern say, would be refused without a word."""
    given = client_of(with_codec(embedded_client, KeyRing.new()))
    other = Client(with_codec(embedded_client, KeyRing.new()), given.task_queue, plain=True)
    async with working(given, Desk()):
        started = await given.start(a_plan())
        await enrol(started)
        await booked(started)
        before = await started.overview()
        astray = other.programme(started.id)
        with pytest.raises(Encrypted, match="was refused, and why is encrypted by other service keys"):
            await astray.do("pause", "a", concern=True)
        with pytest.raises(Encrypted, match=r"Nothing was sent.*other service keys"):
            await astray.signal(make("pause", "a", concern=True))
        with pytest.raises(Encrypted, match=r"'overview' is encrypted.*other service keys"):
            await astray.overview()
        with pytest.raises(
            DuologueError, match=r"cannot answer 'view', and why is encrypted.*same service keys"
        ):
            await astray.view("a")
        assert (await started.overview()).digest == before.digest
        await started.signal(make("pause", "a"))
        await started.cancel()
        await started.result()
        with pytest.raises(Encrypted, match=r"has ended, but how is encrypted.*other service keys"):
            await astray.result()


async def test_what_was_sent_before_a_worker_wrote_anything_opens_no_door_for_what_comes_after(
    embedded_client: TemporalClient,
) -> None:
    given = client_of(with_codec(embedded_client, KeyRing.new()))
    programme = await Client(embedded_client, given.task_queue).start(a_plan())
    await programme.signal(make("consent", "a"))
    async with working(given, Desk()):
        await given.programme(programme.id).do("consent", "b")
        with pytest.raises(Encrypted, match="Nothing was sent"):
            await programme.signal(make("pause", "a", concern=True))


async def test_on_a_test_server_a_client_without_keys_sends_what_it_is_to_send(
    time_skipping: WorkflowEnvironment,
) -> None:
    given = client_of(time_skipping.client)
    unaware = Client(time_skipping.client, given.task_queue)

    async def ended() -> bool | None:
        found = await programme.handle.describe()
        return found.status != WorkflowExecutionStatus.RUNNING or None

    async with working(given, Desk()):
        programme = await unaware.start(a_plan())
        assert (await programme.do("consent", "a")).seq == 1
        # What is left without a worker would hold the clock that others need. To wait for the result would move it on,
        # and by that clock the service may be done with waiting before there is one.
        await programme.cancel()
        await until(ended, "the programme to end")


async def test_a_programme_from_before_there_were_keys_takes_nothing_in_plain_once_there_are(
    embedded_client: TemporalClient,
) -> None:
    before = client_of(embedded_client)
    async with working(before, Desk()):
        started = await before.start(a_plan())
        await enrol(started)
        await booked(started)
    given = Client(with_codec(embedded_client, KeyRing.new()), before.task_queue, plain=True)
    async with working(given, Desk()):
        await given.programme(started.id).do("note", "a", words="by those who have keys now")
        unaware = Client(embedded_client, before.task_queue).programme(started.id)
        for send in (unaware.send, unaware.signal):
            with pytest.raises(Encrypted, match="Nothing was sent"):
                await send(make("pause", "a", concern=True))
        assert (await given.programme(started.id).overview()).stage == "practising"


async def test_a_programme_started_without_the_keys_that_its_worker_has_takes_nothing_in_plain(
    embedded_client: TemporalClient,
) -> None:
    given = client_of(with_codec(embedded_client, KeyRing.new()))
    unaware = Client(embedded_client, given.task_queue)
    async with working(given, Desk()):
        programme = await unaware.start(a_plan())

        async def refused() -> bool:
            try:
                await programme.do("consent", "a")
            except Encrypted as error:
                return "Nothing was sent" in str(error)
            return False

        await until(refused, "the worker to have written something")
        assert (await given.programme(programme.id).view("a")).stage == "enrolling"
