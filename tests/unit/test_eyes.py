"""Who sees what: docs/reference/eyes.md, row by row, true to the models and to everything that is shown.

For each fact two programmes are compared that differ in it alone, in all that reaches each reader.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from typing import Any

import pytest

from duologue.practice import texts
from duologue.practice.asks import Message
from duologue.practice.decide import Tick, decide
from duologue.practice.events import MessageSent
from duologue.practice.evolve import evolve
from duologue.practice.messages import Receipt, Refusal
from duologue.practice.state import State
from duologue.practice.telling import Ledger, tell
from duologue.practice.values import PARTNERS, By, Frozen, Partner, other
from duologue.practice.views import ViewRequest, view
from tests.support.core import WELL, Play, a_plan, asked_for, missed_thrice, missed_twice, practising, retold
from tests.support.eyes import (
    COLUMNS,
    DOCUMENT,
    Column,
    Place,
    Row,
    columns,
    differing,
    eyes,
    facts,
    instead,
    matrix,
    places,
    read,
    variations,
)

MATRIX = matrix(DOCUMENT.read_text("utf-8"))

AT_NIGHT = {
    "people": {p: {"ref": f"person-{p}", "quiet": {"start": "22:00", "end": "07:00"}} for p in PARTNERS}
}
TAIL = {"item": {"kinds": ["full"]}, "cadence": {"every": "month", "on": "monday", "at": "19:00"}, "count": 3}

CONDITIONS: Mapping[str, Callable[[State, Place], bool]] = {
    "shared": lambda _, place: getattr(place.holder, "shared", False),
    "both": lambda state, place: bool(_person(state, place).opt_in),
    "both share it": lambda state, _: state.attendance_shared,
    "to a partner": lambda _, place: _to(place) in PARTNERS,
    "to a facilitator": lambda _, place: _to(place) == "facilitator",
    "to safeguarding": lambda _, place: _to(place) == "safeguarding",
}
"""What the matrix has in parentheses: a row without is for all other cases."""


def _person(state: State, place: Place) -> Any:
    assert place.of is not None
    return state.plan.people.a if other(place.of) == "a" else state.plan.people.b


def _to(place: Place) -> str:
    return getattr(place.holder, "to" if isinstance(place.holder, Message) else "by", "")


# --- programmes in which each fact occurs -----------------------------------------------------------------------------


def enrolling() -> Play:
    play = Play()
    play.send("consent", "a")
    play.send("reply", "a", question=play.open_question("a", "intake"), answers=WELL)
    return play


def booking() -> Play:
    play = Play(a_plan("full"))
    play.answers = False
    return play.enrol()


def checking_in() -> Play:
    play = practising(("story", "full"), "full", **AT_NIGHT)
    for by in PARTNERS:
        play.send("adjust", by, opt_in={"story": True})
        play.send("note", by, words="for me")
        play.send("note", by, words="for both of us", shared=True)
    play.send("adjust", "facilitator", policy={"idle_after": "20min"})
    play.answers = False
    play.at(play.begins).turn("a", "ready")
    return play.later(minutes=6)


def writing() -> Play:
    play = practising("vision").check_in()
    for by in PARTNERS:
        play.turn(by, "write", words="one")
        play.turn(by, "write", words="another")
    play.turn("a", "share", lines=[1])
    return play


def speaking() -> Play:
    play = practising("trigger").check_in()
    play.turn("a", "frame", words="a topic")
    play.turn("b", "mirror", words="given back")
    play.turn("a", "confirm")
    return play


def held_on() -> Play:
    play = practising("full").check_in()
    play.turn("a", "frame", words="a topic")
    return play


def changing_places() -> Play:
    return practising("full").hold(stop_before="switch")


def timed_out() -> Play:
    play = practising("full").check_in()
    play.turn("a", "frame", words="a topic")
    play.turn("b", "time_out", until=play.now.replace(minute=40))
    return play


def missed_in_the_open() -> Play:
    play = practising("full")
    for by in PARTNERS:
        play.send("adjust", by, share_attendance=True)
    play.at(play.begins).turn("a", "ready")
    return play.later(minutes=30)


def called() -> Play:
    play = practising().miss().later(days=5)
    play.answers = False
    return play.miss().later(days=1)


def called_and_asked() -> Play:
    play = missed_twice().later(days=2, hours=1)
    for by in PARTNERS:
        play.send("reply", by, question=play.open_question(by, "check_in"), answer="talk_to_someone")
    return play


def deciding() -> Play:
    play = missed_thrice()
    play.send("reply", "a", question=play.open_question("a", "go_on"), answer="pause")
    return play


def paused() -> Play:
    play = practising("full")
    play.answers = False
    play.send("pause", "a", until=play.now.replace(day=20))
    return play


def concerned() -> Play:
    play = practising("full")
    play.answers = False
    play.send("pause", "a", concern=True, reason="what I am afraid of")
    return play


def resuming() -> Play:
    play = practising("full")
    play.send("pause", "a")
    play.send("resume", "b")
    return play


def after_the_last() -> Play:
    curriculum = {"name": "short", "items": [{"kinds": ["mirroring"]}], "tail": TAIL}
    play = practising(curriculum=curriculum).hold()
    play.send("reply", "a", question=play.open_question("a", "tail"), answer="go_on")
    return play


def granted() -> Play:
    return practising("request", "full").hold().later(days=8)


def asked() -> Play:
    return asked_for(topic="what I would like to talk about")


def moved_at_night() -> Play:
    play = practising("mirroring", "full", **AT_NIGHT).hold().at("22:30")
    play.send("reschedule", "a", session=play.session.number, at=play.begins.replace(hour=20))
    return play


def withdrawn() -> Play:
    play = practising("full")
    play.answers = False
    play.send("withdraw", "a")
    return play


def completed() -> Play:
    return practising("mirroring").hold()


PROGRAMMES: tuple[Callable[[], Play], ...] = (
    enrolling, booking, checking_in, writing, speaking, held_on, changing_places, timed_out, missed_in_the_open, called,
    called_and_asked, deciding, paused, concerned, resuming, after_the_last, granted, asked, moved_at_night, withdrawn,
    completed,
)  # fmt: skip

ENOUGH = 2
"""So many places of a row, in one programme and of one person, tell as much as all of them."""


@cache
def seen() -> dict[str, dict[Column, set[str]]]:
    """For each row and column, how it went: `same`, or the programme and the reader for whom it differed."""
    found: dict[str, dict[Column, set[str]]] = defaultdict(lambda: defaultdict(set))
    for programme in PROGRAMMES:
        play, looked = programme(), Counter[tuple[str, str | None]]()
        commands = list(play.state.applied)[-3:]
        before = eyes(play.state, play.now, commands)
        for place in places(play.state):
            row = _row(play.state, place)
            looked[str(row), place.of] += 1
            if looked[str(row), place.of] > ENOUGH:
                continue
            for of, varied in variations(play.state, place):
                after = eyes(varied, play.now, commands)
                for reader, shown in after.items():
                    same = shown == before[reader]
                    for column in columns(reader, of):
                        found[str(row)][column].add("same" if same else f"{programme.__name__}, {reader}")
    return found


def _row(state: State, place: Place) -> Row | None:
    rows = [row for row in MATRIX if row.fact == place.fact]
    fits = [row for row in rows if row.condition and CONDITIONS[row.condition](state, place)]
    plain = [row for row in rows if not row.condition]
    return next(iter(fits or plain), None)


# --- the matrix is complete, and true ---------------------------------------------------------------------------------


def test_every_fact_has_its_row_and_every_row_its_fact() -> None:
    named = {row.fact for row in MATRIX}
    assert facts() - named == set(), "say in docs/reference/eyes.md who may see this"
    assert named - facts() == set(), "docs/reference/eyes.md speaks of what there is not"


def test_no_case_has_two_rows() -> None:
    assert [row for row, n in Counter(map(str, MATRIX)).items() if n > 1] == []


@pytest.mark.parametrize("row", MATRIX, ids=str)
def test_each_reader_sees_what_the_matrix_says_and_nothing_else(row: Row) -> None:
    assert set(row.cells.values()) <= {"yes", "no", "may"}
    found = seen().get(str(row), {})
    for column in COLUMNS:
        how = found.get(column, set())
        match row.cells[column]:
            case "no":
                assert how <= {"same"}, (column, how - {"same"})
            case "yes":
                assert how - {"same"}, f"no programme shows it to {column}"


@pytest.mark.parametrize("row", [row for row in MATRIX if "may" in row.cells.values()], ids=str)
def test_only_what_is_of_nobody_is_left_open_between_the_two(row: Row) -> None:
    assert row.cells["other"] != "may" or row.fact not in personal()


@cache
def personal() -> set[str]:
    """What is of one of the two."""
    states = [programme().state for programme in PROGRAMMES]
    return {
        place.fact
        for state in states
        for place in places(state)
        if any(of is not None for of, _ in variations(state, place))
    }


# --- what stands in a history -----------------------------------------------------------------------------------------


def test_what_opens_for_ops_of_what_was_sent_says_nothing_that_ops_may_not_see() -> None:
    """Whatever is sent in that scope, and could have been sent otherwise, becomes something that they may see."""
    told = {
        f"{given!r}, or {another!r}"
        for given, another, became in otherwise()
        if "ops" in (given.scope, another.scope)
        and not became & for_ops()
        and wordless(given) != wordless(another)
    }
    assert told == set(), "say by its `scope` that this is not for ops"


def wordless(given: Frozen) -> Frozen:
    return given.with_(**{n: None for n in ("words", "topic", "reason") if n in type(given).model_fields})


def test_the_fingerprint_tells_nothing_that_ops_may_not_see() -> None:
    tried = [
        (given, another)
        for given, another, became in otherwise()
        if became & for_ops() == {"digest"} != became
    ]
    assert tried == []


def test_of_what_is_asked_of_the_world_and_answered_ops_open_only_what_they_may_see() -> None:
    for programme in PROGRAMMES:
        state = programme().state
        shown = [key for key, ask in state.asks.items() if ask.scope == "ops"]
        shown += [key for key in state.applied if (receipt := state.receipt(key)) and receipt.scope == "ops"]
        for place in places(state):
            if set(shown) & set(place.at) and place.value:
                row = _row(state, place)
                assert row is not None
                assert row.cells["ops"] != "no", row


@cache
def otherwise() -> list[tuple[Frozen, Frozen, set[str]]]:
    """What was given to programmes, what could have been given instead, and the facts in which what came of it differs.

    Words count as sealed: they are the same to whoever cannot open them.
    """
    found: list[tuple[Frozen, Frozen, set[str]]] = []
    looked = Counter[tuple[str, ...]]()
    for programme in PROGRAMMES:
        for state, given, now, _ in retold(programme()):
            if isinstance(given, Tick):
                continue
            sort = (type(given).__name__, str(getattr(given, "act", "")), str(getattr(given, "by", "")))
            looked[sort] += 1
            if looked[sort] > ENOUGH * 2 or (after := came_of(state, given, now)) is None:
                continue
            for another in instead(given):
                then = came_of(state, another, now)
                if then is not None and (differ := differing(after, then)):
                    found.append((given, another, differ))
    return found


@cache
def for_ops() -> set[str]:
    """The facts that ops may see, under whichever condition."""
    return {row.fact for row in MATRIX if row.cells["ops"] != "no"}


def came_of(state: State, given: Any, now: datetime) -> State | None:
    decision = decide(state, given, now)
    if isinstance(decision, Refusal):
        return None
    for event in decision:
        state = evolve(state, event)
    return state


# --- messages ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("template", sorted(set(texts.TEMPLATES)))
def test_what_is_written_to_one_depends_on_nothing_private_of_the_other(template: str) -> None:
    for state, varied in of_a_and_not_for_b():
        assert written(varied, template) == written(state, template)


@cache
def of_a_and_not_for_b() -> list[tuple[State, State]]:
    """Pairs of states that differ in what only A may see."""
    pairs = []
    for programme in (checking_in, deciding):
        state = programme().state
        for place in places(state):
            row = _row(state, place)
            if row is not None and row.cells["other"] == "no":
                pairs += [(state, varied) for of, varied in variations(state, place) if of == "a"]
    return pairs


def written(state: State, template: str) -> list[Any]:
    """What B reads if told something now, about the next session and about none."""
    ledger = Ledger(state, state.clock)
    for session in (None, *state.sessions):
        tell(ledger, "b", template, session=session)
    return [read(event.message) for event in ledger.events if isinstance(event, MessageSent)]


# --- receipts ---------------------------------------------------------------------------------------------------------


def test_a_receipt_is_shown_to_its_sender_alone() -> None:
    play = practising("full")
    receipts = {by: play.send("note", by, words="mine") for by in PARTNERS}

    def shown(by: By, of: Partner) -> Receipt | None:
        return view(play.state, ViewRequest(by=by, now=play.now, command_id=receipts[of].command_id)).receipt

    for by in PARTNERS:
        assert shown(by, by) == receipts[by]
        assert shown(by, other(by)) is None
        assert shown("facilitator", by) is None


def test_a_receipt_counts_its_senders_commands_and_not_what_the_other_does() -> None:
    play = practising("full")
    first = play.send("note", "b", words="mine")
    play.send("note", "a", words="private")
    assert play.send("note", "b", words="mine too").seq == first.seq + 1
