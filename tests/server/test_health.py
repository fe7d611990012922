"""Health for real: a worker whose service has gone says so, and says that it has come back."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

from duologue.worker import embedded, service
from tests.support.programmes import until
from tests.support.servers import free_port, settings_in


async def asked(port: int) -> tuple[int, dict[str, Any]]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /healthz HTTP/1.1\r\n\r\n")
    head, _, body = (await reader.read()).partition(b"\r\n\r\n")
    writer.close()
    return int(head.split()[1]), json.loads(body)


async def test_a_worker_without_its_service_is_not_well(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data", health_port=free_port(), health_patience=1, graceful_shutdown=0)

    async def says(wanted: int) -> dict[str, Any] | None:
        status, told = await asked(settings.health_port)
        return told if status == wanted else None

    await embedded.start(settings, headless=True)
    try:
        client = await service.connect(settings, embedded=True)
        async with service.healthy(client, settings):
            well = await until(lambda: says(200), "a worker that is well")
            await embedded.stop(settings)
            ill = await until(lambda: says(503), "a worker that is not")
            assert (ill["running"], ill["reachable"]) == (True, False)
            assert datetime.fromisoformat(well["last_contact"]) <= datetime.fromisoformat(ill["last_contact"])
            await embedded.start(settings, headless=True)
            again = await until(lambda: says(200), "a worker that is well again")
            assert datetime.fromisoformat(again["last_contact"]) > datetime.fromisoformat(ill["last_contact"])
    finally:
        await embedded.stop(settings)
