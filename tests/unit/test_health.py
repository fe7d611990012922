"""The health endpoint answers its one question and nothing else."""

import asyncio
import json

import pytest

from duologue.worker import health
from duologue.worker.errors import HealthError

CONTACT = health.Contact(patience=24 * 60 * 60)
"""Made when tests are collected, which may be long before they run."""


async def ask(port: int, request: bytes) -> tuple[int, bytes]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return (int(head.split()[1]) if head else 0), body


async def test_it_tells_whether_the_worker_runs() -> None:
    running = True
    async with health.serve("127.0.0.1", 0, task_queue="q", alive=lambda: running, contact=CONTACT) as port:
        status, body = await ask(port, b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert status == 200
        assert json.loads(body).keys() == {"running", "reachable", "last_contact", "task_queue", "since"}
        running = False
        status, body = await ask(port, b"GET /healthz?verbose HTTP/1.1\r\n\r\n")
        assert (status, json.loads(body)["running"]) == (503, False)
        assert await ask(port, b"HEAD /healthz HTTP/1.1\r\n\r\n") == (503, b"")
    with pytest.raises(OSError, match=r"refused|failed"):
        await ask(port, b"")


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 404),
        (b"POST /healthz HTTP/1.1\r\n\r\n", 405),
        (b"\xff\xfe\r\n\r\n", 0),
        (b"nonsense\r\n\r\n", 0),
        (b"GET /" + b"x" * 100_000 + b" HTTP/1.1\r\n\r\n", 0),
    ],
)
async def test_anything_else_is_turned_away(request_: bytes, status: int) -> None:
    async with health.serve("127.0.0.1", 0, task_queue="q", alive=lambda: True, contact=CONTACT) as port:
        assert (await ask(port, request_))[0] == status
        assert (await ask(port, b"GET /healthz HTTP/1.1\r\n\r\n"))[0] == 200


async def test_a_port_in_use_is_said_with_the_remedy() -> None:
    async with health.serve("127.0.0.1", 0, task_queue="q", alive=lambda: True, contact=CONTACT) as port:
        with pytest.raises(HealthError, match=f"{port}.*DUOLOGUE_HEALTH_PORT"):
            async with health.serve("127.0.0.1", port, task_queue="q", alive=lambda: True, contact=CONTACT):
                pass
