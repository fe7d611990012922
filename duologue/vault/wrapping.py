"""Key-encryption keys: the port that a key service can fill, and two adapters for keys that are simply given.

A key-encryption key wraps the couples' keys and nothing else, so that it can be replaced without touching a history.
Where wrapped keys are kept is the store's matter.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Protocol, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from duologue.vault import held
from duologue.vault.errors import BadKeys, Damaged, KeyNotAtHand
from duologue.vault.values import BYTES

_NONCE = 12
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}")
"""Too short for a key that was written in the place of its id."""
_OTHERS = 0o077
_FORM = "One key is written id:key, as printed by: duologue keys new."


class KeyEncryption(Protocol):
    """Who wraps keys. Called from threads, and may take its time: a service on the network can fill it.

    `about` is what the wrapped key is for, and has to be bound to it: AWS calls it encryption context, Google Cloud
    and Vault's transit engine additional or associated data.
    """

    @property
    def current(self) -> str:
        """The id of the key that wraps; all others only unwrap."""

    def wrap(self, plain: bytes, about: bytes) -> tuple[str, bytes]:
        """The id of the wrapping key, and `plain` wrapped by it. Raises as `unwrap` does, and has the same time."""

    def unwrap(self, key_id: str, blob: bytes, about: bytes) -> bytes:
        """What was wrapped. Raises `KeyNotAtHand` where trying later may help, `Damaged` where it will not.

        Whatever else it raises is taken for the former, and so is that it takes longer than 20 seconds.
        """


def seal(key: bytes, plain: bytes, about: bytes) -> bytes:
    """`plain` in AES-256-GCM, a fresh nonce before it."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + AESGCM(key).encrypt(nonce, plain, about)


def unseal(key: bytes, blob: bytes, about: bytes, *, key_id: str) -> bytes:
    """What `seal` sealed. Raises `Damaged`, which names `key_id`."""
    try:
        return AESGCM(key).decrypt(blob[:_NONCE], blob[_NONCE:], about)
    except (InvalidTag, ValueError):  # the latter: shorter than a nonce
        raise Damaged(key_id) from None


class LocalKeys:
    """Keys that are at hand as bytes: the first one wraps, the others only unwrap."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        self._keys = dict(keys)
        if not self._keys:
            raise BadKeys("There is no key-encryption key.", _FORM)

    def __repr__(self) -> str:
        return f"LocalKeys({', '.join(self._keys)})"

    @classmethod
    def parse(cls, text: str) -> Self:
        """Keys as in `DUOLOGUE_VAULT_KEYS`: `id:base64url`, separated by commas or lines; `#` begins a remark.

        Raises `BadKeys`, which repeats nothing of a key.
        """
        keys: dict[str, bytes] = {}
        entries = [e.strip() for line in text.splitlines() for e in line.partition("#")[0].split(",")]
        for n, entry in enumerate(filter(None, entries), 1):
            key_id, _, written = entry.partition(":")
            if not _ID.fullmatch(key_id):
                raise BadKeys(f"Key-encryption key {n} has no id that can be used.", _FORM)
            if key_id in keys:
                raise BadKeys(f"Key-encryption key {n} has the id of another one.", "Leave one of the two.")
            keys[key_id] = _decoded(n, written)
        return cls(keys)

    @classmethod
    def new(cls) -> str:
        """A new key, written as `parse` reads it. Its id is as random as itself, and tells nothing."""
        written = base64.urlsafe_b64encode(secrets.token_bytes(BYTES)).decode().rstrip("=")
        return f"kek-{secrets.token_hex(4)}:{written}"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the current one first."""
        return tuple(self._keys)

    @property
    def current(self) -> str:
        """The id of the first key."""
        return next(iter(self._keys))

    def wrap(self, plain: bytes, about: bytes) -> tuple[str, bytes]:
        """Wrapped by the first key."""
        return self.current, seal(self._keys[self.current], plain, about)

    def unwrap(self, key_id: str, blob: bytes, about: bytes) -> bytes:
        """Unwrapped by the key of that id."""
        if key_id not in self._keys:
            raise KeyNotAtHand(key_id)
        return unseal(self._keys[key_id], blob, about, key_id=key_id)


