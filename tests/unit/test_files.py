"""Programme files: what they may say, and what their writer is told when something is wrong."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from duologue.files import (
    FileError,
    builtin_curricula,
    load_curriculum,
    load_programme,
    parse_programme,
    programme_schema,
)
from duologue.practice.kinds import KINDS
from duologue.practice.plan import OPT_IN, Listed, Plan, Weekly

EXAMPLES = Path(__file__).parents[2] / "examples"

WELL = """\
programme: couple-1
people:
  a: {ref: person-1, zone: Europe/Berlin}
  b: {ref: person-2}
zone: Europe/Berlin
cadence:
  every: week
  on: [monday]
  at: 19:00
curriculum: twelve-weeks
safeguarding: safeguarding-1
"""


def told(text: str, folder: Path | None = None) -> list[str]:
    """What is said about a file, a line each, without the file's name."""
    with pytest.raises(FileError) as refused:
        parse_programme(text, name="f.yaml", folder=folder)
    return [line.removeprefix("f.yaml:") for line in str(refused.value).splitlines()]


def changed(old: str, new: str) -> str:
    assert old in WELL
    return WELL.replace(old, new)


# --- what is read -----------------------------------------------------------------------------------------------------


def test_a_time_of_day_stays_text_and_a_day_is_a_day() -> None:
    plan = parse_programme(changed("at: 19:00", "at: 19:00\n  start: 2027-01-04"))
    assert isinstance(plan.cadence, Weekly)
    assert (plan.cadence.at, str(plan.cadence.start)) == ("19:00", "2027-01-04")


def test_a_list_holds_instants_and_times_from_the_start() -> None:
    cadence = "cadence: {every: list, at: [+3h, 2027-01-04T19:00:00+01:00]}\n"
    plan = parse_programme(WELL.replace(WELL[WELL.index("cadence") : WELL.index("curriculum")], cadence))
    assert isinstance(plan.cadence, Listed)
    assert [str(at) for at in plan.cadence.at] == ["+3h", "2027-01-04 18:00:00+00:00"]


def test_a_time_from_the_start_of_which_nobody_can_be_told_in_time_is_no_slot() -> None:
    cadence = "cadence:\n  every: list\n  at: [+20s, +3h]\n"
    text = WELL.replace(WELL[WELL.index("cadence") : WELL.index("curriculum")], cadence)
    [said] = told(text)
    assert said.startswith(
        "8: cadence.at[0]: '+20s' would be passed over, as too soon for both to be told 2h before"
    )
    assert said.endswith("write a later time, or a shorter notice, as in policy: {notice: 0s}")
    assert parse_programme(text + "\npolicy: {notice: 0s}\n").policy.notice == timedelta(0)


@pytest.mark.parametrize("indent", [None, 2, "\t"])
def test_json_is_read_too(indent: int | str | None) -> None:
    plan = parse_programme(WELL)
    again = parse_programme(json.dumps(plan.model_dump(mode="json"), indent=indent))
    assert again == plan


def test_a_curriculum_is_named_or_written_in_place_or_a_file_beside(tmp_path: Path) -> None:
    (tmp_path / "short.yaml").write_text("name: short\nitems: [{kinds: [full]}]\n")
    (tmp_path / "couple.yaml").write_text(changed("twelve-weeks", "short.yaml"))
    beside = load_programme(tmp_path / "couple.yaml").curriculum
    inline = parse_programme(
        changed("twelve-weeks", "\n  name: short\n  items: [{kinds: [full]}]")
    ).curriculum
    assert beside == inline == load_curriculum(tmp_path / "short.yaml")
    assert parse_programme(WELL).curriculum == load_curriculum("twelve-weeks")


def test_the_built_in_twelve_weeks_are_those_of_the_reference() -> None:
    curriculum = load_curriculum("twelve-weeks")
    assert [list(item.kinds) for item in curriculum.items] == [
        ["appreciation", "mirroring"],
        ["full"],
        ["vision"],
        ["commitment"],
        ["full"],
        ["story"],
        ["full", "mirroring"],
        ["trigger"],
        ["request"],
        ["request"],
        ["caring"],
        ["review"],
    ]
    assert [n for n, item in enumerate(curriculum.items, 1) if item.midpoint] == [6]
    assert [item.first_sender for item in curriculum.items[8:10]] == ["a", "b"]
    assert all(item.fallback == "full" for item in curriculum.items if set(item.kinds) & set(OPT_IN))
    assert all(item.title and item.theme for item in curriculum.items)
    assert curriculum.tail is not None
    assert (curriculum.tail.item.kinds, curriculum.tail.cadence.every) == (("full",), "month")
    assert {kind for item in curriculum.items for kind in item.kinds} == set(KINDS)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda p: p.name)
