"""A terminal: the command line run in this process, against the session's server and a worker of its own."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import Client

from duologue.cli import execute
from duologue.worker import embedded
from tests.support import programmes

FILE = """\
programme: {programme}
people:
  a: {{ref: person-1, quiet: null}}
  b: {{ref: person-2, quiet: null}}
facilitators: [facilitator-1]
cadence: {{every: list, at: ["+2h", "+3h", "+4h", "+5h"]}}
curriculum:
  name: test
  items:
    - {{title: A safe start, kinds: [appreciation], theme: something small}}
policy: {{opens_before: 10h, notice: 0s, reminders: []}}
"""


@dataclass(frozen=True)
class Said:
    """What a command said."""

    code: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed as JSON."""
        return json.loads(self.out)


class Terminal:
    """Runs commands; each in a thread of its own, since each has an event loop of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._capsys = capsys
        self.folder = folder

    async def __call__(self, *arguments: str, code: int | None = 0) -> Said:
        """Run a command; `code` is the exit code it should have, None any."""
        self._capsys.readouterr()
        found = await asyncio.to_thread(execute, arguments)
        said = Said(found, *self._capsys.readouterr())
        assert code is None or said.code == code, (arguments, said)
        assert "\x1b" not in said.out + said.err
        assert not set("─│╭╮╰╯━┃") & set(said.out + said.err)
        return said

    def file(self, programme: str | None = None) -> tuple[str, Path]:
        """A programme file, and the id in it."""
        programme = programme or f"cli-{uuid4().hex[:8]}"
        path = self.folder / f"{programme}.yaml"
        path.write_text(FILE.format(programme=programme))
        return programme, path


@pytest.fixture
def terminal(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """A terminal where nothing answers."""
    monkeypatch.setenv("DUOLOGUE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("TEMPORAL_ADDRESS", "127.0.0.1:1")
    monkeypatch.setenv("COLUMNS", "100")
    return Terminal(capsys, tmp_path)


@pytest.fixture
async def online(
    terminal: Terminal,
    embedded_server: embedded.Server,
    embedded_client: Client,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Terminal]:
    """A terminal with a server and a worker behind it."""
    client = programmes.client_of(embedded_client)
    monkeypatch.setenv("TEMPORAL_ADDRESS", embedded_server.address)
    monkeypatch.setenv("DUOLOGUE_TASK_QUEUE", client.task_queue)
    async with programmes.working(client, programmes.Desk()):
        yield terminal


def python() -> list[str]:
    """The command as a process of its own."""
    return [sys.executable, "-m", "duologue"]
