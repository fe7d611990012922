"""The published documents: current, true to the models, and true to the grammar."""

import json
import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from pydantic import BaseModel, ValidationError

from duologue.contract import acts, documents, field_docs
from duologue.practice import grammar
from duologue.practice.kinds import KINDS
from duologue.practice.messages import COMMANDS, Reason, TurnTaken, parse
from duologue.practice.plan import KindName
from duologue.practice.shapes import Act
from duologue.practice.state import APPLIED_KEPT
from duologue.practice.values import PARTNERS, Partner, Words

SCHEMAS = Path(__file__).parents[2] / "docs" / "reference" / "schemas"
AT = datetime(2027, 1, 4, 19, tzinfo=UTC)


def test_the_published_files_are_current() -> None:
    published = {p.stem: json.loads(p.read_text("utf-8")) for p in SCHEMAS.glob("*.json")}
    assert published == documents(), "publish them again: duologue schema --out docs/reference/schemas"


@pytest.mark.parametrize("name", sorted(set(documents()) - {"acts"}))
def test_each_is_a_schema(name: str) -> None:
    Draft202012Validator.check_schema(documents()[name])


def test_it_says_how_many_applied_ids_are_remembered() -> None:
    contract = " ".join((SCHEMAS.parent / "contract.md").read_text("utf-8").split())
    assert f"The last {APPLIED_KEPT} applied ids are remembered" in contract


EXAMPLES: list[tuple[str, dict[str, Any]]] = [
    ("consent", {}),
    ("turn", {"act": "send", "words": "hello"}),
    (
        "turn",
        {"act": "send", "words": {"sealed": "AAAA", "key": "k1"}, "sent_at": "2027-01-04T19:00:00+01:00"},
    ),
    ("reply", {"question": "intake.a1", "answers": {"safe_to_speak": "yes"}}),
    ("adjust", {"opt_in": {"story": True}, "quiet": {"start": "22:00", "end": "06:00"}}),
    ("reschedule", {"session": 1, "proposal": 1}),
]


@pytest.mark.parametrize(("name", "fields"), EXAMPLES)
def test_what_is_accepted_fits_and_what_is_refused_does_not(name: str, fields: dict[str, Any]) -> None:
    validator = Draft202012Validator(documents()[name])
    whole = {"command_id": "c1", "by": "a", **fields}
    assert isinstance(parse(name, [json.dumps(whole).encode()]), COMMANDS[name])
    assert list(validator.iter_errors(whole)) == []
    for broken in (
        {k: v for k, v in whole.items() if k != "command_id"},
        {**whole, "by": "c"},
        {**whole, "no_such_field": 1},
        {**whole, "command_id": "someone@example.org"},
    ):
        assert not isinstance(parse(name, [json.dumps(broken).encode()]), BaseModel) or not isinstance(
            parse(name, [json.dumps(broken).encode()]), COMMANDS[name]
        )
        assert list(validator.iter_errors(broken)) != []


def test_fields_are_described_by_their_documentation() -> None:
    turn = documents()["turn"]["properties"]
    assert turn["within_days"]["description"] == "For `request`: in how many days it would be done."
    assert turn["sent_at"]["description"] == field_docs(TurnTaken)["sent_at"]
    assert field_docs(Reason)["CLASH"] == "Another session is booked at that time."


def walked(kind: KindName, seeds: int) -> dict[tuple[str, str], set[str]]:
    """The acts that were open in each movement to each role, on random walks through the grammar itself."""
    seen: dict[tuple[str, str], set[str]] = defaultdict(set)
    for seed in range(seeds):
        chance = random.Random(seed)
        dialogue = grammar.begin(kind, "a")
        for _ in range(400):
            if dialogue.outcome:
                break
            options = grammar.options(dialogue)
            pairs: list[tuple[Partner, Act]] = []
            for person in PARTNERS:
                open_ = [a for a in options[person] if a not in (Act.STOP, Act.TIME_OUT)]
                seen[dialogue.movement, dialogue.role(person)] |= {str(a) for a in open_}
                pairs += [(person, a) for a in open_]
            by, act = chance.choice(pairs)
            dialogue = grammar.take(dialogue, turn(dialogue, by, act))
    return seen


def turn(dialogue: grammar.Dialogue, by: Partner, act: Act) -> grammar.Turn:
    lines: tuple[int, ...] = ()
    if act == Act.CHOOSE:
        lines = (next(n.number for n in dialogue.lines if n.by == dialogue.sender and n.shared),)
    made = grammar.Turn(
        by=by, act=act, words=Words(text="x"), lines=lines, within_days=3, until=AT + timedelta(hours=1)
    )
    grammar.check(dialogue, made)
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_the_listed_acts_are_those_of_the_grammar(kind: KindName) -> None:
    seen = walked(kind, 30)
    for movement in acts()["kinds"][kind]["movements"]:
        for role in ("sender", "receiver"):
            listed = set(movement.get("both", movement.get(role, ())))
            if movement["name"] == "switch" and role == "sender":
                listed -= {"defer_switch"}
            assert seen[movement["name"], role] == listed, (movement["name"], role)


def test_every_question_and_reason_is_listed() -> None:
    document = acts()
    assert set(document["refusals"]) == {str(r) for r in Reason}
    assert len(document["suitability_questions"]) == 5
    assert document["questions"]["check_in"] == ["soon", "need_time", "talk_to_someone"]


def test_neither_an_error_nor_what_a_model_shows_of_itself_repeats_words() -> None:
    said = "my secret words"
    for given in ({"words": said}, {"command_id": "c", "words": [said]}):
        with pytest.raises(ValidationError) as refused:
            TurnTaken.model_validate({"by": "a", "act": "send", **given})
        assert said not in str(refused.value)
    turn = TurnTaken.model_validate({"command_id": "c", "by": "a", "act": "send", "words": said})
    for shown in (repr(turn), str(turn), f"{turn.words}", repr(turn.words), repr({"kept": (turn,)})):
        assert said not in shown
    assert said in turn.model_dump_json()