def test_every_example_loads_and_fits_the_schema(example: Path) -> None:
    assert isinstance(load_programme(example), Plan)


# --- what is wrong ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("  at: 19:00\n", "", "6: cadence.at: is missing; add a time, as in at: 19:00"),
        ("at: 19:00", "at: 7pm", "9: cadence.at: '7pm' does not fit; write a time as in 19:00"),
        ("[monday]", "monday", "8: cadence.on: is not a list; write [monday]"),
        ("[monday]", "[mondy]", "8: cadence.on[0]: 'mondy' is not possible; did you mean 'monday'?"),
        ("[monday]", "[]", "8: cadence.on: holds 0; name at least 1"),
        ("every: week", "every: weak", "7: cadence.every: 'weak' is not possible; did you mean 'week'?"),
        (
            "  every: week\n",
            "",
            "6: cadence: does not say what it repeats by; add every: week, days, month or list",
        ),
        ("at: 19:00", "at:", "9: cadence.at: is empty; give it a value or remove the line"),
        (
            "at: 19:00",
            "at: 19:00\n  intervall: 2",
            "10: cadence.intervall: there is no such field; did you mean 'interval'?",
        ),
        (
            "at: 19:00",
            "at: 19:00\n  interval: often",
            "10: cadence.interval: is not a whole number; write one, as in 3",
        ),
        (
            "at: 19:00",
            "at: 19:00\n  skip: [Monday]",
            "10: cadence.skip[0]: is not a day; write one as in 2027-01-04",
        ),
        (
            "at: 19:00",
            "at: 19:00\n  start: 2027-02-01\n  until: 2027-01-01",
            "11: cadence.until: the cadence ends before it starts; name a later day",
        ),
        (
            "zone: Europe/Berlin\nc",
            "zone: Berlin\nc",
            "5: zone: there is no time zone 'Berlin'; did you mean Europe/Berlin?",
        ),
        (
            "Europe/Berlin}",
            "Europe/Berln}",
            "3: people.a.zone: there is no time zone 'Europe/Berln'; did you mean Europe/Berlin?",
        ),
        (
            "ref: person-2",
            "ref: person-1",
            "2: people: a and b are two people; give each a reference of their own",
        ),
        ("ref: person-2", "ref: 2", "4: people.b.ref: is not text; put it in quotes"),
        (
            "ref: person-2",
            "ref: b@example.org",
            (
                "4: people.b.ref: 'b@example.org' does not fit; a reference is letters, digits and . _ : - only, "
                "and never a name or an address"
            ),
        ),
        (
            "ref: person-2",
            "ref: person-2, quiet: {start: 22:00, end: 22:00}",
            "4: people.b.quiet: quiet hours end when they begin; for messages at any hour write quiet: null",
        ),
        (
            "ref: person-2",
            "ref: person-2, opt_in: [full]",
            "4: people.b.opt_in[0]: 'full' is not opt-in; known here: commitment, story",
        ),
        (
            "programme: couple-1\n",
            "",
            "1: programme: is missing; add an id of yours, as in programme: couple-42",
        ),
        (
            "zone: Europe/Berlin\nc",
            "zone: Europe/Berlin\nzone: UTC\nc",
            "6: zone: this field is there twice; the first is on line 5; keep one of them",
        ),
        (
            "zone: Europe/Berlin\nc",
            "zone: Europe/Berlin\nsafegarding: s1\nc",
            "6: safegarding: there is no such field; did you mean 'safeguarding'?",
        ),
        (
            "twelve-weeks",
            "twelve-week",
            (
                "10: curriculum: there is no curriculum 'twelve-week'; did you mean 'twelve-weeks'? "
                "(a file is named by its path, as in ./mine.yaml)"
            ),
        ),
        (
            "twelve-weeks",
            "\n  name: mine\n  items:\n  - kinds: [full]\n  - kinds: [storry]",
            "14: curriculum.items[1].kinds[0]: 'storry' is not possible; did you mean 'story'?",
        ),
        (
            "twelve-weeks",
            "\n  name: mine\n  items: [{kinds: [story], fallback: story}]",
            "12: curriculum.items[0]: 'story' is itself opt-in; choose a fallback that needs no opt-in, such as 'full'",
        ),
        (
            "twelve-weeks",
            "twelve-weeks\npolicy: {reminders: [one day]}",
            (
                "11: policy.reminders[0]: 'one day' does not fit; "
                "write a length of time as in 24h, 7d, 15min, 1h30min or 20s"
            ),
        ),
        (
            "twelve-weeks",
            "twelve-weeks\npolicy: {missed_after: 2h}",
            "11: policy: ask_absent_after, missed_after and window must rise in that order",
        ),
        (
            "twelve-weeks",
            "twelve-weeks\npolicy:\n  ladder:\n  - - {after: 0s, do: ask, text: checkin}",
            "13: policy.ladder[0][0].text: there is no such text for 'ask' to each; did you mean 'check_in'?",
        ),
    ],
)
def test_a_fault_is_told_with_its_line_its_field_and_the_remedy(old: str, new: str, said: str) -> None:
    assert told(changed(old, new)) == [said]


