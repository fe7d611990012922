"""`up` for real: it serves, is reused, and leaves nothing behind."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from duologue.worker import embedded
from duologue.worker.settings import Settings
from tests.cli.conftest import FILE, python
from tests.support.servers import free_port, settings_in


def environment(settings: Settings, **more: str) -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("TEMPORAL_", "DUOLOGUE_"))}
    own = {
        "DUOLOGUE_DATA_DIR": str(settings.data_dir),
        "DUOLOGUE_SERVER_PORT": str(settings.server_port),
        "DUOLOGUE_UI_PORT": str(settings.ui_port),
        "DUOLOGUE_CODEC_PORT": str(settings.codec_port),
        "DUOLOGUE_HEALTH_PORT": str(free_port()),
    }
    return kept | own | more


@asynccontextmanager
async def started(*arguments: str, env: dict[str, str]) -> AsyncIterator[Process]:
    """A command in a process group of its own, as a shell starts it."""
    process = await asyncio.create_subprocess_exec(
        *arguments, env=env, stdout=PIPE, stderr=PIPE, start_new_session=True
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            await process.wait()


async def lines_until(process: Process, word: str) -> str:
    """What it prints until a line with `word`."""
    assert process.stdout is not None
    said = ""
    async with asyncio.timeout(30):
        while line := (await process.stdout.readline()).decode():
            said += line
            if word in line:
                return said
    assert process.stderr is not None
    pytest.fail(f"no '{word}' in {said} {(await process.stderr.read()).decode()}")


async def run(*arguments: str, env: dict[str, str]) -> tuple[int, str, str]:
    async with started(*python(), *arguments, env=env) as process:
        out, err = await asyncio.wait_for(process.communicate(), 30)
        assert process.returncode is not None
        return process.returncode, out.decode(), err.decode()


async def test_up_serves_is_reused_and_leaves_nothing(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    env = environment(settings)
    (tmp_path / "couple.yaml").write_text(FILE.format(programme="couple"))
    makefile = tmp_path / "Makefile"
    makefile.write_text(f"up:\n\t@{sys.executable} -m duologue up\n")
    async with started("make", "-f", str(makefile), "up", env=env) as up:
        said = await lines_until(up, "Ready")
        server = embedded.find(settings)
        assert server is not None
        assert server.address in said
        assert f"http://127.0.0.1:{settings.ui_port}" in said
        assert str(settings.data_dir) in said
        # Found by the data folder, also under another port.
        code, out, err = await run(
            "start", str(tmp_path / "couple.yaml"), env=env | {"DUOLOGUE_SERVER_PORT": str(free_port())}
        )
        assert (code, err) == (0, "")
        assert "couple" in out
        code, out, _ = await run("show", "couple", env=env)
        assert code == 0
        assert "enrolling" in out

        # A second one uses the first one's server; here it has no health port left, and says so.
        code, out, err = await run("up", env=env)
        assert code == 1
        assert "Ready" not in out
        assert "DUOLOGUE_HEALTH_PORT" in err
        assert "worker" not in err, "one had begun before it was said"
        assert embedded.find(settings) == server

        # Ctrl-C, and once more for good measure.
        os.killpg(up.pid, signal.SIGINT)
        await asyncio.sleep(0.05)
        os.killpg(up.pid, signal.SIGINT)
        assert await asyncio.wait_for(up.wait(), 30) is not None
        assert embedded.find(settings) is None


async def test_up_takes_over_what_a_killed_one_left(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    env = environment(settings)
    async with started(*python(), "up", "--headless", "--no-worker", env=env) as killed:
        await lines_until(killed, "Ready")
        killed.kill()
        await killed.wait()
    left = embedded.find(settings)
    assert left is not None
    async with started(*python(), "up", "--headless", "--no-worker", env=env) as up:
        said = await lines_until(up, "Ready")
        assert f"{left.address}, namespace default; found running, its owner gone, and taken over" in said
        up.terminate()
        assert await asyncio.wait_for(up.wait(), 30) == 0
    assert embedded.find(settings) is None


async def test_up_notices_the_end_of_its_server(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    async with started(*python(), "up", "--headless", "--no-worker", env=environment(settings)) as up:
        said = await lines_until(up, "Ready")
        assert "none (--headless)" in said
        assert "none (--no-worker)" in said
        server = embedded.find(settings)
        assert server is not None
        os.kill(server.pid, signal.SIGKILL)
        _, err = await asyncio.wait_for(up.communicate(), 30)
        assert up.returncode == 1
        assert "The embedded server has ended." in err.decode()


async def test_up_stops_what_it_has_started_however_early(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    async with started(*python(), "up", "--headless", env=environment(settings)) as up:
        await lines_until(up, "Starting")
        up.terminate()
        assert await asyncio.wait_for(up.wait(), 30) == 0
    assert embedded.find(settings) is None


async def test_a_worker_ends_gracefully(embedded_server: embedded.Server, tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    env = environment(settings, TEMPORAL_ADDRESS=embedded_server.address, DUOLOGUE_TASK_QUEUE="cli-worker")
    async with started(*python(), "worker", env=env) as worker:
        assert worker.stderr is not None
        async with asyncio.timeout(30):
            while b"worker started" not in await worker.stderr.readline():
                assert worker.returncode is None
        worker.terminate()
        _, err = await asyncio.wait_for(worker.communicate(), 30)
        assert worker.returncode == 0
        assert b"worker stopped" in err
