"""Words on their way out and in: a command is sealed before it leaves, a view is opened for the one who reads it.

Which key opens what for whom is decided here, once: the shared key for either partner, a private one for its owner.
Nobody else is handed words; what a reader may not open, and what nobody can open any more, is said in its place.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from pydantic import BaseModel

from duologue.practice.messages import Command
from duologue.practice.sealed import words_of
from duologue.practice.values import By, Words
from duologue.vault.errors import Damaged, Forgotten, UnknownCouple, VaultError
from duologue.vault.seal import Key, Kind, Unopenable, kind_of, open_words, sealed
from duologue.vault.values import ContentKey, ForgetReceipt

FORGOTTEN = "[forgotten]"
"""Stands for words whose key is gone for good."""
UNREADABLE = "[cannot be opened]"
"""Stands for words that this vault has no key for, or that are damaged."""
NOT_AT_HAND = "[not at hand]"
"""Stands for words that open again once the vault, or the key that wraps theirs, is back."""
NOT_YOURS = "[not yours to read]"
"""Stands for words that are somebody else's alone."""

Model = TypeVar("Model", bound=BaseModel)


class KindedKey(Key, Protocol):
    """A content key that says whose it is."""

    @property
    def kind(self) -> Kind:
        """Shared, or one partner's own."""


class Keys(Protocol):
    """Where a couple's content keys are kept: a vault."""

    async def key(self, programme: str, kind: Kind) -> KindedKey:
        """A couple's key of that kind. Raises `UnknownCouple`, `Forgotten`, `VaultError`."""

    async def key_by_id(self, programme: str, key_id: str) -> KindedKey:
        """A couple's key by the id that histories have. Raises the same."""


class Keeper(Keys, Protocol):
    """One who makes and deletes them too: a whole vault."""

    async def add(self, programme: str, forget_after: timedelta | None = None) -> None:
        """Make a couple's keys, unless they are there. Raises `Forgotten`, `Over`, `VaultError`."""

    async def knows(self, programme: str) -> bool:
        """Whether anything is kept of a couple. Raises `Forgotten`, `VaultError`."""

    async def forget(self, programme: str, *, unknown: bool = False) -> ForgetReceipt:
        """Delete all that is kept of a couple, and see that it is gone.

        Raises `VaultError`, and `UnknownCouple` unless an `unknown` one is to have a receipt too.
        """


async def sealed_for(command: Command, programme: str, keys: Keys) -> Command:
    """The command as it may leave: its words sealed, a pause with a reason whatever was given.

    A pause without words needs no key: where none can be had, its reason is filled with what opens nowhere.
    Raises `UnknownCouple`, `Forgotten`, `VaultError`, `TooLong`: then it has not been sent.
    """
    if command.by == "facilitator":
        return command
    carried = dict(words_of(command))
    needed = {kind_of(command.name, f, command.by) for f, words in carried.items() if words.text is not None}
    if command.name == "pause" and not carried:
        kind = kind_of("pause", "reason", command.by)
        return sealed(command, programme, {kind: await _filling(programme, kind, keys)})
    found = {kind: await keys.key(programme, kind) for kind in needed}
    return sealed(command, programme, found) if needed else command


async def _filling(programme: str, kind: Kind, keys: Keys) -> KindedKey:
    """The key for a reason that says nothing. Whatever is with the vault, this exit stays open, and looks the same."""
    try:
        return await keys.key(programme, kind)
    except VaultError:
        return ContentKey.thrown_away(kind)


async def opened(found: Model, programme: str, reader: By, keys: Keys) -> Model:
    """The same, with every sealed text in it opened for `reader`, or what is to be said in its place."""
    ids = tuple(_key_ids(found))
    # At once, since a vault that does not answer is waited for.
    asked = await asyncio.gather(*(_key(programme, key_id, reader, keys) for key_id in ids))
    result: Model = _replaced(found, programme, dict(zip(ids, asked, strict=True)))
    return result


async def told(words: Words, programme: str, keys: Keys) -> str:
    """A raised concern's reason, for the safeguarding contact, to whom the policy lets it be told.

    Whose it is makes no difference here. What cannot be opened is said in its place, since the rest has to arrive.
    """
    if words.text is not None:
        return words.text
    try:
        return open_words(words, await keys.key_by_id(programme, words.key or ""), programme=programme)
    except VaultError as error:
        return _instead(error)
    except Unopenable:
        return UNREADABLE


async def _key(programme: str, key_id: str, reader: By, keys: Keys) -> str | KindedKey:
    try:
        key = await keys.key_by_id(programme, key_id)
    except VaultError as error:
        return _instead(error)
    if reader == "facilitator" or key.kind not in ("shared", reader):
        return NOT_YOURS
    return key


def _instead(error: VaultError) -> str:
    """What is said in place of words whose key was not given."""
    match error:
        case Forgotten():
            return FORGOTTEN
        case UnknownCouple() | Damaged():
            return UNREADABLE
        case _:
            return NOT_AT_HAND


def _key_ids(value: Any) -> set[str]:  # noqa: ANN401 - any part of a model
    if isinstance(value, Words):
        return {value.key or ""} if value.sealed is not None else set()
    return {key_id for part in _parts(value) for key_id in _key_ids(part)}


def _parts(value: Any) -> list[Any]:  # noqa: ANN401 - the same
    match value:
        case BaseModel():
            return [getattr(value, name) for name in type(value).model_fields]
        case tuple() | list():
            return list(value)
        case Mapping():
            return list(value.values())
        case _:
            return []


def _replaced(value: Any, programme: str, known: Mapping[str, str | KindedKey]) -> Any:  # noqa: ANN401 - the same
    match value:
        case Words(sealed=str()):
            return Words.model_construct(
                text=_text(value, programme, known[value.key or ""]), sealed=None, key=None
            )
        case BaseModel():
            parts = {name: getattr(value, name) for name in type(value).model_fields}
            changed = {
                name: new
                for name, old in parts.items()
                if (new := _replaced(old, programme, known)) is not old
            }
            return value.model_copy(update=changed) if changed else value
        case tuple():
            items = tuple(_replaced(item, programme, known) for item in value)
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        case _:
            return value


def _text(words: Words, programme: str, key: str | KindedKey) -> str:
    if isinstance(key, str):
        return key
    try:
        return open_words(words, key, programme=programme)
    except Unopenable:
        return UNREADABLE


__all__ = [
    "FORGOTTEN",
    "NOT_AT_HAND",
    "NOT_YOURS",
    "UNREADABLE",
    "Keeper",
    "Keys",
    "VaultError",
    "opened",
    "sealed_for",
    "told",
]
