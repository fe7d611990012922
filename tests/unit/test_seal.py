"""Sealed words: only the right key opens them, only where they were sealed for, and their size tells little."""

import base64
import hashlib
import json
import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from duologue.client import make
from duologue.practice.decide import decide, start
from duologue.practice.evolve import evolve
from duologue.practice.kinds import KINDS
from duologue.practice.messages import COMMANDS, Command, Refusal
from duologue.practice.plan import KindName
from duologue.practice.sealed import BEFORE, VERSION, words_of
from duologue.practice.state import APPLIED_KEPT, State
from duologue.practice.values import LINE_BYTES, SEALED_STEP, WORDS_BYTES, Words
from duologue.vault.seal import (
    REASON_BYTES,
    Kind,
    TooLong,
    Unopenable,
    kind_of,
    open_words,
    opens_at,
    seal,
    sealed,
)
from tests.support.core import a_plan, practising

NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)
HERE: dict[str, Any] = {"command": "turn", "field": "words", "command_id": "c-1", "by": "a"}
NOTED: dict[str, Any] = {"command": "note", "field": "words", "command_id": "w-1", "by": "a"}
TEXT = st.text(st.characters(codec="utf-8"), max_size=600)


@dataclass(frozen=True)
class AKey:
    """A content key."""

    id: str = "k-1"
    secret: bytes = field(default_factory=lambda: os.urandom(32))


KEY = AKey()
KEYS: dict[Kind, AKey] = {"shared": AKey("k-s"), "a": AKey("k-a"), "b": AKey("k-b")}


def begun(**policy: Any) -> State:
    return start(a_plan(programme="p-1", policy=policy), NOW)[0]


def noting(words: Words | None) -> Command:
    if words is None:
        return make("note", "a", command_id="w-1", note="a1", remove=True)
    return make("note", "a", command_id="w-1", words=words.model_dump())


def reason_of(state: State, command: Command) -> str | None:
    outcome = decide(state, command, NOW)
    return str(outcome.reason) if isinstance(outcome, Refusal) else None


@given(TEXT)
def test_what_was_sealed_opens_to_the_same_words(text: str) -> None:
    words = seal(text, KEY, programme="p-1", **HERE)
    assert words.text is None
    assert open_words(words, KEY, programme="p-1") == text
    assert opens_at(words, KEY, programme="p-1", **HERE) == text


@given(st.integers(min_value=0), st.integers(0, 7))
def test_one_bit_changed_does_not_open(at: int, bit: int) -> None:
    words = seal("something said", KEY, programme="p-1", **HERE)
    data = bytearray(base64.urlsafe_b64decode((words.sealed or "") + "=="))
    data[at % len(data)] ^= 1 << bit
    changed = words.with_(sealed=base64.urlsafe_b64encode(bytes(data)).rstrip(b"=").decode())
    with pytest.raises(Unopenable):
        open_words(changed, KEY, programme="p-1")


@given(st.binary(max_size=300))
def test_what_nobody_sealed_does_not_open(data: bytes) -> None:
    words = Words.model_construct(text=None, sealed=base64.urlsafe_b64encode(data).decode(), key="k-1")
    with pytest.raises(Unopenable):
        open_words(words, KEY, programme="p-1")


@given(TEXT, st.data())
def test_a_truncated_text_does_not_open(text: str, data: st.DataObject) -> None:
    words = seal(text, KEY, programme="p-1", **HERE)
    left = data.draw(st.integers(0, len(words.sealed or "") - 1))
    with pytest.raises(Unopenable):
        open_words(words.with_(sealed=(words.sealed or "")[:left]), KEY, programme="p-1")


def test_neither_another_key_nor_another_couple_opens_it() -> None:
    words = seal("something said", KEY, programme="p-1", **HERE)
    for key, programme in ((AKey(), "p-1"), (AKey(id="k-2", secret=KEY.secret), "p-1"), (KEY, "p-2")):
        with pytest.raises(Unopenable):
            open_words(words, key, programme=programme)
    renamed = words.with_(key="k-2")
    with pytest.raises(Unopenable):
        open_words(renamed, AKey(id="k-2", secret=KEY.secret), programme="p-1")


IDS = st.text("ab1-_.:", min_size=1, max_size=4)
PLACES = st.fixed_dictionaries(
    {
        "programme": IDS,
        "command": st.sampled_from(sorted(COMMANDS)),
        "field": st.sampled_from(["words", "topic", "reason"]),
        "command_id": IDS,
        "by": st.sampled_from(["a", "b"]),
    }
)


@given(TEXT, PLACES, PLACES, st.sampled_from(["programme", "command", "field", "command_id", "by"]))
def test_it_opens_at_its_own_place_and_at_no_other(
    text: str, here: dict[str, Any], there: dict[str, Any], alone: str
) -> None:
    words = seal(text, KEY, **here)
    for place in (here, there, here | {alone: there[alone]}):
        if place == here:
            assert opens_at(words, KEY, **place) == text
        else:
            with pytest.raises(Unopenable):
                opens_at(words, KEY, **place)