def test_staff_messages_cannot_be_told_to_the_couple() -> None:
    ladder = "twelve-weeks\npolicy:\n  ladder:\n  - - {after: 0s, do: tell, text: concern}"
    [said] = told(changed("twelve-weeks", ladder))
    assert said.startswith(
        "13: policy.ladder[0][0].text: there is no such text for 'tell' to each; known here: "
    )
    assert "concern," not in said


@pytest.mark.parametrize(
    ("step", "said"),
    [
        (
            "do: alert, text: second_miss",
            (
                ": 'each' does not fit; "
                "a step that does 'alert' has 'to' as one of: facilitator, next_contact, safeguarding"
            ),
        ),
        (
            "do: ask, to: facilitator, text: check_in",
            ".to: 'facilitator' does not fit; a step that does 'ask' has 'to' as one of: each, absent",
        ),
        (
            "do: tell, to: facilitator, text: third_mis",
            ".text: there is no such text for 'tell' to facilitator; did you mean 'third_miss'?",
        ),
        ("do: tell", ": '' does not fit; a step that does 'tell' names the message or question in 'text'"),
        (
            "do: pause, text: paused",
            (
                ".text: 'paused' does not fit; a step that does 'pause' says nothing of its own; "
                "leave 'text' out"
            ),
        ),
    ],
)
def test_a_step_that_means_nothing_is_told_with_its_line(step: str, said: str) -> None:
    ladder = f"twelve-weeks\npolicy:\n  ladder:\n  - - {{after: 0s, {step}}}"
    assert told(changed("twelve-weeks", ladder)) == [f"13: policy.ladder[0][0]{said}"]


def test_a_concern_has_to_reach_somebody() -> None:
    nobody = WELL.replace("safeguarding: safeguarding-1\n", "")
    remedy = "name who hears of it, as in safeguarding: contact-1, or a facilitator who does"
    assert told(nobody) == [f"1: safeguarding: a concern would reach nobody; {remedy}"]
    assert told(nobody + "safeguarding:\nfacilitators: []\n")[0].startswith("11: safeguarding: a concern")
    assert parse_programme(nobody + "facilitators: [f1]\n").hears_of_concerns == ("f1",)


def test_an_entry_of_a_list_that_has_no_form_at_all_is_one_problem() -> None:
    cadence = "cadence:\n  every: list\n  at:\n  - noon\n  - +\n  - +20d\n"
    text = WELL.replace(WELL[WELL.index("cadence") : WELL.index("curriculum")], cadence)
    assert told(text) == [
        "9: cadence.at[0]: 'noon' is no time of a list; write 2027-01-04T19:00:00+01:00, or +20s or +7d from the start",
        "10: cadence.at[1]: '+' is no time from the start; write a length of time as in 24h, 7d, 15min, 1h30min or 20s",
    ]


