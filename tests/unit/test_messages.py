"""The wire contract: what a command looks like, and that nothing whatever that is sent can do more than be refused."""

from __future__ import annotations

import json
import string
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from duologue.contract import documents
from duologue.practice.messages import (
    COMMAND_BYTES,
    COMMANDS,
    Command,
    Reason,
    Receipt,
    Refusal,
    parse,
    partner,
)
from duologue.practice.values import SEALED_PREFIX, WORDS_BYTES, Words, format_span, parse_span

SECRET = "Kaninchen"
"""Stands for somebody's words: it must be in no refusal."""

BASE = {"command_id": "c-1", "by": "a"}

FULL: dict[str, dict[str, Any]] = {
    "consent": {"agree": False, "sent_at": "2027-01-04T19:00:00+01:00"},
    "turn": {
        "act": "request",
        "words": {"sealed": "AAAA", "key": "k:1"},
        "lines": [1, 2],
        "within_days": 7,
        "until": "2027-01-04T19:00:00Z",
        "note": "a1",
    },
    "ask_dialogue": {"kind": "full", "topic": "the garden"},
    "reply": {
        "question": "intake.a1",
        "answer": "at",
        "answers": {"no_fear": "yes"},
        "at": "2027-01-04T19:00:00Z",
    },
    "note": {"words": "x", "note": "a1", "shared": True, "remove": True},
    "adjust": {
        "zone": "Europe/Berlin",
        "language": "de-AT",
        "quiet": {"start": "21:30", "end": "08:00"},
        "no_quiet_hours": False,
        "opt_in": {"story": True},
        "policy": {"missed_after": "20min"},
    },
    "reschedule": {"session": 3, "proposal": 1, "at": "2027-01-04T19:00:00Z"},
    "pause": {"until": "2027-01-04T19:00:00Z", "reason": {"sealed": "AAAA", "key": "k"}, "concern": True},
    "resume": {},
    "withdraw": {},
    "acknowledge": {"alert": "m1.2.3.4", "snooze": "4h"},
    "decide": {"decision": "jump", "step": 3},
}
"""Each command with every field it has."""


def sent(name: str, fields: object) -> Command | Refusal:
    data = fields if isinstance(fields, bytes) else json.dumps(fields).encode("utf-8", "surrogatepass")
    return parse(name, [data])


def refused(name: str, fields: object) -> Refusal:
    outcome = sent(name, fields)
    assert isinstance(outcome, Refusal), outcome
    assert SECRET not in outcome.message
    return outcome


# --- every command ----------------------------------------------------------------------------------------------------


def test_there_are_the_twelve_commands_of_the_contract() -> None:
    assert set(FULL) == set(COMMANDS)
    assert len(COMMANDS) == 12


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_read_with_all_its_fields(name: str) -> None:
    command = sent(name, BASE | FULL[name])
    assert type(command) is COMMANDS[name]
    assert not isinstance(command, Refusal)
    assert set(command.model_fields_set) == {*BASE, *FULL[name]}
    assert COMMANDS[name].model_validate_json(command.model_dump_json()) == command


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_schema_that_accepts_it_and_refuses_what_is_not_in_it(name: str) -> None:
    schema = COMMANDS[name].model_json_schema()
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema)
    written = COMMANDS[name].model_validate_json(json.dumps(BASE | FULL[name])).model_dump(mode="json")
    assert validator.is_valid(written)
    assert not validator.is_valid(written | {"more": 1})
    assert not validator.is_valid({"by": "a"})
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize("model", [Receipt, Refusal])
def test_answers_have_schemas(model: type[Receipt | Refusal]) -> None:
    Draft202012Validator.check_schema(model.model_json_schema())


def test_a_bare_string_is_words() -> None:
    command = sent("note", BASE | {"words": "x"})
    assert not isinstance(command, Refusal)
    assert command.model_dump()["words"] == {"text": "x", "sealed": None, "key": None}


def test_only_a_partner_is_a_partner() -> None:
    assert partner("b") == "b"
    with pytest.raises(ValueError, match="not a partner"):
        partner("facilitator")


