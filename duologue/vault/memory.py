"""A vault whose content keys are remembered for a moment, so that a turn need not ask the database for them.

Only content keys, and only in this process's memory. Forgetting through here forgets here at once; a process that has
just used a key of a couple that is forgotten elsewhere may hold it for as long as `FOR` says.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import timedelta

from duologue.vault.reading import Keeper, KindedKey
from duologue.vault.seal import Kind
from duologue.vault.values import ForgetReceipt

FOR = timedelta(seconds=30)
"""How long a key is remembered."""

MOST = 4000
"""The most keys that are remembered at a time."""


class Remembering:
    """A keeper of keys that asks another one, and not every time."""

    def __init__(self, keeper: Keeper, clock: Callable[[], float] = time.monotonic) -> None:
        self._keeper = keeper
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[KindedKey, float]] = {}
        self._forgettings = 0
        """How often a forgetting has begun or ended. A key that was asked for before that is not kept."""

    async def add(self, programme: str, forget_after: timedelta | None = None) -> None:
        """As the keeper does."""
        await self._keeper.add(programme, forget_after)

    async def key(self, programme: str, kind: Kind) -> KindedKey:
        """The key of that kind; at most `FOR` old."""
        return self._fresh(programme, kind) or await self._keep(programme, self._keeper.key(programme, kind))

    async def key_by_id(self, programme: str, key_id: str) -> KindedKey:
        """The key of that id; at most `FOR` old."""
        return self._fresh(programme, key_id) or await self._keep(
            programme, self._keeper.key_by_id(programme, key_id)
        )

    async def knows(self, programme: str) -> bool:
        """As the keeper does: it is asked."""
        return await self._keeper.knows(programme)

    async def forget(self, programme: str, *, unknown: bool = False) -> ForgetReceipt:
        """As the keeper does, and here too."""
        self._drop(programme)
        try:
            return await self._keeper.forget(programme, unknown=unknown)
        finally:
            # Whoever asked meanwhile may have been given a key that was still there.
            self._drop(programme)

    def _drop(self, programme: str) -> None:
        self._forgettings += 1
        for known in [known for known in self._known if known[0] == programme]:
            del self._known[known]

    def _fresh(self, programme: str, which: str) -> KindedKey | None:
        key, until = self._known.get((programme, which), (None, 0.0))
        return key if self._clock() < until else None

    async def _keep(self, programme: str, asked: Awaitable[KindedKey]) -> KindedKey:
        before = self._forgettings
        key = await asked
        if self._forgettings != before:
            return key
        if len(self._known) >= MOST:
            self._known.clear()
        until = self._clock() + FOR.total_seconds()
        self._known[programme, key.kind] = self._known[programme, key.id] = key, until
        return key
