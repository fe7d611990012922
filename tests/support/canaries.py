"""Canaries: words, names, addresses and numbers that occur nowhere else, and the search for them in whatever was kept.

Every canary holds one of two markers, drawn anew for each flock. So few needles find all of them, and a part of one is
found too. A needle is a marker in a form in which it may be kept: plain, UTF-16, hex, URL-encoded, base64 (at each of
the three alignments, in both alphabets), and one of these within another. Compressed streams are looked for by their
first bytes, also in base64 and hex, and opened as far as they go.
"""

from __future__ import annotations

import base64
import binascii
import math
import re
import secrets
import sqlite3
import string
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path

_URLSAFE = bytes.maketrans(b"+/", b"-_")
_MAGIC = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]|PK\x03\x04")
_WRITTEN = re.compile(rb"[A-Za-z0-9+/_-]{24,}")
_FED, _MOST = 64 * 1024, 1024 * 1024
"""How much of a stream is fed, and how much may come out of it."""
_DEPTH = 2
"""How deep streams are looked for in streams."""


class Flock:
    """The canaries of one run."""

    def __init__(self) -> None:
        self.letters = "qz" + "".join(secrets.choice(string.ascii_lowercase) for _ in range(14))
        self.digits = "49151" + "".join(secrets.choice(string.digits) for _ in range(9))
        self.given: list[str] = []
        """Every canary, in order."""
        markers = (self.letters.encode(), self.digits.encode())
        once = {n: f"{marker.decode()} {how}" for marker in markers for n, how in _forms(marker)}
        twice = {m: f"{told} in {how}" for n, told in once.items() for m, how in _forms(n)}
        self._needles = twice | once

    def words(self, what: str) -> str:
        """Something that nobody else says."""
        return self._new(f"{what}: grün {self.letters}{len(self.given)}, and so on")

    def email(self, name: str) -> str:
        """An address that tells a name."""
        return self._new(f"{name}.{self.letters}{len(self.given)}@example.org")

    def phone(self) -> str:
        """A telephone number."""
        return self._new(f"+{self.digits}{len(self.given):02}")

    def _new(self, canary: str) -> str:
        self.given.append(canary)
        return canary

    def search(self, places: Mapping[str, bytes]) -> list[str]:
        """Where a canary was found, and in which form."""
        return [
            f"{place}: {told}{layer}"
            for place, data in places.items()
            for layer, content in _layers(data, _DEPTH)
            for needle, told in self._needles.items()
            if needle in content
        ]


def cells(database: Path) -> bytes:
    """All values in an SQLite database, each whole: in the file, long ones are cut into pages."""
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as db:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        rows = (row for name in tables for row in db.execute(f'SELECT * FROM "{name}"'))  # noqa: S608 - its own name
        values = (value for row in rows for value in row if value is not None)
        return b"\n".join(v if isinstance(v, bytes) else str(v).encode() for v in values)


def _forms(marker: bytes) -> Iterator[tuple[bytes, str]]:
    """The marker as it may be kept."""
    text = marker.decode("latin-1")
    yield marker, "plain"
    for encoding in ("utf-16-le", "utf-16-be"):
        yield text.encode(encoding), encoding
    for hexed in (marker.hex(), marker.hex().upper()):
        yield hexed.encode(), "hex"
        yield "".join(f"%{hexed[n : n + 2]}" for n in range(0, len(hexed), 2)).encode(), "url-encoded"
    for before in range(3):
        # The characters that tell of the marker alone, whatever stands before and after it.
        first, last = math.ceil(before * 8 / 6), (before + len(marker)) * 8 // 6
        whole = base64.b64encode(b"\0" * before + marker)[first:last]
        yield whole, f"base64 at {before}"
        yield whole.translate(_URLSAFE), f"base64 (url) at {before}"


def _layers(data: bytes, depth: int) -> Iterator[tuple[str, bytes]]:
    """What was kept, and what comes out of the compressed streams in it."""
    yield "", data
    if depth == 0:
        return
    for source in (data, *_decoded(data)):
        for stream in _inflated(source):
            for layer, content in _layers(stream, depth - 1):
                yield f", compressed{layer}", content


def _decoded(data: bytes) -> Iterator[bytes]:
    """What is written in base64 or hex in it, where a compressed stream may begin."""
    for found in _WRITTEN.finditer(data):
        run = found[0]
        readings = [base64.urlsafe_b64decode(run.replace(b"+", b"-").replace(b"/", b"_")[: len(run) & ~3])]
        with suppress(binascii.Error):
            readings.append(binascii.unhexlify(run[: len(run) & ~1]))
        yield from (reading for reading in readings if _MAGIC.search(reading))


def _inflated(data: bytes) -> Iterator[bytes]:
    """What comes out of each stream that begins somewhere in it; of a damaged one, as far as it goes."""
    for found in _MAGIC.finditer(data):
        start, kind = found.start(), zlib.MAX_WBITS | 32
        if found[0] == b"PK\x03\x04":
            start += 30 + int.from_bytes(data[start + 26 : start + 28], "little")
            start += int.from_bytes(data[found.start() + 28 : found.start() + 30], "little")
            kind = -zlib.MAX_WBITS
        stream, out, length = zlib.decompressobj(kind), [], 0
        try:
            # Byte by byte: at the first that is damaged, what came before it has come out.
            for at in range(start, min(start + _FED, len(data))):
                out.append(stream.decompress(data[at : at + 1], _MOST - length))
                length += len(out[-1])
                if stream.eof or length >= _MOST:
                    break
        except zlib.error:
            pass
        if length:
            yield b"".join(out)