# --- hostile ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", "Consent", "consent ", "__init__", "view", "x" * 100_000, "\x00", "\ud800", "💥"]
)
def test_an_unknown_name_is_refused(name: str) -> None:
    outcome = parse(name, [json.dumps(BASE).encode()])
    assert isinstance(outcome, Refusal)
    assert outcome.reason == "unknown_command"
    assert len(outcome.message) < 300


@pytest.mark.parametrize("arguments", [[], [None], [b"{}", b"{}"], [None, b"{}"], [b"{}"] * 100])
def test_anything_but_one_argument_is_refused(arguments: list[bytes | None]) -> None:
    for name in COMMANDS:
        outcome = parse(name, arguments)
        assert isinstance(outcome, Refusal)
        assert outcome.reason == "malformed"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b" ",
        b"\x00",
        b"\xff\xfe\x00",
        b"\xef\xbb\xbf{}",
        b"null",
        b"true",
        b"0",
        b"NaN",
        b'"Kaninchen"',
        b"[]",
        b'[{"command_id":"c","by":"a"}]',
        b"{",
        b'{"command_id":"c","by":"a"',
        b'{"command_id":"c","by":"a"}}',
        b'{"command_id":"c","by":"a"} Kaninchen',
        b'{"command_id":"c","by":"a","Kaninchen":1}',
        b'{"command_id":"c","by":"a","words":"\\ud800"}',
        b'{"command_id":"c","by":"a","words":"\xff"}',
        b'{"command_id":"\\u0000","by":"a"}',
        b'{"command_id":1e400,"by":"a"}',
        b"[" * 30_000,
        b'{"a":' * 5_000,
        b'{"command_id":"c","by":"a","words":' + b"[" * 20_000,
        b"9" * 30_000,
        b'{"command_id":"' + b"c" * 40_000 + b'","by":"a"}',
    ],
)
def test_what_is_not_a_command_in_json_is_refused(data: bytes) -> None:
    for name in COMMANDS:
        assert refused(name, data).reason == "malformed"


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("resume", {"command_id": "a b"}, "letters, digits and . _ : - only"),
        ("adjust", {"zone": "no zone"}, "such as Europe/Berlin"),
        ("adjust", {"language": "German"}, "en or de-AT"),
        ("adjust", {"quiet": {"start": "9pm", "end": "07:00"}}, "19:00"),
        ("note", {"words": {"sealed": "?"}}, "as the schema says"),
        ("note", {"words": "\udcff"}, "valid Unicode"),
    ],
)
def test_what_is_written_wrongly_is_told_in_words(name: str, fields: dict[str, object], says: str) -> None:
    # Escaped, as `json.dumps` writes it: bytes that are no UTF-8 are no JSON at all.
    message = refused(name, json.dumps(BASE | fields).encode()).message
    assert says in message
    assert "pattern" not in message


def test_a_command_that_is_too_large_is_not_even_read() -> None:
    assert "bytes" in refused("withdraw", b" " * (COMMAND_BYTES + 1)).message


