"""What the engine may cost, and whether what was counted stays within it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One counted fact."""

    name: str
    counted: float
    most: float | None = None
    """The budget; None: counted for information."""
    exactly: bool = False
    """Whether it must be just that."""
    note: str = ""

    @property
    def within(self) -> bool:
        """Whether the budget holds."""
        if self.most is None:
            return True
        return self.counted == self.most if self.exactly else self.counted <= self.most


@dataclass(frozen=True)
class Limit:
    """A line of the budget."""

    name: str
    most: float
    exactly: bool = False


BUDGET: Mapping[str, Limit] = {
    "turn_by_update": Limit("events of a turn by update", 5, exactly=True),
    "turn_by_signal": Limit("events of a turn by signal", 4, exactly=True),
    "turn_undated": Limit("events of a turn by signal that does not say when it was sent", 5, exactly=True),
    "turn_extras": Limit("timers, activities, upserts, marks of all turns together", 0, exactly=True),
    "session_events": Limit("events around a session", 60),
    "session_actions": Limit("billed actions around a session", 14),
    "programme_events": Limit("events of the reference programme", 3400),
    "programme_actions": Limit("billed actions of the reference programme", 700),
    "programme_bytes": Limit("bytes of its history", 2_000_000),
    "programme_runs": Limit("runs of it", 1, exactly=True),
    "state_bytes": Limit("bytes of state, at the most", 256 * 1024),
}
"""The budgets of the engine. The reference dialogue and programme are defined in `duologue.habits` and `.simulate`."""


def against_budget(key: str, counted: float, note: str = "") -> Figure:
    """A counted fact beside its budget."""
    limit = BUDGET[key]
    return Figure(limit.name, counted, limit.most, exactly=limit.exactly, note=note)
