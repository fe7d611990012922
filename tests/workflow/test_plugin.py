"""Programmes in a platform's own client and worker: both live there, and neither notices much of the other."""

import asyncio
import dataclasses
import json
import os
import sys
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowFailureError
from temporalio.common import HeaderCodecBehavior, RawValue
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import WorkflowSerializationContext
from temporalio.exceptions import ApplicationError
from temporalio.plugin import SimplePlugin
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Replayer, UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner

from duologue.client import Client, Programme, Refused, Unsealed, make
from duologue.codec import Codec, KeyRing, beside, data_converter
from duologue.codec.codec import ENCODING
from duologue.plugin import DuologuePlugin
from duologue.practice.asks import Message
from duologue.practice.messages import Reason
from duologue.practice.texts import MessageText
from duologue.practice.views import View
from duologue.vault import Contact, Forgotten, LocalKeys, Vault
from duologue.worker import embedded
from duologue.worker.errors import NamespaceError
from duologue.worker.runner import amended
from tests.support import platform
from tests.support.platform import CONVERTER, Money, Order, PlatformCodec, Tagging
from tests.support.programmes import (
    a_plan,
    chain,
    enrol,
    history,
    opened,
    practise,
    until,
)
from tests.support.raw import answered, everything, payload, signal, update
from tests.support.servers import program

CANARY = "CANARY what was said"


class Stumbling:
    """A channel whose first attempt at each message fails."""

    name = "stumbling"

    def __init__(self) -> None:
        self._tried: set[str] = set()

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        if message.key not in self._tried:
            self._tried.add(message.key)
            raise ValueError(CANARY)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    kept = Vault.at(f"sqlite:///{tmp_path / 'vault.db'}", LocalKeys.parse(LocalKeys.new()))
    yield kept
    await kept.close()


def of_platform(temporal: TemporalClient, *plugins: Any, **given: Any) -> TemporalClient:
    """The platform's own client of the same server, with whatever it has plugged in."""
    config = {**temporal.config(), "data_converter": CONVERTER, "plugins": plugins, **given}
    return TemporalClient(**config)


@asynccontextmanager
async def working(temporal: TemporalClient, **given: Any) -> AsyncIterator[Client]:
    """The platform's worker, as it was before there were programmes; yields our client over the platform's."""
    queue = f"platform-{uuid4().hex[:12]}"
    async with Worker(temporal, task_queue=queue, workflows=[Order], activities=[platform.double], **given):
        yield Client(temporal, task_queue=queue)


async def ordered(temporal: TemporalClient, queue: str, cents: int) -> tuple[str, Money]:
    """The platform's workflow, from its start to its end: its id, and what came out."""
    handle = await temporal.start_workflow(Order.run, Money(100), id=f"order-{uuid4()}", task_queue=queue)
    await handle.signal(Order.price, Money(cents))
    assert await handle.query(Order.current) == Money(cents)
    return handle.id, await handle.result()


async def to_its_end(client: Client) -> Programme:
    """A programme of one dialogue, in which something was said."""
    programme = await client.start(a_plan(kinds=["mirroring"]))
    await enrol(programme)
    await opened(programme)
    await programme.do("turn", "a", act="frame", words=CANARY)
    seen = await programme.view("b")
    assert CANARY in seen.model_dump_json(), "opened for the one who listens"
    await practise(programme)
    assert (await programme.result()).counts == {"done": 1}
    return programme


async def test_a_dialogue_and_a_workflow_of_the_platform_go_on_side_by_side(
    embedded_client: TemporalClient, vault: Vault
) -> None:
    ring, tags = KeyRing.new(), Tagging()
    plugin = DuologuePlugin(vault=vault, keys=ring, channel=Stumbling())
    temporal = of_platform(
        embedded_client, plugin, interceptors=[tags], header_codec_behavior=HeaderCodecBehavior.CODEC
    )
    async with working(temporal) as client:
        programme, (order, price) = await asyncio.gather(
            to_its_end(client), ordered(temporal, client.task_queue, 250)
        )
        assert price == Money(500)
        # Another client of the platform's, that knows nothing of us, speaks to the same worker.
        alone = of_platform(
            embedded_client, interceptors=[Tagging()], header_codec_behavior=HeaderCodecBehavior.CODEC
        )
        assert (await ordered(alone, client.task_queue, 300))[1] == Money(600)
        handle = await alone.start_workflow(
            Order.run, Money(100), id=f"order-{uuid4()}", task_queue=client.task_queue
        )
        await handle.signal(Order.price, Money(1))
        with pytest.raises(WorkflowFailureError) as failed:
            await handle.result()
        cause = failed.value.cause
        assert isinstance(cause, ApplicationError)
        assert (cause.type, cause.details) == ("TooCheap", (Money(1),))
        assert cause.failure is not None
        assert (cause.failure.source, cause.failure.message) == ("platform", "too cheap")

    codec, runs = Codec(ring), await chain(programme)
    found = everything(runs)
    assert [place for place, each in found if not codec.wrote(each)] == []
    for part in ("header", "user_metadata", "input", "result", "last_failure"):
        assert any(f".{part}." in f"{place}." for place, _ in found), part
    assert CANARY.encode() not in b"".join([codec.decrypt(each).data for _, each in found]), "it is sealed"
    theirs = everything([await temporal.get_workflow_handle(order).fetch_history()])
    assert theirs
    assert not any(codec.wrote(each) for _, each in theirs)
    await PlatformCodec().decode([each for _, each in theirs])
    assert set(tags.seen) >= {
        ("PracticeProgramme", f"TAG {programme.handle.id}".encode()),
        ("Order", f"TAG {order}".encode()),
    }

    replayer = Replayer(
        workflows=[Order],
        data_converter=CONVERTER,
        interceptors=[tags],
        header_codec_behavior=HeaderCodecBehavior.CODEC,
        plugins=[plugin],
    )
    for run in (*runs, await temporal.get_workflow_handle(order).fetch_history()):
        await replayer.replay_workflow(run)


