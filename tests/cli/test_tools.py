"""`schema` and `simulate`."""

import json
from pathlib import Path

from duologue.contract import documents
from tests.cli.conftest import Terminal

EXAMPLE = Path(__file__).parents[2] / "examples" / "weekly.yaml"


async def test_schemas_one_all_and_as_files(terminal: Terminal, tmp_path: Path) -> None:
    assert (await terminal("schema", "turn")).data["title"] == "TurnTaken"
    assert (await terminal("schema", "ask-dialogue.json")).data["title"] == "AskDialogue"
    assert set((await terminal("schema", "--json")).data) == set(documents())
    table = (await terminal("schema")).out
    assert all(name in table for name in documents())
    folder = tmp_path / "schemas"
    await terminal("schema", "--out", str(folder))
    assert {p.stem for p in folder.iterdir()} == set(documents())
    assert json.loads((folder / "acts.json").read_text()) == documents()["acts"]


async def test_a_simulation_tells_its_timeline_and_a_summary(terminal: Terminal) -> None:
    said = await terminal("simulate", str(EXAMPLE), "--weeks", "3", "--seed", "4")
    assert "practising begins" in said.out
    assert "pure core" in said.out
    data = (await terminal("simulate", str(EXAMPLE), "--weeks", "3", "--seed", "4", "--json")).data
    assert data["summary"]["entries"] == len(data["timeline"]) == data["summary"]["journal"]
    assert data["summary"]["fingerprint"] in said.out
    everything = await terminal("simulate", str(EXAMPLE), "--weeks", "3", "--seed", "4", "--all")
    assert len(everything.out.splitlines()) > len(said.out.splitlines())
    other = (await terminal("simulate", str(EXAMPLE), "--weeks", "3", "--manner", "ordinary", "--json")).data
    assert other["summary"]["fingerprint"] != data["summary"]["fingerprint"]


async def test_the_tutorial_s_twelve_weeks_hold_twelve_sessions(terminal: Terminal) -> None:
    summary = (await terminal("simulate", str(EXAMPLE), "--weeks", "12", "--seed", "1", "--json")).data[
        "summary"
    ]
    assert (summary["sessions"], summary["ending"]) == ({"done": 12}, "completed")


async def test_a_simulation_is_recorded_for_real(terminal: Terminal, tmp_path: Path) -> None:
    history = tmp_path / "history.json"
    call = ["simulate", str(EXAMPLE), "--weeks", "1", "--on-server", "--out", str(history), "--json"]
    summary = (await terminal(*call)).data["summary"]
    assert summary["ran"] == "on a time-skipping server"
    assert len(json.loads(history.read_text())["events"]) == summary["events"]
