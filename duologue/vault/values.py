"""What the vault gives out: a content key, the receipt of a forgetting, and how much is kept.

Values alone; where they come from is in `store.py`.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, Self

Kind = Literal["shared", "a", "b"]
"""Whose words a content key seals: those between the two, or one partner's own."""


Opens = Literal["yes", "not_at_hand", "no"]
"""Whether a key-encryption key opens what it wraps: it does, it is missing, or what it wraps was changed."""


BYTES = 32
"""The length of every key: AES-256."""


def new_id() -> str:
    """The id of a new content key: it is in histories, and tells nothing of the key or of whose it is."""
    return f"k-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class ContentKey:
    """A key that seals words."""

    id: str
    kind: Kind
    secret: bytes = field(repr=False)

    @classmethod
    def thrown_away(cls, kind: Kind) -> Self:
        """A key that nobody keeps: what it seals looks like anything that is sealed, and opens nowhere."""
        return cls(new_id(), kind, secrets.token_bytes(BYTES))


@dataclass(frozen=True)
class ForgetReceipt:
    """That a couple was forgotten: when, and how much of it there was. Nothing personal."""

    programme: str
    at: datetime
    keys: int
    contacts: int
    """Persons whose contacts were kept."""


@dataclass(frozen=True)
class Kept:
    """A couple in the vault, and until when."""

    programme: str
    created: datetime
    forget_after: timedelta | None = None
    """How long after the end it is to be forgotten. None: when that is asked for."""
    ended: datetime | None = None
    """When its programme ended. None: that has not been seen."""

    @property
    def until(self) -> datetime | None:
        """When it is to be forgotten."""
        if self.ended is None or self.forget_after is None:
            return None
        return self.ended + self.forget_after


@dataclass(frozen=True)
class Status:
    """How much is kept, and by which key-encryption keys it is wrapped. Names nobody."""

    couples: int
    contacts: int
    forgotten: int
    current: str
    wrapped: Mapping[str, int]
    """Keys of couples by the id of the key-encryption key that wraps them."""
    opens: Mapping[str, Opens]
    """For each of those, whether it opens one of them."""
