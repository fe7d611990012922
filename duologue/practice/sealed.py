"""What can be known of sealed words without opening them: for which field of which command they were sealed, and where.

A sealed text begins, in the clear, with a fingerprint of its place: the programme, the command's name and id, the
field, and whose words they are. So a text that was taken from elsewhere, or from the other partner, is refused when it
comes in, and no key is needed for that. How words are sealed and opened is `duologue.vault.seal`'s; here is only
the form, which clients in any language share.

    base64url( version 1 byte | place 16 | nonce 12 | ciphertext and tag )
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from duologue.practice.values import SEALED_PREFIX, Words

if TYPE_CHECKING:
    from duologue.practice.messages import Command

VERSION = 2
BEFORE = 1
"""The version that did not bind whose words they are. Programmes under way have such words, and go on taking them."""

PLACE = 16
"""Bytes of the fingerprint."""


def place(
    programme: str, command: str, field: str, command_id: str, by: str, *, version: int = VERSION
) -> bytes:
    """The fingerprint of where words belong."""
    parts = [programme, command, field, command_id, *([by] if version > BEFORE else [])]
    name = f"duologue.words.{version}\0{json.dumps(parts, separators=(',', ':'), ensure_ascii=True)}"
    return hashlib.sha256(name.encode()).digest()[:PLACE]


def belongs(words: Words, programme: str, command: str, field: str, command_id: str, by: str) -> bool:
    """Whether sealed words were sealed for that place."""
    data = raw(words.sealed or "")
    return data is not None and data[1 : 1 + PLACE] == place(
        programme, command, field, command_id, by, version=data[0]
    )


def raw(sealed: str) -> bytes | None:
    """The bytes of a sealed text; None: it is none of ours."""
    try:
        data = base64.b64decode(sealed.encode() + b"=" * (-len(sealed) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return data if len(data) > SEALED_PREFIX and data[0] in (BEFORE, VERSION) else None


def words_of(command: Command) -> Iterator[tuple[str, Words]]:
    """The fields of a command that hold words, each with them."""
    for field in type(command).model_fields:
        value = getattr(command, field)
        if isinstance(value, Words):
            yield field, value


def may_be_filling(command: str, field: str, words: Words) -> bool:
    """Whether these words may say nothing, and be there for the size alone: as in any pause that was sealed."""
    return (command, field) == ("pause", "reason") and words.sealed is not None


def misplaced(command: Command, programme: str) -> str | None:
    """The field of a command whose sealed words were not sealed for it; None: all are in their place."""
    for field, words in words_of(command):
        if words.sealed is not None and not belongs(
            words, programme, command.name, field, command.command_id, command.by
        ):
            return field
    return None
