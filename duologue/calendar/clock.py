"""One wall-clock time in one zone, as an instant, with the two rules for hours left out and repeated.

Only this conversion lives here, in both directions; which days a cadence falls on is another matter. All
instants are UTC, because arithmetic on datetimes of one zone ignores its changes.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

from duologue.practice.asks import Slot

Gap = Literal["later", "skip"]
Fold = Literal["first", "second"]


class Reading(NamedTuple):
    """What a wall-clock time comes to."""

    at: datetime
    shifted: bool
    """The asked time does not exist; `at` is the first valid minute after it."""


def to_instant(
    local: datetime, zone: ZoneInfo, *, gap: Gap = "later", fold: Fold = "first"
) -> Reading | None:
    """The instant of the naive `local` time. None: the time does not exist and `gap` says to skip it."""
    first = local.replace(tzinfo=zone, fold=0).astimezone(UTC)
    second = local.replace(tzinfo=zone, fold=1).astimezone(UTC)
    if to_local(first, zone) == local:
        return Reading(second if fold == "second" else first, shifted=False)
    if gap == "skip":
        return None
    return Reading(_first_valid_minute(local, zone, second, first), shifted=True)


def _first_valid_minute(local: datetime, zone: ZoneInfo, before: datetime, after: datetime) -> datetime:
    """The end of the gap that `local` lies in, which is somewhere in (`before`, `after`].

    For a time in a gap, fold 1 reads it with the later offset, which gives an instant before the change, and
    fold 0 with the earlier one, which gives an instant after it. In between the clock jumps past `local`.
    """
    low, high = int(before.timestamp()), int(after.timestamp())
    while high - low > 1:
        middle = (low + high) // 2
        if to_local(datetime.fromtimestamp(middle, UTC), zone) < local:
            low = middle
        else:
            high = middle
    end = datetime.fromtimestamp(high, UTC)
    # Clocks change on whole minutes nowadays; should one not, the minute that has begun is not a whole one.
    return end + timedelta(seconds=-to_local(end, zone).second % 60)


def to_local(at: datetime, zone: ZoneInfo) -> datetime:
    """The naive wall-clock time in `zone` at an instant."""
    return at.astimezone(zone).replace(tzinfo=None, fold=0)


def slot(at: datetime, zone: ZoneInfo, *, shifted: bool = False) -> Slot:
    """An instant with its wall-clock reading."""
    local = at.astimezone(zone)
    return Slot(
        start=at,
        local=local.replace(tzinfo=None).isoformat(),
        zone=zone.key,
        fold=1 if local.fold else 0,
        shifted=shifted,
    )
