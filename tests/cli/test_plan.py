"""`plan`, and the cohorts of `simulate`."""

import json
from pathlib import Path
from xml.etree import ElementTree as ET

from ical.calendar_stream import IcsCalendarStream

from tests.cli.conftest import Terminal

HOW_TO = Path(__file__).parents[2] / "docs" / "how-to" / "plan-a-programme.md"
EXAMPLE = str(Path(__file__).parents[2] / "examples" / "weekly.yaml")
STARTS = "2027-01-04T10:00+01:00"


async def test_a_plan_tells_everything_before_anything_starts(terminal: Terminal) -> None:
    said = (await terminal("plan", EXAMPLE, "--starts", STARTS)).out
    for part in (
        "Mon 2027-01-11 19:30 +01:00  Europe/Berlin  2027-01-11 18:30",
        "Mon 2027-03-29 19:30 +02:00  Europe/Berlin  2027-03-29 17:30",
        "in place of commitment",
        "Sun 2027-01-10 18:30 +00:00 · Mon 2027-01-11 16:30 +00:00",
        "the next contact: message second_miss",
        "the programme ends: silence",
        "in all ",
        "Billed actions",
        "$50 a million",
    ):
        assert part in said
    assert len([line for line in said.splitlines() if " Europe/Berlin  2027-" in line]) == 12


async def test_what_the_how_to_shows_of_a_plan_is_what_it_says(terminal: Terminal) -> None:
    said = (await terminal("plan", EXAMPLE, "--starts", STARTS)).out.splitlines()
    blocks = HOW_TO.read_text().split("```")[1::2]
    shown = [line for block in blocks if block.startswith("\n") for line in block.splitlines() if line]
    assert {line.split()[0] for line in shown} >= {"Sessions", "Events", "Billed", "Price", "Storage"}
    for line in shown:
        whole = line.removesuffix("…").rstrip()
        assert any(told == whole or (whole != line and told.startswith(whole)) for told in said), line


async def test_a_plan_is_json_and_a_calendar(terminal: Terminal) -> None:
    ics = terminal.folder / "plan.ics"
    data = (await terminal("plan", EXAMPLE, "--starts", STARTS, "--json", "--ics", str(ics))).data
    assert [s["number"] for s in data["sessions"]] == list(range(1, 13))
    assert data["cost"]["actions"] == sum(data["cost"]["by_action"].values())
    entries = IcsCalendarStream.calendar_from_ics(ics.read_text()).events
    assert [f"{e.start:%Y-%m-%dT%H:%M:%S}Z" for e in entries] == [s["start"] for s in data["sessions"]]
    assert b"\r\n" in ics.read_bytes()


async def test_a_plan_from_now_on(terminal: Terminal) -> None:
    _, file = terminal.file()
    assert "1, for 1 of the curriculum" in (await terminal("plan", str(file))).out
    assert "is no time" in (await terminal("plan", str(file), "--starts", "soon", code=2)).err
    assert (await terminal("plan", "nowhere.yaml", code=1)).err


async def test_a_cohort_is_told_by_week_and_drawn(terminal: Terminal) -> None:
    picture = terminal.folder / "cohort.svg"
    call = ["simulate", EXAMPLE, "--attendance", "one-sided", "--couples", "2", "--seed", "3", "--weeks", "6"]
    said = (await terminal(*call, "--picture", str(picture))).out
    assert said.startswith("WEEK")
    assert "Attendance one-sided, seeds 3 to 4. 2 couples." in said
    data = (await terminal(*call, "--json")).data
    drawn = ET.fromstring(picture.read_text())  # noqa: S314 - written here
    held = [g.get("data-held") for g in drawn.iter() if g.get("class") == "week"]
    assert held == [str(week["held"]) for week in data["weeks"]]


async def test_what_goes_together_and_what_does_not(terminal: Terminal) -> None:
    assert "ends in .svg" in (await terminal("simulate", EXAMPLE, "--picture", "c.png", code=2)).err
    assert "--on-server" in (await terminal("simulate", EXAMPLE, "--couples", "2", "--on-server", code=2)).err
    error = (await terminal("simulate", EXAMPLE, "--picture", "c.png", "--json", code=2)).err
    assert json.loads(error)["error"] == "picture"
    one = await terminal("simulate", EXAMPLE, "--attendance", "travelling", "--weeks", "2", "--json")
    assert one.data["summary"]["attendance"] == "travelling"