@pytest.mark.parametrize(
    ("name", "fields", "where"),
    [
        ("consent", {"command_id": None}, "command_id"),
        ("consent", {"command_id": ""}, "command_id"),
        ("consent", {"command_id": "x" * 65}, "command_id"),
        ("consent", {"command_id": f"{SECRET}@example.org"}, "command_id"),
        ("consent", {"command_id": "a b"}, "command_id"),
        ("consent", {"command_id": "a\n"}, "command_id"),
        ("consent", {"by": "c"}, "by"),
        ("consent", {"by": SECRET}, "by"),
        ("consent", {"by": ["a"]}, "by"),
        ("consent", {"agree": "yes"}, "agree"),
        ("consent", {"agree": 1}, "agree"),
        ("consent", {SECRET: 1}, "a field"),
        ("turn", {}, "act"),
        ("turn", {"act": SECRET}, "act"),
        ("turn", {"act": "send", "lines": [0]}, "lines"),
        ("turn", {"act": "send", "lines": [10**40]}, "lines"),
        ("turn", {"act": "send", "lines": [1.5]}, "lines"),
        ("turn", {"act": "send", "lines": ["1"]}, "lines"),
        ("turn", {"act": "send", "lines": [True]}, "lines"),
        ("turn", {"act": "send", "lines": {"0": 1}}, "lines"),
        ("turn", {"act": "send", "lines": [1] * 51}, "lines"),
        ("turn", {"act": "send", "within_days": True}, "within_days"),
        ("turn", {"act": "send", "within_days": -1}, "within_days"),
        ("turn", {"act": "send", "note": "x" * 17}, "note"),
        ("turn", {"act": "send", "words": {}}, "words"),
        ("turn", {"act": "send", "words": {"text": SECRET, "sealed": SECRET}}, "words"),
        ("turn", {"act": "send", "words": {"sealed": f"{SECRET}!"}}, "words"),
        ("turn", {"act": "send", "words": {"sealed": "AA", "key": f"{SECRET} {SECRET}"}}, "words"),
        ("turn", {"act": "send", "words": {SECRET: 1}}, "a field"),
        ("turn", {"act": "send", "words": [SECRET]}, "words"),
        ("turn", {"act": "send", "words": SECRET * 1000}, "words"),
        ("turn", {"act": "send", "words": 7}, "words"),
        ("reply", {"question": "x" * 65}, "question"),
        ("reply", {"question": "q", "answers": {"no_fear": SECRET}}, "answers"),
        ("reply", {"question": "q", "answers": {SECRET * 9: "yes"}}, "answers"),
        ("reply", {"question": "q", "answers": {str(n): "yes" for n in range(21)}}, "answers"),
        ("adjust", {"zone": f"{SECRET}!"}, "zone"),
        ("adjust", {"zone": "../../etc/passwd"}, "zone"),
        ("adjust", {"language": "english"}, "language"),
        ("adjust", {"quiet": {"start": "24:00"}}, "quiet"),
        ("adjust", {"quiet": {"start": "2٢:00"}}, "quiet"),
        ("adjust", {"opt_in": {SECRET: True}}, "opt_in"),
        ("adjust", {"opt_in": {"story": "yes"}}, "opt_in"),
        ("reschedule", {"session": 0}, "session"),
        ("reschedule", {"session": "1"}, "session"),
        ("reschedule", {"session": 1, "proposal": 11}, "proposal"),
        ("acknowledge", {"alert": "x" * 65}, "alert"),
        ("decide", {"decision": SECRET}, "decision"),
    ],
)
def test_a_wrong_field_is_named_and_what_was_in_it_is_not_repeated(
    name: str, fields: dict[str, Any], where: str
) -> None:
    outcome = refused(name, BASE | fields)
    assert outcome.reason == "malformed"
    assert outcome.message.startswith(f"{where}: ")
    assert "Value error" not in outcome.message
    assert len(outcome.message) < 600


@pytest.mark.parametrize(
    "instant",
    [
        *("0001-01-01T00:00:00+14:00", "0001-01-01T00:00:00-14:00", "9999-12-31T23:59:59-14:00"),
        *(
            "9999-12-31T23:59:59+14:00",
            "1999-12-31T23:59:59Z",
            "2200-01-01T00:00:01Z",
            "10000-01-01T00:00:00Z",
        ),
        *("2027-01-04T19:00:00", "2027-01-04", "19:00", "now", "", SECRET, "2027-02-30T00:00:00Z"),
        *("2027-01-04T19:00:00+99:00", "+2027-01-04T19:00:00Z"),
        *(0, 1.5, 1_800_000_000, 10**400, -(10**30), True, [], {}),
    ],
)
def test_an_instant_that_is_none_or_too_far_away_is_refused(instant: object) -> None:
    for name, field in (("consent", "sent_at"), ("turn", "until"), ("reschedule", "at"), ("pause", "until")):
        assert refused(name, BASE | {"act": "send", "session": 1} | {field: instant}).reason == "malformed"


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-0"])
def test_numbers_that_are_none_are_refused(number: str) -> None:
    data = f'{{"command_id":"c","by":"a","session":{number}}}'.encode()
    assert refused("reschedule", data).reason == "malformed"


nested = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just(SECRET),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)
fields = sorted({field for model in COMMANDS.values() for field in model.model_fields})


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    name=st.sampled_from(sorted(COMMANDS)),
    given_=st.dictionaries(st.sampled_from(fields) | st.text(max_size=9), nested, max_size=6),
    base=st.booleans(),
)
def test_whatever_is_sent_nothing_is_raised_and_no_words_are_repeated(
    name: str,
    given_: dict[str, object],
    base: bool,  # noqa: FBT001 - drawn
) -> None:
    outcome = sent(name, (BASE if base else {}) | given_)
    if isinstance(outcome, Refusal):
        assert outcome.reason in set(Reason)
        assert SECRET not in outcome.message
        for value in given_.values():
            if isinstance(value, str) and len(value) > 3 and not value.isascii():
                assert value not in outcome.message