async def said_by(*command: str, within: float = 100, **given: Any) -> str:
    """What a process says until it ends by itself. One that does not is killed, and the test fails with its words."""
    process = await asyncio.create_subprocess_exec(*command, **given, stdout=PIPE, stderr=STDOUT)
    saying = asyncio.ensure_future(process.communicate())
    _, late = await asyncio.wait([saying], timeout=within)
    if late:
        process.kill()
    said = (await saying)[0].decode()
    assert not late, f"not at its end within {within} s; it said:\n{said}"
    assert process.returncode == 0, said
    return said


async def test_the_example_of_an_embedding_platform_runs(
    embedded_server: embedded.Server, tmp_path: Path
) -> None:
    surroundings = {
        **os.environ,
        "PYTHONUNBUFFERED": "1",
        "TEMPORAL_ADDRESS": embedded_server.address,
        "DUOLOGUE_DATA_DIR": str(tmp_path),
        "DUOLOGUE_LOG_FORMAT": "json",
    }
    example = Path(__file__).parents[2] / "examples/embedding/host.py"
    said = await said_by(sys.executable, str(example), env=surroundings, cwd=tmp_path)
    assert "is enrolling. B reads: ['when the phone rings at dinner']" in said, said
    assert "is over: cancelled" in said, said


async def test_what_a_platforms_codec_would_choke_on_does_not_stall_a_programme(
    embedded_client: TemporalClient, vault: Vault
) -> None:
    plugin = DuologuePlugin(vault=vault, keys=KeyRing.new())
    async with working(of_platform(embedded_client, plugin)) as client:
        programme = await client.start(a_plan())
        await enrol(programme)
        junk = payload(b"junk", ENCODING)
        [packed] = await PlatformCodec().encode(
            [payload(json.dumps({"by": "a", "command_id": "1"}).encode())]
        )
        for each in (junk, packed):
            assert await signal(programme, ("pause", [each]))
            assert await update(programme, ("pause", [each])) == Reason.MALFORMED
        await answered(programme, 2)
        plain = payload(json.dumps({"by": "a", "command_id": "in-json"}).encode())
        assert await signal(programme, ("pause", [plain]))

        async def paused() -> bool:
            return (await programme.view("a", command_id="in-json")).receipt is not None

        await until(paused, "what another client sent in plain JSON", within=60)


async def test_without_keys_of_ours_the_platforms_codec_is_for_programmes_too(
    embedded_client: TemporalClient, vault: Vault
) -> None:
    temporal = of_platform(embedded_client, DuologuePlugin(vault=vault))
    async with working(temporal) as client:
        programme = await to_its_end(client)
        assert (await ordered(temporal, client.task_queue, 250))[1] == Money(500)
        found = [each for _, each in everything(await chain(programme))]
    opened_by_it = await PlatformCodec().decode(
        [each for each in found if each.metadata["encoding"] == ENCODING]
    )
    assert len(opened_by_it) == len(found)
    assert CANARY.encode() not in b"".join(each.data for each in opened_by_it)


