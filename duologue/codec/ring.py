"""The service keys: for each scope the current one, which encrypts, and older ones, which only decrypt.

What is on the wire under a key must be told apart into three: opened; forged or damaged, which it stays for ever; and
whole, under a key that is not at hand now. For the last two to be told apart without that key, whatever is encrypted
is also stamped, under a secret of the whole ring that never changes: the seal. So a ring can lose a key, and get it
back, and never come to another judgement about the same bytes.

As text a ring is one JSON object; keys are 32 bytes in base64, the current one first:

    {"seal": "…", "ops": ["…", "…"], "safeguarding": ["…"]}

While keys have been added and not been used yet, `"added"` names them by their ids: so whoever says twice that they are
to be used does not go back to the keys of before.

A key's id follows from the key and the seal, so the same id can never mean another key.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from typing import TypeVar, get_args

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from duologue.errors import DuologueError
from duologue.practice.values import Scope

_T = TypeVar("_T")

SCOPES: tuple[Scope, ...] = get_args(Scope)

KEY_BYTES = 32
STAMP_BYTES = 16
ID_BYTES = 8

_AGAIN = 1.0
"""Seconds between two readings of where a ring comes from, while a key is missing."""


class KeyRingError(ValueError):
    """A text that is no key ring. Repeats nothing of it."""


class KeyNotAtHand(DuologueError):
    """Something is encrypted by a key that this process does not have. Nothing is lost: with the key it opens."""

    def __init__(self, scope: Scope, key: str) -> None:
        self.scope = scope
        self.key = key
        self.what = (
            f"The codec key {key} of scope '{scope}' is not at hand."
            if key
            else f"There is no codec key of scope '{scope}' to encrypt with."
        )
        self.remedy = "Put it (back) into DUOLOGUE_CODEC_KEYS or the file named by DUOLOGUE_CODEC_KEYS_FILE."
        super().__init__(f"{self.what} {self.remedy}")


class OtherKeys(DuologueError):
    """Something that is needed was encrypted by no holder of this ring: by one of another, or it was damaged since."""

    def __init__(self) -> None:
        self.what = "This was encrypted by other service keys than those at hand, or was damaged since."
        self.remedy = (
            "All workers and clients need the same, with the same 'seal': see DUOLOGUE_CODEC_KEYS and the file that is "
            "named by DUOLOGUE_CODEC_KEYS_FILE."
        )
        super().__init__(f"{self.what} {self.remedy}")


class KeyRing:
    """Keys, of which nothing can be seen but their ids."""

    def __init__(
        self, seal: bytes, keys: Mapping[Scope, Sequence[bytes]], added: Collection[str] = ()
    ) -> None:
        """`added`: the ids of keys that are to be used next."""
        self._seal = seal
        self._added = frozenset(added)
        self._secrets = {scope: tuple(keys.get(scope, ())) for scope in SCOPES}
        self._ciphers = {
            (scope, self._id(scope, secret)): AESGCM(secret)
            for scope, secrets in self._secrets.items()
            for secret in secrets
        }

    @classmethod
    def new(cls) -> KeyRing:
        """A ring with a key for each scope."""
        return cls(os.urandom(KEY_BYTES), {scope: [os.urandom(KEY_BYTES)] for scope in SCOPES})

    @classmethod
    def parse(cls, text: str) -> KeyRing:
        """The ring in `text`. Raises `KeyRingError`."""
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            given = None
        known = {"seal", "added", *SCOPES}
        if not isinstance(given, dict) or "seal" not in given or not given.keys() <= known:
            raise KeyRingError('write one JSON object: {"seal": "…", "ops": ["…"], "safeguarding": ["…"]}')
        added = given.get("added", [])
        if not isinstance(added, list) or not all(isinstance(key, str) for key in added):
            raise KeyRingError("'added' has to be a list of ids of keys")
        keys: dict[Scope, list[bytes]] = {}
        for scope in SCOPES:
            listed = given.get(scope, [])
            if not isinstance(listed, list):
                raise KeyRingError(f"'{scope}' has to be a list of keys")
            keys[scope] = [_secret(key, scope) for key in listed]
        every = [secret for secrets in keys.values() for secret in secrets]
        if len(set(every)) != len(every):
            raise KeyRingError("a key stands there twice; the two scopes have keys of their own")
        return cls(_secret(given["seal"], "seal"), keys, added)

    def dump(self) -> str:
        """The ring as text, with its secrets."""
        listed = {scope: [_text(secret) for secret in secrets] for scope, secrets in self._secrets.items()}
        added = {"added": sorted(self._added)} if self._added else {}
        return json.dumps({"seal": _text(self._seal)} | listed | added, indent=2) + "\n"

    def with_new(self, *scopes: Scope) -> KeyRing:
        """The ring with one more key for each of `scopes` (both), at first only to decrypt with."""
        more = {scope: os.urandom(KEY_BYTES) for scope in scopes or SCOPES}
        keys = {s: (*secrets, *([more[s]] if s in more else ())) for s, secrets in self._secrets.items()}
        return KeyRing(self._seal, keys, self._added.union(self._id(s, key) for s, key in more.items()))

    def with_newest_current(self, *scopes: Scope) -> KeyRing:
        """The ring, encrypting in `scopes` (both) with the key that was added last; where it does, it goes on so."""
        keys = dict(self._secrets)
        for scope in scopes or SCOPES:
            waiting = [place for place, key in enumerate(self.ids(scope)) if key in self._added]
            if waiting:
                newest, secrets = waiting[-1], self._secrets[scope]
                keys[scope] = (secrets[newest], *secrets[:newest], *secrets[newest + 1 :])
        used = {key for scope in scopes or SCOPES for key in self.ids(scope)}
        return KeyRing(self._seal, keys, self._added - used)

    def rotated(self, *scopes: Scope) -> KeyRing:
        """Both at once: for a single process."""
        return self.with_new(*scopes).with_newest_current(*scopes)

    def only(self, *scopes: Scope) -> KeyRing:
        """The ring with the keys of `scopes` alone: what a codec server needs that opens nothing else."""
        return KeyRing(self._seal, {scope: self._secrets[scope] for scope in scopes}, self._added)

    def without(self, *ids: str) -> KeyRing:
        """The ring without some keys."""
        return KeyRing(
            self._seal,
            {s: [k for k in keys if self._id(s, k) not in ids] for s, keys in self._secrets.items()},
            self._added,
        )

    def ids(self, scope: Scope) -> tuple[str, ...]:
        """The ids of a scope's keys, the current one first."""
        return tuple(self._id(scope, secret) for secret in self._secrets[scope])

    def current(self, scope: Scope) -> tuple[str, AESGCM]:
        """What to encrypt with: the key's id, and its cipher. Raises `KeyNotAtHand`."""
        for (of, key), cipher in self._ciphers.items():
            if of == scope:
                return key, cipher
        raise KeyNotAtHand(scope, "")

    def cipher(self, scope: Scope, key: str) -> AESGCM:
        """What to decrypt with. Raises `KeyNotAtHand`."""
        found = self._ciphers.get((scope, key))
        if found is None:
            raise KeyNotAtHand(scope, key)
        return found

    def stamp(self, what: bytes) -> bytes:
        """What only a holder of the seal can say of `what`."""
        return blake2b(what, key=self._seal, digest_size=STAMP_BYTES, person=b"duologue.stamp").digest()

    def same_seal(self, other: KeyRing) -> bool:
        """Whether the two judge alike."""
        return hmac.compare_digest(self._seal, other._seal)

    def _id(self, scope: Scope, secret: bytes) -> str:
        what = scope.encode() + b"\0" + secret
        return blake2b(what, key=self._seal, digest_size=ID_BYTES, person=b"duologue.key").hexdigest()


