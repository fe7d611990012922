"""Where the service keys of a process come from: its settings, or the data folder of the embedded server it uses.

Only finding, making and missing them lives here; what they do is in `duologue.codec`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from duologue.codec import KeyNotAtHand, KeyRing, KeyRingError, Keys
from duologue.vault import BadKeys, held
from duologue.worker import embedded
from duologue.worker.errors import SettingsError
from duologue.worker.settings import Settings

FILE = "codec-keys.json"
"""The embedded server's keys, in its data folder. Without them nothing in its database can be read."""

REMEDY = "Make some by: duologue codec-keys new FILE, and name them by DUOLOGUE_CODEC_KEYS_FILE, here and for clients."

_ANYBODY = 0o007
"""A group may: it is how root gives keys to a service."""

_log = structlog.get_logger("duologue.codec")


def keys_of(settings: Settings, address: str, tell: Callable[[str], None] | None = None) -> Keys | None:
    """The keys for the service at `address`; None: payloads stay as they are. Raises `SettingsError`.

    `tell` is told where everybody may read the file they are in; without it the log is.
    """
    given = settings.codec_keys.get_secret_value()
    if given and settings.codec_keys_file:
        # Whoever rotates the file would not see that the other counts.
        raise SettingsError(
            "The codec keys are given twice.",
            "Unset one of DUOLOGUE_CODEC_KEYS and DUOLOGUE_CODEC_KEYS_FILE.",
        )
    if given:
        return _read(lambda: KeyRing.parse(given), "DUOLOGUE_CODEC_KEYS")
    path = settings.codec_keys_file
    if path is None:
        server = embedded.find(settings)
        if server is None or address.replace("localhost", embedded.HOST) != server.address:
            return None
        path = settings.data_dir / FILE
        if not (server.new or path.exists()):
            # New ones would judge all that stands there to be forged, and what they write is lost with them.
            raise SettingsError(
                f"There is a database, {settings.data_dir / embedded.DATABASE}, but its codec keys {path} are gone.",
                "Bring the file back from its copy. To begin anew, move the database out of the way; if nothing in it "
                f"was ever encrypted, make keys by: duologue codec-keys new {path}.",
            )
        make(path)
    keys = read(path)
    if os.name == "posix" and path.stat().st_mode & _ANYBODY:
        (tell or _warn)(f"Anybody on this machine may read the codec keys in {path}. Run: chmod o= {path}")
    return keys


def _warn(text: str) -> None:
    _log.warning("codec keys open to anybody", note=text)


def read(path: Path) -> Keys:
    """The keys in a file. Raises `SettingsError`."""
    return _read(lambda: KeyRing.parse(path.read_text("utf-8")), str(path))


def make(path: Path) -> bool:
    """Write a new ring to `path`, for its owner alone to read. False if something stood there, which stays."""
    with _told_of(path):
        return held.begin(path, KeyRing.new().dump())


def change(path: Path, how: Callable[[KeyRing], KeyRing]) -> KeyRing:
    """Change the ring in a file, by one at a time, whole or not at all; its owner and mode stay. Gives the new one.

    Raises `SettingsError`.
    """
    with _told_of(path), held.alone(path):
        ring = how(read(path).ring)
        held.replace(path, ring.dump())
    return ring


@contextlib.contextmanager
def _told_of(path: Path) -> Iterator[None]:
    try:
        yield
    except BadKeys as error:
        raise SettingsError(error.what, error.remedy) from None
    except FileNotFoundError:
        raise SettingsError(f"There is no folder {path.parent}.", "Make it, or name another one.") from None
    except OSError as error:
        why = f"The codec keys cannot be written to {path}: {error.strerror}."
        raise SettingsError(why, "See who may write into its folder.") from None


def alert(missing: KeyNotAtHand) -> None:
    """Tell whoever runs this that programmes wait for a key."""
    _log.error("codec key not at hand", codec_key=missing.key, scope=missing.scope, remedy=missing.remedy)


def _read(load: Callable[[], KeyRing], source: str) -> Keys:
    try:
        return Keys(load)
    except KeyRingError as error:
        raise SettingsError(
            f"{source} holds no codec keys: {error}.", "Correct it, or make new ones."
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "it is no text"
        raise SettingsError(f"The codec keys cannot be read from {source}: {why}.", REMEDY) from None
