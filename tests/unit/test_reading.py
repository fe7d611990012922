"""A view is opened for the one who reads it: what is shared, and what is one's own."""

import asyncio
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from duologue.activities import render
from duologue.client import make
from duologue.practice.asks import Message
from duologue.practice.sealed import misplaced, words_of
from duologue.practice.values import PARTNERS, By, Words
from duologue.practice.views import View
from duologue.practice.views.partner import NoteView
from duologue.vault.errors import (
    Damaged,
    Forgotten,
    KeyNotAtHand,
    UnknownCouple,
    UnknownKey,
    VaultAway,
    VaultError,
)
from duologue.vault.memory import FOR, Remembering
from duologue.vault.reading import FORGOTTEN, NOT_AT_HAND, NOT_YOURS, UNREADABLE, opened, sealed_for, told
from duologue.vault.seal import Kind, seal
from duologue.vault.values import ForgetReceipt
from tests.support.core import practising

NOW = datetime(2027, 1, 4, 9, tzinfo=UTC)


@dataclass(frozen=True)
class AKey:
    """A content key."""

    kind: Kind
    secret: bytes = field(default_factory=lambda: os.urandom(32))

    @property
    def id(self) -> str:
        return f"k-{self.kind}"


class Ring:
    """The keys of one couple, in memory."""

    def __init__(self) -> None:
        self.keys = {kind: AKey(kind) for kind in ("shared", "a", "b")}
        self.forgotten = False

    async def add(self, programme: str, forget_after: timedelta | None = None) -> None:
        if self.forgotten:
            raise Forgotten(programme)

    async def key(self, programme: str, kind: Kind) -> AKey:
        if self.forgotten:
            raise Forgotten(programme)
        return self.keys[kind]

    async def knows(self, programme: str) -> bool:
        return not self.forgotten

    async def forget(self, programme: str, *, unknown: bool = False) -> ForgetReceipt:
        self.forgotten = True
        return ForgetReceipt(programme, NOW, 3, 0)

    async def key_by_id(self, programme: str, key_id: str) -> AKey:
        if self.forgotten:
            raise Forgotten(programme)
        for key in self.keys.values():
            if key.id == key_id:
                return key
        raise UnknownKey(key_id)


def a_view(words: Words, by: By) -> View:
    return View(
        programme="p-1",
        by=by,
        stage="practising",
        notes=(NoteView(id="a1", mine=True, shared=True, words=words),),
    )


def said(text: str, key: AKey) -> Words:
    return seal(text, key, programme="p-1", command="note", field="words", command_id="n1", by="a")


async def read(words: Words, by: By, ring: Ring) -> str | None:
    view = await opened(a_view(words, by), "p-1", by, ring)
    return view.notes[0].words.text


@pytest.mark.parametrize(
    ("kind", "readers"), [("shared", {"a", "b"}), ("a", {"a"}), ("b", {"b"})], ids=["shared", "a", "b"]
)
async def test_each_key_opens_for_whom_it_is(kind: Kind, readers: set[By]) -> None:
    ring = Ring()
    words = said("my words", ring.keys[kind])
    everybody: tuple[By, ...] = ("a", "b", "facilitator")
    found = {by: await read(words, by, ring) for by in everybody}
    assert found == {by: "my words" if by in readers else NOT_YOURS for by in everybody}


async def test_what_was_said_last_is_opened_for_both_and_forgotten_like_everything_else() -> None:
    play, ring, turns = (
        practising("full"),
        Ring(),
        (("a", "frame", "the topic"), ("b", "mirror", "I heard it")),
    )
    play.check_in()
    for by, act, text in turns:
        command = make("turn", by, act=act, words=text)  # type: ignore[arg-type]  # a partner
        play.apply(await sealed_for(command, "p", ring))
    for by in PARTNERS:
        spoken = (await opened(play.sees(by), "p", by, ring)).spoken
        assert spoken is not None
        assert tuple((u.by, u.act, u.words.text) for u in spoken.utterances) == turns
    ring.forgotten = True
    spoken = (await opened(play.sees("a"), "p", "a", ring)).spoken
    assert spoken is not None
    assert {u.words.text for u in spoken.utterances} == {FORGOTTEN}


