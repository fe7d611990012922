"""On Windows: everything but the embedded server, which needs locks that are not there."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import pytest
from temporalio.client import Client

from duologue.cli import context
from duologue.worker import embedded, service
from duologue.worker.errors import ServerError
from duologue.worker.settings import Settings
from tests.support.servers import settings_in


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """One that is there already, on a machine without these locks."""
    monkeypatch.setattr(embedded, "fcntl", None)
    monkeypatch.delattr("os.O_CLOEXEC")
    return settings_in(tmp_path)


def test_an_existing_data_folder_is_in_nobodys_way(data_folder: Settings) -> None:
    assert data_folder.data_dir.is_dir()
    assert embedded.find(data_folder) is None
    assert context.located(data_folder) is data_folder


async def test_no_server_starts_or_stops_there_and_what_to_use_instead_is_said(data_folder: Settings) -> None:
    named = data_folder.model_copy(update={"temporal_bin": Path("/bin/true")})
    for settings in (data_folder, named):
        with pytest.raises(ServerError, match=r"Linux and macOS only.*TEMPORAL_ADDRESS"):
            await embedded.start(settings)
    assert await embedded.stop(data_folder) is False


async def test_a_worker_serves_without_signal_handlers(
    data_folder: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C comes as a `KeyboardInterrupt` there, which cancels it."""
    begun, ended = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def healthy(*_: Any, **__: Any) -> AsyncIterator[None]:
        begun.set()
        try:
            yield
        finally:
            ended.set()

    def none_here(*_: Any) -> None:
        raise NotImplementedError

    class Connected:
        namespace = "default"

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(loop, "add_signal_handler", none_here)
    monkeypatch.setattr(loop, "remove_signal_handler", none_here)
    monkeypatch.setattr(service, "healthy", healthy)
    serving = asyncio.ensure_future(service.serve(cast("Client", Connected()), data_folder))
    await asyncio.wait({serving, asyncio.ensure_future(begun.wait())}, return_when="FIRST_COMPLETED")
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving
    assert ended.is_set()