class KeyFile:
    """Keys in a file, one a line, which is read again when it has changed: keys come and go while programmes run."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[object, LocalKeys] | None = None

    def __repr__(self) -> str:
        return f"KeyFile({str(self._path)!r})"

    @property
    def current(self) -> str:
        """The id of the first key in the file."""
        return self.keys().current

    def wrap(self, plain: bytes, about: bytes) -> tuple[str, bytes]:
        """Wrapped by the first key in the file."""
        return self.keys().wrap(plain, about)

    def unwrap(self, key_id: str, blob: bytes, about: bytes) -> bytes:
        """Unwrapped by the key of that id, if the file has it."""
        return self.keys().unwrap(key_id, blob, about)

    def keys(self) -> LocalKeys:
        """The keys as the file has them now. Raises `BadKeys` where it cannot be used, or others may read it."""
        try:
            found = self._path.stat()
            if os.name == "posix" and found.st_mode & _OTHERS:
                raise BadKeys(f"Others may read the key file {self._path}.", f"Run: chmod 600 {self._path}")
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            read = self._read
            if read is None or read[0] != version:
                read = self._read = version, LocalKeys.parse(self._path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            remedy = "See DUOLOGUE_VAULT_KEYS_FILE, and who may read that file."
            raise BadKeys(f"The key file {self._path} cannot be read.", remedy) from None
        return read[1]

    def begin(self) -> bool:
        """Make the file with a new key, unless it is there. Says whether it was made."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return held.begin(self._path, f"{LocalKeys.new()}\n")

    def rotate(self) -> str:
        """Put a new key first and keep the others. Gives its id. Raises `BadKeys`."""
        with self._alone():
            self.keys()
            held.replace(self._path, f"{LocalKeys.new()}\n{self._path.read_text('utf-8')}")
            return self.current

    def retire(self, key_id: str) -> None:
        """Take a key out; the others and all remarks stay. Whether it still wraps anything is for the caller to know.

        Raises `BadKeys` for the current one, and for one that is not there.
        """
        with self._alone():
            if key_id == self.current:
                raise BadKeys(
                    f"The key '{key_id}' is the current one.",
                    "Put a new one before it: duologue keys new --file FILE, and then duologue keys rewrap.",
                )
            text = "".join(_without(key_id, line) for line in self._path.read_text("utf-8").splitlines())
            if LocalKeys.parse(text).ids == self.keys().ids:
                raise BadKeys(
                    f"There is no key '{key_id}' in {self._path}.", "Those that are: duologue keys status."
                )
            held.replace(self._path, text)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        try:
            with held.alone(self._path):
                yield
        except OSError as error:
            raise BadKeys(
                f"The key file {self._path} cannot be changed ({error.strerror}).",
                "See DUOLOGUE_VAULT_KEYS_FILE, and who may write into its folder.",
            ) from None


def _without(key_id: str, line: str) -> str:
    """A line of a key file without one key; nothing of it where that was all, with the remark that went with it."""
    written, hash_, remark = line.partition("#")
    entries = [entry.strip() for entry in written.split(",")]
    left = [entry for entry in entries if entry.partition(":")[0] != key_id]
    if left == entries:
        return f"{line}\n"
    return f"{', '.join(left)}  {hash_}{remark}".rstrip() + "\n" if any(left) else ""


def _decoded(number: int, written: str) -> bytes:
    try:
        key = base64.b64decode(written + "=" * (-len(written) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != BYTES:
        raise BadKeys(f"Key-encryption key {number} is not {BYTES} bytes in base64url.", _FORM)
    return key
