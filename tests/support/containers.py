"""The development server and our own image as containers, for tests marked `containers`."""

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from testcontainers.core.container import DockerContainer
from testcontainers.core.docker_client import DockerClient
from testcontainers.core.network import Network

from duologue.worker import namespace

ROOT = Path(__file__).parents[2]
SERVICES: Mapping[str, Any] = YAML(typ="safe").load(ROOT / "docker-compose.yml")["services"]
"""What the compose file says: here it is done by hand, so that no plugin is needed."""
OURS = "duologue:test"
PORT = 7233
_PATIENCE = 60.0


def server() -> DockerContainer:
    """The development server as the compose file has it, its data in memory; not started yet."""
    service = SERVICES["temporal"]
    found: DockerContainer = (
        DockerContainer(service["image"])
        .with_command(service["command"])
        .with_kwargs(user=service["user"])
        .with_tmpfs_mount("/data")
        .with_exposed_ports(PORT)
    )
    return found


async def client_of(started: DockerContainer) -> Client:
    """A client of a server that has been started, once it answers."""
    address = f"{started.get_container_host_ip()}:{started.get_exposed_port(PORT)}"
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return await Client.connect(
                address, data_converter=pydantic_data_converter, identity="duologue-test"
            )
        except RuntimeError:
            assert time.monotonic() < deadline, f"no server answers at {address}"
        await asyncio.sleep(0.1)


@pytest.fixture(scope="session")
async def container_client() -> AsyncIterator[Client]:
    """A client of a server in a container, its namespace `default` prepared for programmes."""
    with server() as started:
        client = await client_of(started)
        await namespace.prepare(client, retention_days=90)
        yield client


@pytest.fixture(scope="session")
def our_image() -> str:
    """The name of our image, built from this checkout. What has not changed the engine takes from its cache."""
    built = subprocess.run(
        ["docker", "build", "--tag", OURS, str(ROOT)], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout[-4000:] + built.stderr[-4000:]
    return OURS


@pytest.fixture
def volume() -> Iterator[str]:
    """A volume for one test."""
    engine = DockerClient().client
    made = engine.volumes.create()
    yield str(made.name)
    made.remove(force=True)


@contextmanager
def ours(image: str, service: str, network: Network, volume: str) -> Iterator[DockerContainer]:
    """One of the compose file's services that run our image, on a network with its server, and `volume` for its own."""
    said = SERVICES[service]
    container = DockerContainer(image).with_command(said["command"]).with_network(network)
    for name, value in said["environment"].items():
        container = container.with_env(name, value)
    for mount in said.get("volumes", ()):
        container = container.with_volume_mapping(volume, mount.partition(":")[2], "rw")
    with container as started:
        yield started