async def test_words_of_a_forgotten_couple_are_said_to_be_forgotten() -> None:
    ring = Ring()
    words = said("my words", ring.keys["shared"])
    ring.forgotten = True
    assert await read(words, "a", ring) == FORGOTTEN


async def test_words_that_no_key_here_opens_are_said_to_be_unreadable() -> None:
    ring, other = Ring(), Ring()
    assert await read(said("x", other.keys["shared"]), "a", ring) == UNREADABLE
    assert await read(said("x", AKey("shared")).with_(key="k-gone"), "a", ring) == UNREADABLE


async def test_words_in_the_clear_stay_as_they_are() -> None:
    view = a_view(Words(text="in the clear"), "a")
    assert await opened(view, "p-1", "a", Ring()) is view


@pytest.mark.parametrize(
    ("command", "fields", "key"),
    [
        ("turn", {"act": "send", "words": "x"}, "k-shared"),
        ("note", {"words": "x"}, "k-shared"),
        ("ask_dialogue", {"topic": "x"}, "k-shared"),
        ("pause", {"reason": "x"}, "k-a"),
        ("pause", {}, "k-a"),
    ],
)
async def test_a_command_is_sealed_before_it_leaves(command: str, fields: dict[str, Any], key: str) -> None:
    left = await sealed_for(make(command, "a", **fields), "p-1", Ring())
    [(_, words)] = words_of(left)
    assert (words.key, words.text) == (key, None)


@pytest.mark.parametrize(("command", "fields"), [("consent", {}), ("turn", {"act": "ready"}), ("resume", {})])
async def test_a_command_without_words_needs_no_key(command: str, fields: dict[str, Any]) -> None:
    ring = Ring()
    ring.forgotten = True
    plain = make(command, "b", **fields)
    assert await sealed_for(plain, "p-1", ring) == plain


async def test_nothing_is_sent_for_a_couple_that_has_been_forgotten() -> None:
    ring = Ring()
    ring.forgotten = True
    with pytest.raises(Forgotten):
        await sealed_for(make("note", "a", words="x"), "p-1", ring)


class Trouble(Ring):
    """A vault with which something is the matter."""

    def __init__(self, error: VaultError) -> None:
        super().__init__()
        self.error = error

    async def key(self, programme: str, kind: Kind) -> AKey:
        raise self.error

    async def key_by_id(self, programme: str, key_id: str) -> AKey:
        raise self.error


TROUBLES = [
    KeyNotAtHand("kek-1"),
    VaultAway("It is away.", "Bring it back."),
    UnknownCouple("p-1"),
    Forgotten("p-1"),
]


@pytest.mark.parametrize("error", TROUBLES, ids=lambda error: type(error).__name__)
@pytest.mark.parametrize("concern", [True, False], ids=["concern", "pause"])
async def test_a_pause_without_words_leaves_whatever_is_with_the_vault_and_looks_like_any_other(
    error: VaultError, *, concern: bool
) -> None:
    pause = make("pause", "a", concern=concern)
    usual, now = [await sealed_for(pause, "p-1", keys) for keys in (Ring(), Trouble(error))]
    [(_, filling)] = words_of(now)
    assert (filling.text, filling.size) == (None, dict(words_of(usual))["reason"].size)
    assert misplaced(now, "p-1") is None
    # It opens nowhere: not with what this couple has, and no other key has its id.
    assert await told(filling, "p-1", Ring()) == UNREADABLE
    [(_, again)] = words_of(await sealed_for(pause, "p-1", Trouble(error)))
    assert again.key != filling.key


@pytest.mark.parametrize("error", TROUBLES, ids=lambda error: type(error).__name__)
async def test_words_do_not_leave_without_a_key(error: VaultError) -> None:
    with pytest.raises(type(error)):
        await sealed_for(make("pause", "a", reason="x"), "p-1", Trouble(error))


