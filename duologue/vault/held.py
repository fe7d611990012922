"""Files of keys that change while others read them: whole or not at all, by one at a time, and still their owner's.

Whoever changes such a file is often another user than the one who reads it: root, for a service.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from duologue.vault.errors import BadKeys

try:
    import fcntl
    import pwd
except ImportError:  # pragma: no cover - where there are neither owners nor such locks
    fcntl = pwd = None  # type: ignore[assignment]


@contextlib.contextmanager
def alone(path: Path) -> Iterator[None]:
    """Wait for whoever else changes files in that folder, and let them wait: for reading and writing as one."""
    if fcntl is None:
        yield
        return
    folder = os.open(path.resolve().parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


@contextlib.contextmanager
def written(path: Path, text: str, like: os.stat_result | None = None) -> Iterator[Path]:
    """A file beside `path` for as long as the block lasts: with the owner and mode of another, or else of mode 0600.

    Raises `BadKeys` where it cannot have that owner.
    """
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            if like is not None and pwd is not None:
                _give(descriptor, path, like)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        yield new
    finally:
        new.unlink(missing_ok=True)


def begin(path: Path, text: str) -> bool:
    """Make the file, for its owner alone, unless it is there, which stays. Says whether it was made."""
    with written(path, text) as new:
        try:
            # Whole or not at all: of two processes that begin at once, one makes it and the other finds it whole.
            os.link(new, path)
        except FileExistsError:
            return False
    _settle(path.parent)
    return True


def replace(path: Path, text: str) -> None:
    """Put `text` in place of what the file holds; its owner and mode stay. Of a link it is the file that it leads to.

    Raises `BadKeys` where they could not: whoever reads the file could no longer. Then nothing has changed.
    """
    path = path.resolve()
    with written(path, text, path.stat()) as new:
        new.replace(path)
    _settle(path.parent)


def _settle(folder: Path) -> None:
    """Let a name outlast a power failure: what is wrapped by a new key soon stands in a database that does."""
    if fcntl is None:
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _give(descriptor: int, path: Path, like: os.stat_result) -> None:
    made = os.fstat(descriptor)
    if (like.st_uid, like.st_gid) != (made.st_uid, made.st_gid):
        try:
            os.fchown(descriptor, like.st_uid, like.st_gid)
        except PermissionError:
            raise BadKeys(
                f"{path} is of another user or group, who could not read it any more after this change.",
                f"Do it as its owner: sudo -u {_name(like.st_uid)} duologue …",
            ) from None
    os.fchmod(descriptor, like.st_mode & 0o777)


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"#{uid}"