@pytest.mark.parametrize(
    "elsewhere",
    [{"programme": "p-2"}, {"command": "turn"}, {"field": "reason"}, {"command_id": "w-2"}, {"by": "b"}],
    ids=lambda e: next(iter(e)),
)
def test_the_programme_itself_refuses_what_was_sealed_for_another_place(elsewhere: dict[str, Any]) -> None:
    here: dict[str, Any] = {"programme": "p-1", **NOTED}
    state = begun()
    assert reason_of(state, noting(seal("x", KEY, **(here | elsewhere)))) == "malformed"
    assert reason_of(state, noting(seal("x", KEY, **here))) is None


def test_one_partners_note_is_not_taken_from_the_other_whatever_id_it_comes_under() -> None:
    """Else whoever has the ciphertext of a note that is not shared would have `view` open it as their own."""
    kept = seal("mine alone", KEY, programme="p-1", **NOTED)
    for version in (VERSION, BEFORE):
        again = make("note", "b", command_id="w-1", words=labelled(kept, version).model_dump())
        assert reason_of(begun(), again) == "malformed"


def test_a_whole_command_is_known_again_for_64_of_them_and_may_then_be_sent_again() -> None:
    """By somebody who can write to the service and cannot read: the one thing that binding does not hinder."""
    state = practising(programme="p-1").state
    note = noting(seal("said", KEY, programme="p-1", **NOTED))

    def sent(command: Command) -> int:
        nonlocal state
        outcome = decide(state, command, state.clock)
        assert not isinstance(outcome, Refusal)
        for event in outcome:
            state = evolve(state, event)
        return len(outcome)

    assert sent(note)
    for number in range(APPLIED_KEPT):
        assert sent(note) == 0
        assert sent(make("adjust", "b", reminders=True, command_id=f"c-{number}"))
    assert sent(note)


def test_words_of_programmes_under_way_that_were_sealed_in_the_form_before_are_taken() -> None:
    parts = ["p-1", "note", "words", "w-1"]
    name = "duologue.words.1\0" + json.dumps(parts, separators=(",", ":"))
    here, nonce = hashlib.sha256(name.encode()).digest()[:16], bytes(12)
    bound = b"\0".join((b"duologue.words.1", KEY.id.encode(), b"p-1", here))
    closed = AESGCM(KEY.secret).encrypt(nonce, b"\0\4said".ljust(64, b"\0"), bound)
    data = base64.urlsafe_b64encode(bytes([1]) + here + nonce + closed).rstrip(b"=").decode()
    words = Words(sealed=data, key=KEY.id)
    assert opens_at(words, KEY, programme="p-1", **NOTED) == "said"
    assert reason_of(begun(), noting(words)) is None


def test_the_place_in_the_contract_is_what_it_says() -> None:
    told = (Path(__file__).parents[2] / "docs/reference/contract.md").read_text()
    parts, place = re.search(r'`(\["c1",.*?\])` it is `([0-9a-f]+)`', told, re.DOTALL).groups()  # type: ignore[union-attr]
    assert hashlib.sha256(f"duologue.words.2\0{parts}".encode()).digest()[:16].hex() == place
    words = seal("said", KEY, programme="c1", command="turn", field="words", command_id="t1", by="a")
    assert base64.urlsafe_b64decode((words.sealed or "") + "==")[:17].hex() == f"02{place}"


def labelled(words: Words, version: int) -> Words:
    data = base64.urlsafe_b64decode((words.sealed or "") + "==")
    return words.with_(sealed=base64.urlsafe_b64encode(bytes([version]) + data[1:]).rstrip(b"=").decode())


@pytest.mark.parametrize("junk", ["AAAA", "A" * 200, "-_-_", "!"])
def test_the_programme_refuses_what_is_no_sealed_text(junk: str) -> None:
    words = Words.model_construct(text=None, sealed=junk, key="k-1")
    command = noting(None).with_(words=words)
    assert reason_of(begun(), command) == "malformed"


def test_each_field_of_words_of_the_contract_is_sealed_by_its_own_key() -> None:
    fields = {
        (name, f)
        for name, model in COMMANDS.items()
        for f, info in model.model_fields.items()
        if "Words" in str(info.annotation)
    }
    assert fields == {
        ("turn", "words"),
        ("ask_dialogue", "topic"),
        ("note", "words"),
        ("pause", "reason"),
    }
    private = {place for place in fields if kind_of(*place, "b") == "b"}
    assert private == {("pause", "reason")}
    assert {kind_of(*place, "b") for place in fields - private} == {"shared"}