class Keys:
    """A ring that is read again from where it comes from when a key is missing, and goes on being asked for.

    What cannot be read then, or has another seal, changes nothing: the ring at hand stays.
    """

    def __init__(self, load: Callable[[], KeyRing]) -> None:
        """`load` reads the ring. Raises as it does."""
        self._load = load
        self._read = time.monotonic()
        self.ring = load()

    @classmethod
    def of(cls, ring: KeyRing) -> Keys:
        """A ring that never changes."""
        return cls(lambda: ring)

    def current(self, scope: Scope) -> tuple[str, AESGCM]:
        """As the ring's. Raises `KeyNotAtHand`."""
        return self._asked(lambda ring: ring.current(scope))

    def cipher(self, scope: Scope, key: str) -> AESGCM:
        """As the ring's. Raises `KeyNotAtHand`."""
        return self._asked(lambda ring: ring.cipher(scope, key))

    def _asked(self, ask: Callable[[KeyRing], _T]) -> _T:
        try:
            return ask(self.ring)
        except KeyNotAtHand:
            if not self._read_again():
                raise
            return ask(self.ring)

    def _read_again(self) -> bool:
        if time.monotonic() - self._read < _AGAIN:
            return False
        self._read = time.monotonic()
        try:
            found = self._load()
        except (ValueError, OSError):
            # Also what is no text: a file that somebody is just writing.
            return False
        if not found.same_seal(self.ring):
            return False
        self.ring = found
        return True


def _secret(given: object, what: str) -> bytes:
    try:
        secret = base64.b64decode(given, validate=True) if isinstance(given, str) else b""
    except (binascii.Error, ValueError):
        secret = b""
    if len(secret) != KEY_BYTES:
        raise KeyRingError(f"what stands under '{what}' has to be {KEY_BYTES} bytes in base64")
    return secret


def _text(secret: bytes) -> str:
    return base64.b64encode(secret).decode()