@settings(max_examples=150, derandomize=True, deadline=None)
@given(
    name=st.sampled_from(sorted(COMMANDS)) | st.text(max_size=20),
    data=st.lists(st.binary(max_size=80), max_size=3),
)
def test_whatever_bytes_are_sent_nothing_is_raised(name: str, data: list[bytes]) -> None:
    parse(name, data)


# --- words and spans --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "size"), [("abc", 3), ("ü", 2), ("💥", 4), ('"', 2), ("\\", 2), ("a\n", 3), ("\x00", 6)]
)
def test_words_are_measured_as_they_are_written(text: str, size: int) -> None:
    words = Words(text=text)
    assert words.size == size
    assert len(words.model_dump_json(exclude={"sealed", "key"}).encode()) == len('{"text":""}') + size


BLANK: tuple[Any, ...] = (
    *("", " ", "\n\t", "\u2003", {"text": ""}, {"text": " "}),
    *({"sealed": ""}, {"sealed": "", "key": "k:1"}),
)


@pytest.mark.parametrize("blank", BLANK)
@pytest.mark.parametrize(
    ("name", "fields", "field"),
    [
        *(("turn", {"act": act}, "words") for act in ("frame", "send", "mirror", "empathise")),
        *(("note", {}, "words"), ("ask_dialogue", {}, "topic"), ("pause", {}, "reason")),
    ],
)
def test_words_that_say_nothing_are_refused_and_fit_no_schema(
    blank: object, name: str, fields: dict[str, Any], field: str
) -> None:
    whole = BASE | fields | {field: blank}
    outcome = refused(name, whole)
    assert (outcome.reason, outcome.message.partition(":")[0]) == ("malformed", field)
    assert "leave them out" in outcome.message
    assert not Draft202012Validator(documents()[name]).is_valid(whole)
    assert not isinstance(sent(name, whole | {field: "x"}), Refusal)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"no_quiet_hours": False},
        {"opt_in": {}},
        {"by": "facilitator"},
        {"by": "facilitator", "policy": {}},
    ],
)
def test_an_adjustment_that_changes_nothing_is_refused(fields: dict[str, Any]) -> None:
    outcome = refused("adjust", BASE | fields)
    assert outcome.reason == "malformed"
    assert "name at least one" in outcome.message


def test_words_are_bounded_in_either_form() -> None:
    Words(text="x" * WORDS_BYTES)
    # Sealing adds a prefix, the length, and what fills it up.
    longest = (WORDS_BYTES + SEALED_PREFIX + 2) * 4 // 3
    Words(sealed="x" * longest)
    for too_much in ({"text": "x" * (WORDS_BYTES + 1)}, {"sealed": "x" * (longest + 4)}):
        with pytest.raises(ValueError, match=f"at most {WORDS_BYTES} bytes"):
            Words.model_validate(too_much)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20s", 20),
        ("15min", 900),
        ("15m", 900),
        ("1h30min", 5400),
        ("24h", 86_400),
        ("7d", 604_800),
        ("0s", 0),
    ],
)
def test_a_length_of_time_is_read_and_written(text: str, seconds: int) -> None:
    span = parse_span(text)
    assert span.total_seconds() == seconds
    assert parse_span(format_span(span)) == span


@pytest.mark.parametrize(
    "text", ["", "-1h", " 1h", "1h ", "24h\n", "٢h", "1.5h", "h", "1 h", "30min1h", "999999w", 5, None]
)
def test_what_is_no_length_of_time_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="length of time"):
        parse_span(text)


@settings(derandomize=True, deadline=None)
@given(st.integers(0, 3660 * 86_400))
def test_every_length_of_time_survives_being_written(seconds: int) -> None:
    span = parse_span(f"{seconds}s")
    assert parse_span(format_span(span)) == span
    assert set(format_span(span)) <= set(string.ascii_lowercase + string.digits)
