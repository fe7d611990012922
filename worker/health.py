"""The health endpoint of a worker: one address, one question, one answer.

Only `GET /healthz` lives here: 200 while the worker runs and the Temporal service answers it, and 503 otherwise, with a
JSON object of `running`, `reachable`, `last_contact`, `task_queue` and `since`. It tells nothing about programmes, so
it needs no authentication; it runs in the worker's own event loop, so a loop that is stuck does not answer.
"""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from duologue.worker.errors import HealthError

PATH = "/healthz"
_PATIENCE = 5.0
_HEADERS_MAX = 100


class Contact:
    """Whether the Temporal service still answers. A worker goes on polling a service that is gone, and says nothing."""

    LOOKS = 5
    """In the time of its patience."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self.heard()

    def heard(self) -> None:
        """It has answered just now."""
        self.last, self._at = datetime.now(UTC), time.monotonic()

    @property
    def lost(self) -> bool:
        """Whether it has not for longer than the patience lasts."""
        return time.monotonic() - self._at > self._patience

    async def keep(self, client: Client) -> None:
        """Ask again and again, for as long as this is not cancelled. What is asked is no billed action."""
        pause = self._patience / self.LOOKS
        asked = DescribeNamespaceRequest(namespace=client.namespace)
        while True:
            with contextlib.suppress(RPCError):
                await client.workflow_service.describe_namespace(asked, timeout=timedelta(seconds=pause))
                self.heard()
            await asyncio.sleep(pause)


@asynccontextmanager
async def contact(client: Client, patience: float) -> AsyncIterator[Contact]:
    """The contact with a service that a client is connected to, kept for as long as the block lasts."""
    found = Contact(patience)
    keeping = asyncio.create_task(found.keep(client))
    try:
        yield found
    finally:
        keeping.cancel()
        await asyncio.wait([keeping])


@asynccontextmanager
async def serve(
    host: str, port: int, *, task_queue: str, alive: Callable[[], bool], contact: Contact
) -> AsyncIterator[int]:
    """The endpoint at `host:port` for as long as the block lasts; yields the port (0 asks for any free one).

    `alive` tells whether the worker runs. Raises `HealthError` where the port cannot be had.
    """
    since = datetime.now(UTC).isoformat(timespec="seconds")

    def answer(method: str, path: str) -> tuple[HTTPStatus, dict[str, object]]:
        if method not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, {}
        if path.partition("?")[0] != PATH:
            return HTTPStatus.NOT_FOUND, {}
        running, reachable = alive(), not contact.lost
        status = HTTPStatus.OK if running and reachable else HTTPStatus.SERVICE_UNAVAILABLE
        return status, {
            "running": running,
            "reachable": reachable,
            "last_contact": contact.last.isoformat(timespec="seconds"),
            "task_queue": task_queue,
            "since": since,
        }

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, ValueError, TimeoutError):
            async with asyncio.timeout(_PATIENCE):
                method, path, _version = (await reader.readline()).decode("ascii").split()
                for _ in range(_HEADERS_MAX):
                    if (await reader.readline()).strip() == b"":
                        break
                status, told = answer(method, path)
                body = json.dumps(told).encode()
                head = (
                    f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
                    f"Content-Length: {len(body)}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
                )
                writer.write(head.encode("ascii") + (b"" if method == "HEAD" else body))
                await writer.drain()
        writer.close()

    try:
        server = await asyncio.start_server(talk, host, port)
    except OSError as error:
        raise HealthError(
            f"The health endpoint cannot listen on {host}:{port}: {error.strerror}.",
            "Choose another port by DUOLOGUE_HEALTH_PORT; 0 serves none.",
        ) from error
    async with server:
        yield server.sockets[0].getsockname()[1]
