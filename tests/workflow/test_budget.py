"""What the engine costs stays within its budget: `make bench` as a test."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.timeout(240)
async def test_the_budget_holds() -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "bench/run.py", "--json"), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await process.communicate()
    figures = json.loads(said)
    assert [f"{f['name']}: {f['counted']} > {f['most']}" for f in figures if not f["within"]] == []
    assert sum(f["most"] is not None for f in figures) >= 11
    assert process.returncode == 0
