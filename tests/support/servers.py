"""The Temporal servers that tests run against, each started once in a worker process and only if a test asks.

- `embedded_server`: the real server, headless, on a free port, its data in a temporary folder
- `embedded_client`: a client of it
- `time_skipping`: the time-skipping test server; its clock is shared, so it must not serve two tests at once

All have the search attributes registered, and clients have the pydantic data converter.
"""

import contextlib
import random
import shlex
import shutil
import socket
import sysconfig
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.testing import WorkflowEnvironment

from duologue.worker import embedded, namespace
from duologue.worker.settings import Settings

# Systems give out by themselves what lies above: a port from there may be somebody's connection a moment later. And no
# two tests that run at the same time try the same ones.
_PORTS = iter(random.SystemRandom().sample(range(10_000, 30_000), 20_000))


def free_port() -> int:
    """A port of the loopback address that is free, and is given to nobody else unless they ask for that one."""
    for port in _PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def program(name: str) -> str:
    """The path of a program that the virtual environment brings."""
    found = shutil.which(name, path=sysconfig.get_path("scripts"))
    assert found, f"{name} is not installed: make setup"
    return found


def settings_in(folder: Path, **given: object) -> Settings:
    """Settings of an embedded server of one's own: its data in `folder`, its ports free ones."""
    ports = {f"{what}_port": free_port() for what in ("server", "ui", "codec")}
    # Notices go through their motions at once: what is waited for in them is the same whatever they are.
    brief = {"notice_span": 0.05, "notice_waits": "none", "notice_last_waits": "none"}
    return Settings.load(**({"data_dir": folder, "health_port": 0} | brief | ports | given))


def hasty(folder: Path) -> Path:
    """The `temporal` program, made in `folder`, that leaves it to the system when its data reach the disk.

    A server of tests has them whoever is killed, and need not have them after a power failure. To wait for the disk at
    every transaction is half of all the time that a programme takes.
    """
    path = folder / "temporal"
    path.write_text(
        f'#!/bin/sh\nexec {shlex.quote(program("temporal"))} "$@" --sqlite-pragma synchronous=0\n'
    )
    path.chmod(0o700)
    return path


@pytest.fixture(scope="session")
async def embedded_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[embedded.Server]:
    """A real server, prepared for programmes; see `server.address`."""
    folder = tmp_path_factory.mktemp("server")
    settings = settings_in(folder / "data", temporal_bin=hasty(folder))
    async with embedded.running(settings, headless=True) as server:
        yield server


@pytest.fixture(scope="session")
async def embedded_client(embedded_server: embedded.Server) -> Client:
    """A client of the real server, in its namespace `default`."""
    return await Client.connect(
        embedded_server.address, data_converter=pydantic_data_converter, identity="duologue-test"
    )


@pytest.fixture(scope="session")
async def time_skipping() -> AsyncIterator[WorkflowEnvironment]:
    """An environment whose clock runs on whenever nothing else is to be done."""
    async with await WorkflowEnvironment.start_time_skipping(
        test_server_existing_path=program("temporal-test-server"), data_converter=pydantic_data_converter
    ) as environment:
        await namespace.prepare(environment.client, retention_days=90)
        yield environment
