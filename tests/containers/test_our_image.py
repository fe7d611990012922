"""The compose file's services: ours prepare its server, make a key, work for it, say that they are well, and stop."""

import time

import pytest
from testcontainers.core.network import Network

from duologue.client import TASK_QUEUE, Client
from duologue.worker import namespace
from tests.support.containers import client_of, ours, server
from tests.support.programmes import a_plan, enrol, practise, proved, until

pytestmark = [pytest.mark.containers, pytest.mark.timeout(600)]


async def test_the_image_sets_a_server_up_and_its_worker_holds_a_dialogue(
    our_image: str, volume: str
) -> None:
    with Network() as network, server().with_network(network).with_network_aliases("temporal") as started:
        temporal = await client_of(started)
        assert await namespace.missing(temporal), "nobody has prepared it yet"
        for service in ("setup", "keys", "keys"):
            with ours(our_image, service, network, volume) as once:
                ended = once.get_wrapped_container().wait(timeout=60)
                assert ended["StatusCode"] == 0, once.get_logs()
        assert await namespace.missing(temporal) == []

        with ours(our_image, "worker", network, volume) as worker:
            client = Client(temporal, task_queue=TASK_QUEUE, plain=True)
            programme = await client.start(a_plan(kinds=("full",)))
            await enrol(programme)
            await practise(programme)
            result = await programme.result()
            assert (result.ending, dict(result.counts)) == ("completed", {"done": 1})
            await proved(programme, watched=False)

            found = worker.get_wrapped_container()

            async def well() -> bool:
                found.reload()
                return bool(found.attrs["State"]["Health"]["Status"] == "healthy")

            await until(well, "the health check to say so", within=60)
            assert found.exec_run("id -u").output.strip() == b"10001", "not as root"
            modes = found.exec_run(
                "stat -c '%a %u %n' .duologue .duologue/vault.keys .duologue/vault.db"
            ).output
            assert modes.decode().splitlines() == [
                "700 10001 .duologue",
                "600 10001 .duologue/vault.keys",
                "600 10001 .duologue/vault.db",
            ]
            stopping = time.monotonic()
            found.stop(timeout=30)
            assert time.monotonic() - stopping < 25, "it stops by itself"
            found.reload()
            assert found.attrs["State"]["ExitCode"] == 0
            said = b"".join(worker.get_logs())
    assert f"{programme.id}:programme:completed:a:0".encode() in said, "messages are lines on its console"
    assert b"worker stopped" in said
