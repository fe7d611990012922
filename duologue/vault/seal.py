"""Sealing: how a partner's words become a text that only a holder of the couple's content key can read, and back.

AES-256-GCM of the `cryptography` library. The key's id, the programme and the place of the words (the command, its id,
the field, and whose words they are; see `practice.sealed`) are bound as associated data: a text that was moved, or
changed by one bit, does not open. Which keys there are, and who gets them, is the vault's; nothing is stored and
nothing sent from here.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from typing import Literal, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from duologue.practice.messages import Command
from duologue.practice.sealed import PLACE, VERSION, belongs, place, raw, words_of
from duologue.practice.values import SEALED_PREFIX, SEALED_STEP, Partner, Words

Kind = Literal["shared", "a", "b"]
"""A couple's content keys: the one both share, and the private one of each."""

PRIVATE = frozenset({("pause", "reason")})
"""The fields that are sealed for their writer alone. Everything else may come to be shared, and `view` says when."""

REASON_BYTES = 1022
"""The most bytes of the reason for a pause. Each is sealed at this one size, and one without words too."""

_NONCE = 12
_LENGTH = 2


class Key(Protocol):
    """A content key."""

    @property
    def id(self) -> str:
        """What histories call it: opaque."""

    @property
    def secret(self) -> bytes:
        """32 bytes."""


class Unopenable(Exception):
    """A sealed text that does not open: damaged, moved, or sealed by another key. Repeats nothing of it."""


class TooLong(ValueError):
    """Words that are too long for where they go."""


def kind_of(command: str, field: str, by: Partner) -> Kind:
    """Which key seals a field of a command that `by` sends."""
    return by if (command, field) in PRIVATE else "shared"


def seal(
    text: str, key: Key, *, programme: str, command: str, field: str, command_id: str, by: Partner
) -> Words:
    """The words of one partner, sealed for one field of one command of one programme. Raises `TooLong`."""
    here = place(programme, command, field, command_id, by)
    nonce = os.urandom(_NONCE)
    plain = _filled(text.encode(), fixed=(command, field) == ("pause", "reason"))
    closed = AESGCM(key.secret).encrypt(nonce, plain, _bound(key.id, programme, here))
    data = bytes([VERSION]) + here + nonce + closed
    return Words(sealed=base64.urlsafe_b64encode(data).rstrip(b"=").decode(), key=key.id)


def open_words(words: Words, key: Key, *, programme: str) -> str:
    """What was sealed. Raises `Unopenable`.

    That the text stands where it was sealed for has been seen to when it came in; whoever has it from elsewhere
    asks `practice.sealed.belongs` too, as `opens_at` does.
    """
    data = raw(words.sealed or "")
    if data is None or words.key != key.id:
        raise Unopenable("these words were not sealed by this key")
    here, nonce, closed = (
        data[1 : 1 + PLACE],
        data[1 + PLACE : 1 + PLACE + _NONCE],
        data[1 + PLACE + _NONCE :],
    )
    try:
        plain = AESGCM(key.secret).decrypt(nonce, closed, _bound(key.id, programme, here))
        length = int.from_bytes(plain[:_LENGTH], "big")
        return plain[_LENGTH : _LENGTH + length].decode()
    except (InvalidTag, UnicodeDecodeError):
        raise Unopenable("these words are damaged, or were sealed for another programme") from None


def opens_at(
    words: Words, key: Key, *, programme: str, command: str, field: str, command_id: str, by: Partner
) -> str:
    """The same for words that came with a command: they must have been sealed for just that field of it."""
    if not belongs(words, programme, command, field, command_id, by):
        raise Unopenable("these words were sealed for another place")
    return open_words(words, key, programme=programme)


def sealed(command: Command, programme: str, keys: Mapping[Kind, Key]) -> Command:
    """The command with its words sealed; a pause always with a reason, so that its size tells nothing.

    Words that are sealed already stay. Raises `TooLong`.
    """
    if command.by == "facilitator":
        return command
    given = dict(words_of(command))
    if command.name == "pause" and "reason" not in given:
        given["reason"] = Words.model_construct(text="", sealed=None, key=None)
    changes = {
        field: seal(
            words.text,
            keys[kind_of(command.name, field, command.by)],
            programme=programme,
            command=command.name,
            field=field,
            command_id=command.command_id,
            by=command.by,
        )
        for field, words in given.items()
        if words.text is not None
    }
    return command.with_(**changes) if changes else command


def _filled(text: bytes, *, fixed: bool) -> bytes:
    """The text behind its length, filled up so that its size tells little, or nothing."""
    whole = len(text).to_bytes(_LENGTH, "big") + text
    if fixed:
        if len(text) > REASON_BYTES:
            raise TooLong(f"a reason may hold at most {REASON_BYTES} bytes; say it in fewer words")
        return whole.ljust(REASON_BYTES + _LENGTH, b"\0")
    return whole + b"\0" * (-len(whole) % SEALED_STEP)


def _bound(key_id: str, programme: str, here: bytes) -> bytes:
    return b"\0".join((b"duologue.words.1", key_id.encode(), programme.encode(), here))


assert SEALED_PREFIX == 1 + PLACE + _NONCE + 16  # noqa: S101 - the two rooms must agree on the form