def test_everything_wrong_is_told_at_once_in_the_order_of_the_lines() -> None:
    text = WELL.replace("Europe/Berlin", "Berlin").replace("19:00", "late").replace("twelve", "ten")
    lines = [int(line.split(":")[0]) for line in told(text)]
    assert lines == [3, 5, 9, 10]


def test_a_fault_in_a_curriculum_file_names_that_file(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("name: mine\nitems:\n- kinds: [fulll]\n")
    said = told(changed("twelve-weeks", "./mine.yaml").replace("19:00", "late"), tmp_path)
    assert said == [
        f"{tmp_path}/mine.yaml:3: items[0].kinds[0]: 'fulll' is not possible; did you mean 'full'?",
        "9: cadence.at: 'late' does not fit; write a time as in 19:00",
    ]


def test_a_missing_file_is_told_as_such(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="there is no such file"):
        load_programme(tmp_path / "nothing.yaml")
    assert "there is no file" in told(changed("twelve-weeks", "./mine.yaml"), tmp_path)[0]
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(FileError, match="save it as UTF-8"):
        load_programme(tmp_path / "binary.yaml")


def test_a_text_that_came_over_the_wire_reads_no_files() -> None:
    [said] = told(changed("twelve-weeks", "/etc/hostname"))
    assert "there is no curriculum '/etc/hostname'" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\nb: 2", "2: this is not readable YAML: expected ',' or ']', but got ':'"),
        ("a: b: c", "1: this is not readable YAML: mapping values are not allowed here"),
        ("", "1: the file holds no fields"),
        ("just words", "1: the file holds no fields"),
        ("a: \x00", "1: this is not readable YAML"),
        ("[" * 1500, "1: this is not readable YAML"),
        ("a: 1\n---\nb: 2", "2: this is not readable YAML"),
        ("a: " + "x" * 1_000_001, "1: the file is larger"),
    ],
)
def test_what_cannot_be_read_is_told_with_its_line(text: str, said: str) -> None:
    assert told(text)[0].startswith(said)


def test_tags_anchors_and_odd_keys_are_refused() -> None:
    said = told("zone: !x UTC\ntenant: &t me\nprogramme: *t\n? [a]\n: b\n" + WELL[WELL.index("people") :])
    assert "1: zone: the tag !x has no meaning here; remove it" in said
    assert "3: programme: a reference to another place (& and *) is not read; write it out" in said
    assert "4: a field's name is a word; write one 'field: value' a line" in said


# --- the schema -------------------------------------------------------------------------------------------------------


def test_the_schema_is_one_and_admits_what_the_loader_admits() -> None:
    schema = programme_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    plan = parse_programme(WELL).model_dump(mode="json", exclude_none=True)
    jsonschema.validate(plan, schema)
    jsonschema.validate(plan | {"curriculum": "twelve-weeks"}, schema)
    wrongs: list[dict[str, Any]] = [{"curriculum": 3}, {"zone": 1}, {"nonsense": 1}, {"people": {}}]
    for wrong in wrongs:
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(plan | wrong, schema)


def test_every_built_in_curriculum_loads() -> None:
    assert builtin_curricula() == ("twelve-weeks",)
    for name in builtin_curricula():
        assert load_curriculum(name).name == name


# --- anything at all --------------------------------------------------------------------------------------------------


def places(node: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Every place in a programme."""
    yield path
    for step, inner in (
        node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    ):
        yield from places(inner, (*path, step))


WHOLE: dict[str, Any] = json.loads(load_programme(EXAMPLES / "weekly.yaml").model_dump_json())
anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5000) | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=4,
)


@settings(deadline=None, max_examples=100)
@given(st.sampled_from([p for p in places(WHOLE) if p]), anything)
def test_whatever_stands_anywhere_it_is_read_or_refused_with_a_line(
    path: tuple[str | int, ...], value: object
) -> None:
    data = json.loads(json.dumps(WHOLE))
    *holder, last = path
    node: Any = data
    for step in holder:
        node = node[step]
    node[last] = value
    try:
        parse_programme(json.dumps(data, indent=1, ensure_ascii=False), name="f")
    except FileError as error:
        problems = error.problems
    else:
        return
    assert problems
    assert all(problem.line >= 1 and problem.what for problem in problems)
