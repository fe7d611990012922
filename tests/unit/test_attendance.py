"""Who comes, by name, over a cohort; and the picture of its course."""

from xml.etree import ElementTree as ET

import pytest

from duologue.cohort import Cohort, Week, cohort
from duologue.habits import ATTENDANCE
from duologue.picture import summary, svg
from duologue.practice.events import Adjusted, Event, SessionMissed
from duologue.practice.state import State
from duologue.practice.values import Instant
from duologue.simulate import reference_plan, simulate

SVG = "{http://www.w3.org/2000/svg}"


def of(name: str, couples: int = 4, seed: int = 0) -> Cohort:
    return cohort(reference_plan(), manner=ATTENDANCE[name], couples=couples, seed=seed)


@pytest.fixture(scope="module")
def courses() -> dict[str, Cohort]:
    return {name: of(name) for name in ATTENDANCE}


def events(name: str, seed: int = 0) -> list[Event]:
    seen: list[Event] = []

    def watch(given: object, written: list[Event], state: State, now: Instant) -> None:
        seen.extend(written)

    simulation = simulate(reference_plan(), manner=ATTENDANCE[name], seed=seed)
    simulation.watch = watch  # type: ignore[assignment]
    simulation.run()
    return seen


def test_the_steady_hold_every_session(courses: dict[str, Cohort]) -> None:
    steady = courses["steady"]
    assert [week.held for week in steady.weeks] == [4] * 12
    assert {what: steady.total(what) for what in ("unfinished", "missed", "rebooked", "called", "paused")} == {
        "unfinished": 0, "missed": 0, "rebooked": 0, "called": 0, "paused": 0,
    }  # fmt: skip
    assert steady.endings == {"completed": 4}


def test_the_fading_come_less_and_less(courses: dict[str, Cohort]) -> None:
    fading = courses["fading"]
    early, late = fading.weeks[:4], fading.weeks[8:12]
    assert sum(w.missed for w in late) > sum(w.missed for w in early)
    assert sum(w.held for w in late) < sum(w.held for w in early)
    assert fading.total("called") > 0


def test_of_the_one_sided_only_one_stays_away() -> None:
    absences = [
        e.absent for seed in range(2) for e in events("one-sided", seed) if isinstance(e, SessionMissed)
    ]
    assert absences
    assert set(absences) == {("b",)}


def test_the_travelling_say_where_they_are_and_move_sessions(courses: dict[str, Cohort]) -> None:
    zones = [e.person.zone for e in events("travelling") if isinstance(e, Adjusted)]
    assert len(set(zones)) == 3
    assert all(e.by == "b" for e in events("travelling") if isinstance(e, Adjusted))
    moved = courses["travelling"]
    assert moved.total("rebooked") > moved.total("missed") + moved.total("unfinished")


def test_a_seed_gives_one_course_and_another_seed_another(courses: dict[str, Cohort]) -> None:
    assert of("fading", couples=2) == of("fading", couples=2)
    assert of("fading", couples=2) != of("fading", couples=2, seed=2)
    alone, beside = of("fading", couples=1, seed=1), of("fading", couples=2)
    assert beside.total("held") == of("fading", couples=1).total("held") + alone.total("held")


def test_the_picture_is_well_formed_and_carries_the_counts(courses: dict[str, Cohort]) -> None:
    found = courses["fading"]
    text = svg(found, attendance="fading")
    assert text == svg(found, attendance="fading")
    root = ET.fromstring(text)  # noqa: S314 - written here
    assert root.get("role") == "img"
    ids = {element.get("id") for element in root.iter()}
    assert set((root.get("aria-labelledby") or "").split()) <= ids
    weeks = [group for group in root.iter(f"{SVG}g") if group.get("class") == "week"]
    for what in ("held", "unfinished", "missed", "rebooked", "called", "paused", "couples"):
        assert [int(g.get(f"data-{what}") or -1) for g in weeks] == [getattr(w, what) for w in found.weeks]
    for group, week in zip(weeks, found.weeks, strict=True):
        title = group.find(f"{SVG}title")
        assert title is not None
        assert (title.text or "").startswith(f"Week {week.number}: {week.held} held")
        drawn = {
            rect.get("class", "").split()[0]: float(rect.get("height", 0))
            for rect in group.iter(f"{SVG}rect")
        }
        assert drawn.keys() == {what for what in ("held", "unfinished", "missed") if getattr(week, what)}
        heights = [(height, getattr(week, what)) for what, height in drawn.items()]
        # One unit a count, over all columns.
        assert all(
            height / count == pytest.approx(250 / top_of(found), abs=0.06) for height, count in heights
        )
    desc = root.find(f"{SVG}desc")
    assert desc is not None
    assert desc.text == summary(found)


def top_of(found: Cohort) -> int:
    most = max(found.couples, *(w.held + w.unfinished + w.missed for w in found.weeks))
    step = next(s for s in (1, 2, 5, 10, 20, 50) if most / s <= 5)
    return -(-most // step) * step


def test_what_stands_in_the_picture_is_escaped_and_nothing_is_too_little() -> None:
    odd = Cohort(programme="a", couples=1, seed=0, weeks=(), endings={})
    assert ET.fromstring(svg(odd, attendance="<&>")) is not None  # noqa: S314 - written here
    many = odd.with_(couples=5000, weeks=tuple(Week(number=n, held=4000, couples=5000) for n in range(1, 61)))
    labels = [t.text for t in ET.fromstring(svg(many)).iter(f"{SVG}text")]  # noqa: S314 - written here
    assert "5000" in labels
    assert len(labels) < 60
