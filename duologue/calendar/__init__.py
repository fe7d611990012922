"""Wall-clock time made absolute: zones, cadences, re-booking proposals and quiet hours.

Everything here is a pure function of its arguments and the pinned tz data; it knows the practice's models and
nothing else. The activities and the dry run call it. The workflow never does: it is handed the answer, which
is recorded.
"""

from duologue.calendar.cadence import slots
from duologue.calendar.quiet import allowed, free_from, is_quiet
from duologue.calendar.resolution import resolve
from duologue.calendar.zones import CalendarError, tzdata_version, zone, zone_names, zone_of

__all__ = [
    "CalendarError",
    "allowed",
    "free_from",
    "is_quiet",
    "resolve",
    "slots",
    "tzdata_version",
    "zone",
    "zone_names",
    "zone_of",
]