@pytest.mark.parametrize(
    ("error", "placeholder"),
    [
        (KeyNotAtHand("kek-1"), NOT_AT_HAND),
        (VaultAway("It is away.", "Bring it back."), NOT_AT_HAND),
        (Damaged("kek-1"), UNREADABLE),
        (UnknownCouple("p-1"), UNREADABLE),
        (Forgotten("p-1"), FORGOTTEN),
    ],
    ids=lambda given: type(given).__name__ if isinstance(given, Exception) else "",
)
async def test_words_whose_key_is_not_given_are_replaced_and_all_else_is_shown(
    error: VaultError, placeholder: str
) -> None:
    ring = Trouble(error)
    words = said("my words", ring.keys["shared"])
    assert await read(words, "a", ring) == placeholder
    assert await told(words, "p-1", ring) == placeholder


async def test_a_key_is_remembered_for_a_moment_and_forgotten_at_once() -> None:
    now = 0.0
    ring = Ring()
    remembering = Remembering(ring, lambda: now)
    words = said("my words", ring.keys["shared"])

    async def found() -> str | None:
        return (await opened(a_view(words, "a"), "p-1", "a", remembering)).notes[0].words.text

    assert await found() == "my words"
    ring.forgotten = True
    assert await found() == "my words"
    now = FOR.total_seconds()
    assert await found() == FORGOTTEN

    ring.forgotten, now = False, 2 * now
    assert await found() == "my words"
    await remembering.forget("p-1")
    assert await found() == FORGOTTEN


class Slow(Ring):
    """A ring whose answers, and whose forgetting, take as long as they are held."""

    def __init__(self) -> None:
        super().__init__()
        self.answers, self.forgets = asyncio.Event(), asyncio.Event()

    async def key_by_id(self, programme: str, key_id: str) -> AKey:
        key = await super().key_by_id(programme, key_id)
        await self.answers.wait()
        return key

    async def forget(self, programme: str, *, unknown: bool = False) -> ForgetReceipt:
        await self.forgets.wait()
        return await super().forget(programme, unknown=unknown)


@pytest.mark.parametrize("answered_first", [True, False])
async def test_a_key_that_was_asked_for_while_they_were_forgotten_is_not_remembered(
    *, answered_first: bool
) -> None:
    ring = Slow()
    remembering, key_id = Remembering(ring), ring.keys["shared"].id
    asked = [asyncio.create_task(remembering.key_by_id("p-1", key_id))]
    await asyncio.sleep(0)
    forgetting = asyncio.create_task(remembering.forget("p-1"))
    await asyncio.sleep(0)
    asked.append(asyncio.create_task(remembering.key_by_id("p-1", key_id)))
    await asyncio.sleep(0)
    order = (ring.answers, ring.forgets) if answered_first else (ring.forgets, ring.answers)
    order[0].set()
    await asyncio.wait(asked if answered_first else [forgetting])
    order[1].set()
    await asyncio.gather(forgetting, *asked)
    with pytest.raises(Forgotten):
        await remembering.key_by_id("p-1", key_id)


async def test_the_safeguarding_contact_is_told_what_was_said_to_nobody_else() -> None:
    ring = Ring()
    words = said("I am afraid", ring.keys["a"])
    assert await told(words, "p-1", ring) == "I am afraid"
    assert await told(words.with_(key="k-gone"), "p-1", ring) == UNREADABLE
    ring.forgotten = True
    assert await told(words, "p-1", ring) == FORGOTTEN


async def test_a_concern_tells_its_reason_in_the_message_and_one_without_leaves_the_line_out() -> None:
    notice = Message(
        key="p-1:p7:notice:safeguarding:0",
        programme="p-1",
        to="safeguarding",
        ref="contact-1",
        template="concern",
    )
    assert "I am afraid" in render(notice, "I am afraid").body
    assert len(render(notice).body.splitlines()) == len(render(notice, "x").body.splitlines()) - 1