def test_a_command_is_sealed_whole_and_a_sealed_one_stays_as_it_is() -> None:
    plain = make("turn", "a", command_id="c-1", act="send", words="I feel unheard")
    closed = sealed(plain, "p-1", KEYS)
    [(_, words)] = words_of(closed)
    assert (words.key, words.text) == ("k-s", None)
    assert open_words(words, KEYS["shared"], programme="p-1") == "I feel unheard"
    assert sealed(closed, "p-1", KEYS) == closed
    assert closed.with_(words=None) == plain.with_(words=None)


@given(
    st.none()
    | st.text(st.characters(codec="ascii", exclude_characters="\0"), min_size=1, max_size=REASON_BYTES)
)
def test_every_pause_carries_a_reason_of_the_same_size(reason: str | None) -> None:
    pause = make("pause", "b", command_id="p1", concern=True).with_(
        reason=None if reason is None else Words.model_construct(text=reason, sealed=None, key=None)
    )
    [(field, words)] = words_of(sealed(pause, "p-1", KEYS))
    assert (field, words.key) == ("reason", "k-b")
    assert len(words.sealed or "") == 1426
    assert open_words(words, KEYS["b"], programme="p-1") == (reason or "")


def test_a_reason_that_is_too_long_is_refused_before_it_leaves() -> None:
    pause = make("pause", "a", reason="x" * (REASON_BYTES + 1))
    with pytest.raises(TooLong, match="1022 bytes"):
        sealed(pause, "p-1", KEYS)


@given(st.integers(0, LINE_BYTES))
def test_sealing_makes_no_words_too_long_and_tells_their_length_only_roughly(length: int) -> None:
    words = seal("x" * length, KEY, programme="p-1", **HERE)
    assert length <= words.size < length + SEALED_STEP
    like = seal("x" * ((length + 2) // SEALED_STEP * SEALED_STEP), KEY, programme="p-1", **HERE)
    assert len(words.sealed or "") <= len(like.sealed or "")


def test_the_longest_words_can_be_sealed_and_no_longer_ones() -> None:
    for most in (LINE_BYTES, WORDS_BYTES):
        assert seal("x" * most, KEY, programme="p-1", **HERE).size == most
    assert seal("x" * (LINE_BYTES + 1), KEY, programme="p-1", **HERE).size > LINE_BYTES
    with pytest.raises(ValueError, match=f"at most {WORDS_BYTES} bytes"):
        seal("x" * (WORDS_BYTES + 1), KEY, programme="p-1", **HERE)


def ended(sealed: str | None) -> str:
    """As most languages write base64: up to a multiple of four."""
    return (sealed or "").ljust(-(-len(sealed or "") // 4) * 4, "=")


@pytest.mark.parametrize("length", [1, 62, 63, LINE_BYTES, WORDS_BYTES - 63, WORDS_BYTES])
def test_words_are_taken_and_measured_the_same_however_their_base64_ends(length: int) -> None:
    words = seal("x" * length, KEY, programme="p-1", **NOTED)
    padded = Words(sealed=ended(words.sealed), key=KEY.id)
    assert padded.size == words.size
    assert opens_at(padded, KEY, programme="p-1", **NOTED) == "x" * length


def test_a_policy_may_take_sealed_words_only() -> None:
    state = begun(words="sealed")
    assert reason_of(state, noting(Words(text="plain"))) == "malformed"
    assert reason_of(state, noting(seal("x", KEY, programme="p-1", **NOTED))) is None
    assert reason_of(state, noting(None)) == "unknown_note"


def test_a_policy_may_take_no_words_at_all() -> None:
    state = begun(words="none")
    assert reason_of(state, noting(Words(text="plain"))) == "malformed"
    assert reason_of(state, noting(None)) == "unknown_note"


@pytest.mark.parametrize("concern", [True, False], ids=["concern", "pause"])
@pytest.mark.parametrize("reason", [None, "I am afraid"])
def test_a_policy_without_words_takes_every_pause_that_was_sealed_and_passes_on_nothing_of_it(
    *, concern: bool, reason: str | None
) -> None:
    play = practising(policy={"words": "none"})
    given = make("pause", "a", concern=concern, reason=reason)
    left = sealed(given, play.state.plan.programme, KEYS)
    play.send(
        "pause", "a", command_id=left.command_id, concern=concern, reason=dict(words_of(left))["reason"]
    )
    assert play.stage() == "paused"
    assert play.told("concern") == (["safeguarding"] if concern else [])
    assert not [s for s in play.sent() if s.message.words is not None]


def test_a_policy_without_words_refuses_a_reason_in_the_clear() -> None:
    assert practising(policy={"words": "none"}).refused("pause", "a", reason="because") == "malformed"


@pytest.mark.parametrize("kind", [*KINDS])
def test_without_words_every_kind_of_dialogue_can_be_held_to_its_end(kind: KindName) -> None:
    play = practising(kind, policy={"words": "none"}).hold()
    assert play.state.counts == {"done": 1}
    assert not any(word in state_in_json(play.state) for word in ('"text":"', '"sealed":"'))


def state_in_json(state: State) -> str:
    return state.model_dump_json(exclude={"journal", "plan"})
