"""The codec: a payload encrypted, and opened again. What cannot be opened is handed on as something that is no JSON.

    metadata   encoding "binary/encrypted", encryption-version "1", encryption-scope, encryption-key-id
    data       stamp 16 bytes | nonce 12 | AES-256-GCM of: length 4 | the payload, as protobuf | zeros

Version, scope and key id are bound as associated data; the stamp covers them and all that follows it. The zeros fill
up to a multiple of a bucket, the scope's or the type's, so that the size tells little.

Decoding is part of replaying a programme, so the outcome for the same bytes is for ever the same: opened, or
`UNOPENED`; or else `KeyNotAtHand` is raised, and the programme's task is tried again until the key is back.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Callable, Sequence

from cryptography.exceptions import InvalidTag
from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from duologue.codec.ring import SCOPES, STAMP_BYTES, KeyNotAtHand, KeyRing, Keys
from duologue.practice.values import Scope

ENCODING = b"binary/encrypted"
UNOPENED = b"binary/unopened"
"""The encoding of what was handed to us as encrypted and is not, or no longer; there is nothing in it."""

VERSION = b"1"
BUCKETS: dict[Scope, int] = {"ops": 256, "safeguarding": 2560}
"""What is encrypted is filled up to a multiple of so many bytes. A notice with a sealed reason fits into the second
whole, however long its references and zones are: so a pause and its notices are of one size with a concern and without,
also where a client sends no reason."""

BRIEF_BUCKET = 512
"""The same of what is brief by its type, in either scope; the longest receipt fits into the first."""

MARK = "scope"
"""The metadata by which a payload says its scope before it is encrypted, and after; see `converter`."""

BRIEF = "brief"
"""The metadata by which a payload says before it is encrypted that its type is brief, whatever the value."""

_NONCE, _LENGTH, _TAG = 12, 4, 16
_SCOPES: dict[bytes, Scope] = {scope.encode(): scope for scope in SCOPES}


class Forged(Exception):
    """Not encrypted by a holder of this ring, or damaged since; and so for ever."""


class Codec(PayloadCodec):
    """Encrypts payloads by their scope, and opens them.

    `on_missing` is told of every key that is missing, before decoding fails with it.
    """

    def __init__(
        self, keys: Keys | KeyRing, on_missing: Callable[[KeyNotAtHand], None] | None = None
    ) -> None:
        self._keys = Keys.of(keys) if isinstance(keys, KeyRing) else keys
        self._on_missing = on_missing

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt what is not encrypted yet. Raises `KeyNotAtHand`."""
        return [self._told(self.encrypt, payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Open what is encrypted; what is not, passes. Raises `KeyNotAtHand`, and nothing else."""
        return [self._told(self._decoded, payload) for payload in payloads]

    def wrote(self, payload: Payload) -> bool:
        """Whether a holder of this ring encrypted it, by whichever key."""
        return is_encrypted(payload) and self._whole(payload) is not None

    def encrypt(self, payload: Payload, scope: Scope | None = None) -> Payload:
        """One payload encrypted, in `scope` or else the one it is marked with. Raises `KeyNotAtHand`."""
        if self.wrote(payload):
            return payload
        scope = scope or _SCOPES.get(payload.metadata.get(MARK, b""), "ops")
        key, cipher = self._keys.current(scope)
        plain = payload.SerializeToString()
        plain = len(plain).to_bytes(_LENGTH, "big") + plain
        plain += b"\0" * (-len(plain) % (BRIEF_BUCKET if BRIEF in payload.metadata else BUCKETS[scope]))
        bound, nonce = _bound(scope, key), os.urandom(_NONCE)
        closed = nonce + cipher.encrypt(nonce, plain, bound)
        return Payload(
            metadata={
                "encoding": ENCODING,
                "encryption-version": VERSION,
                "encryption-scope": scope.encode(),
                "encryption-key-id": key.encode(),
            },
            data=self._keys.ring.stamp(bound + closed) + closed,
        )

    def decrypt(self, payload: Payload) -> Payload:
        """One encrypted payload opened. Raises `Forged`, `KeyNotAtHand`."""
        found = self._whole(payload)
        if found is None:
            raise Forged
        scope, key = found
        nonce_at, closed_at = STAMP_BYTES, STAMP_BYTES + _NONCE
        nonce, closed = payload.data[nonce_at:closed_at], payload.data[closed_at:]
        try:
            plain = self._keys.cipher(scope, key).decrypt(nonce, closed, _bound(scope, key))
            length = int.from_bytes(plain[:_LENGTH], "big")
            return Payload.FromString(plain[_LENGTH : _LENGTH + length])
        except (InvalidTag, DecodeError):
            raise Forged from None

    def _whole(self, payload: Payload) -> tuple[Scope, str] | None:
        """Scope and key id of what a holder of this ring encrypted; None of anything else."""
        metadata = payload.metadata
        scope, key = (
            _SCOPES.get(metadata.get("encryption-scope", b"")),
            metadata.get("encryption-key-id", b""),
        )
        if scope is None or metadata.get("encryption-version") != VERSION or not key.isascii():
            return None
        bound = _bound(scope, key.decode())
        stamp, closed = payload.data[:STAMP_BYTES], payload.data[STAMP_BYTES:]
        whole = len(closed) >= _NONCE + _TAG and hmac.compare_digest(
            stamp, self._keys.ring.stamp(bound + closed)
        )
        return (scope, key.decode()) if whole else None

    def _decoded(self, payload: Payload) -> Payload:
        if not is_encrypted(payload):
            return payload
        try:
            return self.decrypt(payload)
        except Forged:
            return Payload(metadata={"encoding": UNOPENED})

    def _told(self, do: Callable[[Payload], Payload], payload: Payload) -> Payload:
        try:
            return do(payload)
        except KeyNotAtHand as missing:
            if self._on_missing:
                self._on_missing(missing)
            raise


def is_encrypted(payload: Payload) -> bool:
    """Whether it says so of itself."""
    return payload.metadata.get("encoding") == ENCODING


def scope_of(payload: Payload) -> Scope:
    """The scope in which a payload is encrypted, or would be."""
    said = payload.metadata.get("encryption-scope" if is_encrypted(payload) else MARK, b"")
    return _SCOPES.get(said, "ops")


def _bound(scope: Scope, key: str) -> bytes:
    return b"\0".join((b"duologue.codec", VERSION, scope.encode(), key.encode()))