async def test_headers_are_encrypted_where_the_platform_has_no_codec_and_left_alone_where_it_sends_them_plain(
    embedded_client: TemporalClient,
) -> None:
    ring = KeyRing.new()
    for converter, encrypted in ((pydantic_data_converter, True), (CONVERTER, False)):
        tags = Tagging()
        temporal = of_platform(
            embedded_client, DuologuePlugin(keys=ring), interceptors=[tags], data_converter=converter
        )
        async with working(temporal) as client:
            programme = await client.start(a_plan())
            await enrol(programme)
            runs = [await history(programme)]
            order = await temporal.start_workflow(
                "Order", Money(1), id=f"order-{uuid4()}", task_queue=client.task_queue
            )
            theirs = everything([await order.fetch_history()])
            await order.terminate()
        headers = [each for place, each in everything(runs) if ".header." in place]
        assert headers
        assert {Codec(ring).wrote(each) for each in headers} == {encrypted}
        assert [each.data for place, each in theirs if ".header." in place] == [f"TAG {order.id}".encode()]
        assert ("PracticeProgramme", f"TAG {programme.handle.id}".encode()) in tags.seen


async def test_a_client_over_the_platforms_opens_words_with_the_plugins_vault_unless_it_has_its_own(
    embedded_client: TemporalClient, vault: Vault
) -> None:
    temporal = of_platform(embedded_client, DuologuePlugin(vault=vault))
    other = Vault.at("sqlite:///never.db", LocalKeys.parse(LocalKeys.new()))
    for client, keeper in (
        (Client(temporal), vault),
        (Client(temporal, keys=other), other),
        (Client(temporal, plain=True), vault),
        (Client(of_platform(embedded_client, DuologuePlugin())), None),
    ):
        assert getattr(client.keys, "_keeper", None) is keeper


async def test_words_are_sealed_also_where_the_platform_sends_a_command_by_itself(
    embedded_client: TemporalClient, vault: Vault
) -> None:
    temporal = of_platform(
        embedded_client, DuologuePlugin(vault=vault), data_converter=pydantic_data_converter
    )
    async with working(temporal) as client:
        programme = await client.start(a_plan())
        await enrol(programme)
        bare = temporal.get_workflow_handle(programme.handle.id)
        note = {"by": "a", "shared": True, "words": f"{CANARY} in a dict"}
        await bare.signal("note", {"command_id": "by-signal", **note})
        await bare.execute_update("note", {"command_id": "by-update", **note})
        await bare.execute_update("note", make("note", "b", words=f"{CANARY} as a command", shared=True))
        await bare.signal("pause", {"command_id": "p", "by": "b"})
        with pytest.raises(Refused, match="words"):
            await bare.signal("note", {"command_id": "c", "by": "a", "words": 7})
        with pytest.raises(Unsealed):
            await temporal.get_workflow_handle("programme/nobody").signal("note", {"command_id": "c", **note})
        await bare.signal("something else", CANARY[:6])

        async def all_there() -> View | None:
            seen = await programme.view("b", command_id="p")
            return seen if seen.receipt else None

        seen = await until(all_there, "what was sent last", within=60)
        assert sum(CANARY in (note.words.text or "") for note in seen.notes) == 3
        found = b"".join(each.data for _, each in everything([await history(programme)]))
    assert CANARY.encode() not in found
    assert b'"reason"' in found, "a pause without words has as many as any other"


@dataclasses.dataclass
class TheirNote:
    """A platform's own form of a command."""

    command_id: str
    by: str
    words: str


async def test_what_cannot_be_told_to_be_a_command_does_not_leave_where_words_are_sealed(
    embedded_client: TemporalClient, vault: Vault
) -> None:
    temporal = of_platform(
        embedded_client, DuologuePlugin(vault=vault), data_converter=pydantic_data_converter
    )
    bare = temporal.get_workflow_handle("programme/whoever")
    said = {"command_id": "c", "by": "a", "words": CANARY}
    text = json.dumps(said)
    raw = RawValue(Payload(metadata={"encoding": b"json/plain"}, data=text.encode()))
    another = make("turn", "a", act="send", words=CANARY)
    given: list[list[Any]] = [[TheirNote(**said)], [text], [raw], [said, said], [another], []]
    for args in given:
        for send in (bare.signal, bare.execute_update):
            with pytest.raises(Refused, match="exactly one argument") as refused:
                await send("note", args=args)
            assert CANARY not in str(refused.value)


async def test_a_worker_says_that_its_namespace_is_not_prepared_and_ends() -> None:
    async with await WorkflowEnvironment.start_local(
        dev_server_existing_path=program("temporal"), dev_server_log_level="error"
    ) as bare:
        temporal = of_platform(bare.client, DuologuePlugin())
        with pytest.raises(NamespaceError, match="duologue setup"):
            async with asyncio.timeout(60), working(temporal):
                await asyncio.Event().wait()
        async with working(of_platform(bare.client)) as client:
            assert (await ordered(client.temporal, client.task_queue, 250))[1] == Money(500)


