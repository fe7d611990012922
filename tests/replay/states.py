"""The state that each recorded history leads the workflow to, by a fingerprint of the whole of it, run by run.

    .venv/bin/python -m tests.replay.states           what they lead to now
    .venv/bin/python -m tests.replay.states --keep    from now on they are to lead there

What recording keeps is changed by hand only where what a state holds has changed, and no rule.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import sys
from pathlib import Path
from typing import Any

from temporalio.client import WorkflowHistory

from tests.support.programmes import replays
from tests.support.watched import fingerprint

FOLDER = Path(__file__).with_name("histories")
STATES = FOLDER / "states.json"

States = dict[str, list[str]]


def read(name: str) -> dict[str, Any]:
    """A recording, by its name."""
    loaded: dict[str, Any] = json.loads(gzip.decompress((FOLDER / f"{name}.json.gz").read_bytes()))
    return loaded


def names() -> list[str]:
    """Of all recordings."""
    return sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))


def runs_of(recording: dict[str, Any]) -> list[WorkflowHistory]:
    """A recording's runs, first to last."""
    return [WorkflowHistory.from_json(recording["workflow_id"], run) for run in recording["runs"]]


def kept() -> States:
    """Where each run is to lead."""
    found: States = json.loads(STATES.read_text())
    return found


def keep(led_to: States) -> None:
    """Keep where these lead."""
    STATES.write_text(json.dumps(kept() | led_to, indent=2, sort_keys=True) + "\n")


async def reached(runs: list[WorkflowHistory]) -> list[str]:
    """Where each of the runs leads."""
    return [fingerprint(await replays(run)) for run in runs]


async def all_reached() -> States:
    """Where each recorded run leads now."""
    return {name: await reached(runs_of(read(name))) for name in names()}


if __name__ == "__main__":
    found = asyncio.run(all_reached())
    if "--keep" in sys.argv:
        keep(found)
    print(json.dumps(found))  # noqa: T201 - what was asked for
