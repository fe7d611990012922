"""The codec under programmes that run: nothing readable is left, keys come and go, and nothing hostile stalls them."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs
from temporalio import activity
from temporalio import client as temporal
from temporalio.api.common.v1 import Payload, WorkflowExecution
from temporalio.api.enums.v1 import EventType, ResetReapplyExcludeType
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import Client as TemporalClient
from temporalio.exceptions import ApplicationError

from duologue.client import Client, Programme, make
from duologue.codec import Codec, KeyNotAtHand, KeyRing, Keys
from duologue.codec import ring as rings
from duologue.codec.codec import ENCODING, is_encrypted
from duologue.practice.asks import Message
from duologue.practice.messages import Reason
from duologue.practice.values import PARTNERS
from duologue.worker import logs
from duologue.worker.keys import alert
from tests.support.programmes import (
    Desk,
    a_plan,
    booked,
    chain,
    client_of,
    enrol,
    history,
    opened,
    practise,
    proved,
    until,
    with_codec,
    working,
)
from tests.support.raw import Attack, all_at_once, answered, everything, payload, query, signal, update

CANARY = "CANARY"
FAILED = EventType.EVENT_TYPE_WORKFLOW_TASK_FAILED
COMPLETED = EventType.EVENT_TYPE_WORKFLOW_TASK_COMPLETED


class Tagging(temporal.Interceptor):
    """Sends a header along with everything."""

    def intercept_client(self, next: temporal.OutboundInterceptor) -> temporal.OutboundInterceptor:  # noqa: A002
        return _Tagged(next)


class _Tagged(temporal.OutboundInterceptor):
    async def start_workflow(self, input: Any) -> Any:  # noqa: A002
        input.headers = {"tag": payload(CANARY.encode())}
        return await super().start_workflow(input)

    async def signal_workflow(self, input: Any) -> Any:  # noqa: A002
        input.headers = {"tag": payload(CANARY.encode())}
        return await super().signal_workflow(input)


class Failing(Desk):
    """A desk whose first attempt at each message fails, and says more than it should."""

    def activities(self) -> list[Any]:
        resolve, deliver = super().activities()
        tried: set[str] = set()

        @activity.defn(name="deliver")
        async def failing(message: Message) -> Any:
            if message.key not in tried:
                tried.add(message.key)
                if message.template == "welcome":
                    raise ApplicationError(CANARY, CANARY, type="Unreachable", non_retryable=True)
                raise ValueError(CANARY)
            return await deliver(message)

        return [resolve, failing]


async def test_a_whole_dialogue_leaves_nothing_readable_in_its_histories(short_runs: TemporalClient) -> None:
    ring = KeyRing.new()
    encrypted = with_codec(short_runs, ring)
    tagged = TemporalClient(**{**encrypted.config(), "interceptors": [Tagging()]})  # type: ignore[arg-type]
    client = client_of(tagged)
    async with working(client, Failing()):
        programme = await client.start(a_plan(kinds=["mirroring"]))
        described = await programme.handle.describe()
        summary = described.raw_description.execution_config.user_metadata.summary
        assert is_encrypted(summary)
        assert await described.static_summary() == f"Practice programme {programme.id}"
        await enrol(programme)
        await opened(programme)
        for by in PARTNERS:
            await programme.signal(make("note", by, words=CANARY))
            await programme.do("note", by, words=CANARY, shared=True)
        await programme.do("turn", "a", act="frame", words=CANARY)
        await practise(programme)
        assert (await programme.result()).counts == {"done": 1}
        await proved(programme)
        runs = await chain(programme)
        assert len(runs) > 1, "it has gone on in another run"
        found = everything(runs)
        assert len(found) > 100
        assert {place for place, each in found if not is_encrypted(each)} == set()
        for part in (
            "header",
            "failure",
            "user_metadata",
            "input",
            "result",
            "outcome",
            "encoded_attributes",
        ):
            assert any(f".{part}" in place for place, _ in found), f"nothing stands in a {part}"
        for run in runs:
            for event in run.events:
                written = event.SerializeToString()
                assert not any(
                    word in written for word in (CANARY.encode(), b'"by"', b"curriculum", b"stack_trace")
                )


async def test_keys_rotate_in_the_middle_of_a_dialogue(embedded_client: TemporalClient) -> None:
    old = KeyRing.new()
    prepared = old.with_new()
    new = prepared.with_newest_current()
    client = client_of(with_codec(embedded_client, old))
    programme = await client.start(a_plan(kinds=["mirroring"]))

    async def at(ring: KeyRing, turns: int | None, *, enrolling: bool = False) -> Programme:
        """So many turns with a worker and a client that have that ring, and a platform that still has the old one."""
        here = Client(with_codec(embedded_client, ring), task_queue=client.task_queue, plain=True).programme(
            programme.id
        )
        async with working(here.client, Desk()):
            if enrolling:
                await enrol(here)
                await opened(here)
            await programme.signal(make("note", "a", words="by the old key"))
            await practise(here, turns=turns)
            if ring is not new:
                assert (await programme.overview()).digest == (await here.overview()).digest
            elif turns is None:
                assert (await here.result()).counts == {"done": 1}
                await proved(here)
        return here

    await at(old, 4, enrolling=True)
    await at(prepared, 3)
    await at(new, 3)
    last = await at(new, None)
    used = {p.metadata["encryption-key-id"].decode() for _, p in everything([await history(last)])}
    assert used == {*new.ids("ops"), *new.ids("safeguarding")}


async def failed_tasks(programme: Programme) -> int:
    return sum(event.event_type == FAILED for event in (await history(programme)).events)


async def test_without_its_key_a_programme_waits_alerts_and_goes_on_when_the_key_is_back(
    embedded_client: TemporalClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rings, "_AGAIN", 0)
    old = KeyRing.new()
    new = old.rotated()
    file = tmp_path / "keys.json"
    file.write_text(old.dump())
    keys = Keys(lambda: KeyRing.parse(file.read_text()))
    workers = client_of(with_codec(embedded_client, keys, alert))
    ahead = Client(with_codec(embedded_client, new), task_queue=workers.task_queue, plain=True)
    with capture_logs() as logged:
        async with working(workers, Desk()):
            programme = await ahead.start(a_plan(kinds=["mirroring"]))
            await _alerted(logged, new.ids("ops")[0])
            file.write_text(new.dump())
            await enrol(programme)
            await opened(programme)

            # A key is revoked while they practise. What is sent meanwhile waits, whichever way it was sent.
            file.write_text(new.without(new.ids("ops")[0]).dump())
            keys.ring = KeyRing.parse(file.read_text())
            logged.clear()
            await programme.signal(make("turn", "a", act="frame", words=CANARY, command_id="framed"))
            sent = asyncio.create_task(
                programme.do("turn", "b", act="mirror", words="yes", command_id="mirrored")
            )
            await _alerted(logged, new.ids("ops")[0])
            assert not sent.done()
            file.write_text(new.dump())
            assert (await sent).command_id == "mirrored"
            assert (await programme.view("a", command_id="framed")).receipt is not None
            await practise(programme)
            assert (await programme.result()).counts == {"done": 1}
            derived = await proved(programme)
    assert derived.state.refused == 0
    assert await failed_tasks(programme) >= 2
    assert CANARY not in str(logged)


async def _alerted(logged: list[Any], key: str) -> None:
    async def look() -> list[Any]:
        return [line for line in logged if line["event"] == "codec key not at hand"]

    [line, *_] = await until(look, "an alert")
    assert (line["log_level"], line["codec_key"], line["scope"]) == ("error", key, "ops")
    assert "DUOLOGUE_CODEC_KEYS" in line["remedy"]


async def test_a_worker_that_lost_an_old_key_reads_no_programme_of_it_until_it_has_it_again(
    embedded_client: TemporalClient,
) -> None:
    old = KeyRing.new()
    new = old.rotated()
    first = client_of(with_codec(embedded_client, old))
    async with working(first, Desk()):
        programme = await first.start(a_plan(kinds=["mirroring"]))
        await enrol(programme)
        await opened(programme)
    told: list[KeyNotAtHand] = []
    ahead = Client(with_codec(embedded_client, new), task_queue=first.task_queue, plain=True).programme(
        programme.id
    )
    await ahead.signal(make("turn", "a", act="frame", words="late plans", command_id="framed"))
    lost = with_codec(embedded_client, new.without(*old.ids("ops")), told.append)

    async def look() -> bool:
        return bool(told)

    async with working(Client(lost, task_queue=first.task_queue, plain=True), Desk()):
        await until(look, "a key to be missed")
    assert {(missing.scope, missing.key) for missing in told} == {("ops", old.ids("ops")[0])}
    async with working(ahead.client, Desk()):
        # Which waits with patience: the task that the worker before took along may first have to time out.
        await ahead.do("note", "a", words="it answers again")
        await practise(ahead)
        assert (await ahead.result()).counts == {"done": 1}
        derived = await proved(ahead)
    assert "framed" in {getattr(event, "command_id", None) for event in derived.events}


async def test_a_worker_with_other_keys_says_so_and_another_goes_on(
    embedded_client: TemporalClient, caplog: pytest.LogCaptureFixture
) -> None:
    right = client_of(with_codec(embedded_client, KeyRing.new()))
    wrong = Client(with_codec(embedded_client, KeyRing.new()), task_queue=right.task_queue, plain=True)

    async def said() -> bool:
        found = [record.exc_info[1] for record in caplog.records if record.exc_info]
        return any("other service keys" in line for error in found if error for line in logs._tell(error))

    async with working(wrong, Desk()):
        programme = await right.start(a_plan(kinds=["mirroring"]))
        await until(said, "a line in the log")
    async with working(right, Desk()):
        await practise(programme)
        assert (await programme.result()).counts == {"done": 1}
        await proved(programme)


async def test_who_has_the_seal_can_make_a_programme_wait_until_it_is_reset(
    embedded_client: TemporalClient,
) -> None:
    ring, told = KeyRing.new(), list[KeyNotAtHand]()
    client = client_of(with_codec(embedded_client, ring, told.append))
    made_up = ring.rotated("ops")
    [stamped] = await Codec(made_up).encode([payload(b"{}")])

    async def missed() -> bool:
        return made_up.ids("ops")[0] in {missing.key for missing in told}

    async with working(client, Desk()):
        programme = await client.start(a_plan(kinds=["mirroring"]))
        await enrol(programme)
        await booked(programme)
        tasks = [e.event_id for e in (await history(programme)).events if e.event_type == COMPLETED]
        assert await signal(programme, ("turn", [stamped]))
        await until(missed, "a key to be missed")
        await embedded_client.workflow_service.reset_workflow_execution(
            ResetWorkflowExecutionRequest(
                namespace=embedded_client.namespace,
                workflow_execution=WorkflowExecution(workflow_id=programme.handle.id),
                workflow_task_finish_event_id=tasks[-1],
                request_id="reset",
                reset_reapply_exclude_types=[ResetReapplyExcludeType.RESET_REAPPLY_EXCLUDE_TYPE_SIGNAL],
            )
        )
        await practise(programme)
        assert (await programme.result()).counts == {"done": 1}


async def ciphertexts(ring: KeyRing) -> list[Payload]:
    """Everything that can be sent as encrypted and is not, or no more; none of it may ever open, or wait."""
    turn = make("turn", "a", act="frame", words=CANARY)
    right, safe = payload(turn.model_dump_json().encode()), make("pause", "a")
    own, private = [
        (await Codec(ring).encode([each]))[0]
        for each in (right, payload(safe.model_dump_json().encode(), scope=b"safeguarding"))
    ]
    found = [
        (await Codec(KeyRing.new()).encode([right]))[0],
        payload(right.data, ENCODING),
        payload(b"", ENCODING),
    ]
    for genuine in (own, private):
        data, metadata = genuine.data, dict(genuine.metadata)
        changed = [
            bytes([data[0] ^ 1]) + data[1:],
            data[:-1] + bytes([data[-1] ^ 1]),
            data[:20],
            b"",
            data + b"\0",
        ]
        found += [Payload(metadata=metadata, data=each) for each in changed]
        for name, others in (
            ("encryption-key-id", (b"", b"0" * 16, b"\xff", ring.ids("ops")[-1].encode())),
            ("encryption-scope", (b"", b"everything", b"ops", b"safeguarding")),
            ("encryption-version", (b"", b"2")),
        ):
            found += [
                Payload(metadata={**metadata, name: other}, data=data)
                for other in others
                if other != metadata[name]
            ]
            found.append(Payload(metadata={k: v for k, v in metadata.items() if k != name}, data=data))
    return found


async def test_hostile_ciphertext_is_answered_and_never_stalls_a_programme(
    embedded_client: TemporalClient,
) -> None:
    ring = KeyRing.new().with_new()
    client = client_of(with_codec(embedded_client, ring))
    hostile: list[Attack] = [
        (name, [each]) for each in await ciphertexts(ring) for name in ("turn", "pause", "unheard")
    ]
    async with working(client, Desk()):
        programme = await client.start(a_plan(kinds=["mirroring"]))
        await enrol(programme)
        await opened(programme)
        before = await programme.overview()
        refusals = await all_at_once(update, programme, hostile)
        assert set(refusals) == {Reason.MALFORMED, Reason.UNKNOWN_COMMAND}
        assert (await programme.overview()).digest == before.digest
        sent = (await all_at_once(signal, programme, hostile)).count(True)
        assert sent == len(hostile)
        await answered(programme, sent)
        for _, [each] in hostile:
            assert await query(programme, ("view", [each])) == "refused"
        await practise(programme)
        assert (await programme.result()).counts == {"done": 1}
        derived = await proved(programme)
        assert derived.state.refused == sent
        assert await failed_tasks(programme) == 0

    # Whichever keys are at hand later: it replays to the same.
    later = Client(with_codec(embedded_client, ring.rotated()), task_queue=client.task_queue, plain=True)
    async with working(later, Desk()):
        await proved(later.programme(programme.id))


async def test_a_raw_command_is_understood_plain_and_as_the_codec_server_encrypts_it(
    embedded_client: TemporalClient,
) -> None:
    ring = KeyRing.new()
    client = client_of(with_codec(embedded_client, ring))
    async with working(client, Desk()):
        programme = await client.start(a_plan())
        await enrol(programme)
        await booked(programme)
        for by, encrypt in (("a", False), ("b", True)):
            raw = payload(json.dumps({"command_id": f"raw-{by}", "by": by}).encode())
            sent = Codec(ring).encrypt(raw, "safeguarding") if encrypt else raw
            assert await signal(programme, ("pause", [sent]))

        async def look() -> bool:
            return all([(await programme.view(by, command_id=f"raw-{by}")).receipt for by in PARTNERS])

        await until(look, "both pauses")
        await programme.cancel()
        await programme.result()
        await proved(programme)