async def test_only_workers_of_the_queue_that_is_named_run_programmes(
    embedded_client: TemporalClient,
) -> None:
    temporal = of_platform(embedded_client, DuologuePlugin(task_queue="couples"))
    theirs = {"workflows": [Order], "activities": [platform.double]}
    for queue, workflows, activities in (("couples", 2, 3), ("orders", 1, 1)):
        config = Worker(temporal, task_queue=queue, **theirs).config(active_config=True)  # type: ignore[arg-type]
        assert (len(config["workflows"]), len(config["activities"])) == (workflows, activities)


async def test_a_worker_forgets_couples_when_their_policy_says_so(
    embedded_client: TemporalClient, tmp_path: Path
) -> None:
    now = [timedelta(0)]
    late = Vault.at(
        f"sqlite:///{tmp_path / 'late.db'}",
        LocalKeys.parse(LocalKeys.new()),
        lambda: datetime.now(UTC) + now[0],
    )
    temporal = of_platform(embedded_client, DuologuePlugin(vault=late))
    async with working(temporal) as client:
        programme = await client.start(a_plan(policy={"forget_after": "30d"}))
        await programme.cancel()
        await programme.result()
    now[0] = timedelta(days=31)

    async def forgotten() -> bool:
        try:
            await late.key(programme.id, "shared")
        except Forgotten:
            return True
        return False

    async with working(temporal):
        await until(forgotten, "the couple to be forgotten", within=60)
    await late.close()


class LaterPlugin(SimplePlugin):
    """Another plugin, after ours, that amends a sandbox as such plugins do."""

    def __init__(self) -> None:
        def runner(host: WorkflowRunner | None) -> WorkflowRunner:
            assert isinstance(host, SandboxedWorkflowRunner)
            return dataclasses.replace(host, restrictions=host.restrictions.with_passthrough_modules("later"))

        super().__init__("later", workflow_runner=runner)


async def test_another_plugins_amendments_and_ours_hold_together(embedded_client: TemporalClient) -> None:
    temporal = of_platform(embedded_client, DuologuePlugin(), LaterPlugin())
    worker = Worker(temporal, task_queue="q", workflows=[Order], activities=[platform.double])
    runner = worker.config(active_config=True)["workflow_runner"]
    assert isinstance(runner, type(amended(SandboxedWorkflowRunner())).__mro__[1]), "programmes are guarded"
    assert isinstance(runner, SandboxedWorkflowRunner)
    assert {"later", "duologue.practice"} <= runner.restrictions.passthrough_modules


async def test_what_may_end_a_platforms_workflows_ends_no_programme(embedded_client: TemporalClient) -> None:
    @dataclasses.dataclass
    class Details:
        defn: Any
        worker_level_failure_exception_types: Any = (LookupError,)

    class Own(UnsandboxedWorkflowRunner):
        def create_instance(self, det: Any) -> Any:
            return det

    runner = amended(Own())
    for name, failing in (("Order", (LookupError,)), ("PracticeProgramme", ())):
        made: Any = runner.create_instance(Details(SimpleNamespace(name=name)))  # type: ignore[arg-type]
        details = getattr(made, "_workflow", made)
        assert details.worker_level_failure_exception_types == failing
    theirs: dict[str, Any] = {
        "task_queue": "orders-that-may-fail",
        "workflows": [Order],
        "activities": [platform.double],
    }
    for given in (DuologuePlugin(), DuologuePlugin(task_queue="orders-that-may-fail")):
        with pytest.raises(ValueError, match="DuologuePlugin the task_queue"):
            Worker(
                of_platform(embedded_client, given), **theirs, workflow_failure_exception_types=[Exception]
            )
    elsewhere = of_platform(embedded_client, DuologuePlugin(task_queue="couples"))
    Worker(elsewhere, **theirs, workflow_failure_exception_types=[Exception])


def test_a_runner_of_whatever_kind_stays_what_it_is() -> None:
    class Own(UnsandboxedWorkflowRunner):
        def __init__(self, mark: str) -> None:
            self.mark = mark

    own = Own("theirs")
    found = amended(own)
    assert isinstance(found, Own)
    assert found.mark == "theirs"
    assert type(own) is Own, "the platform's own is not touched"


def test_a_converter_is_of_the_platforms_kind_too_and_asks_no_codec_but_its_own() -> None:
    found = beside(data_converter(KeyRing.new()), CONVERTER)
    assert isinstance(found, type(CONVERTER))
    assert issubclass(found.payload_converter_class, platform.PlatformConverter)
    assert issubclass(found.failure_converter_class, platform.PlatformFailures)
    here = found.with_context(WorkflowSerializationContext(namespace="default", workflow_id="order-1"))
    assert here.payload_codec is CONVERTER.payload_codec
    there = found.with_context(WorkflowSerializationContext(namespace="default", workflow_id="programme/c1"))
    assert isinstance(there.payload_codec, Codec)
