"""The activity `resolve`: asks the calendar, so that its answer is recorded in the history.

The calendar is asked and its refusals are typed; how times are found is its own matter.
"""

from __future__ import annotations

from datetime import timedelta

from temporalio.exceptions import ApplicationError

from duologue import calendar
from duologue.calendar import CalendarError
from duologue.practice.asks import Resolution, Resolve

_LATER = timedelta(minutes=5)


async def resolve(ask: Resolve) -> Resolution:
    """The times that `ask` asks for.

    What the calendar cannot answer (a zone that this worker's tz data lacks) is a `CalendarError` and is tried again
    later: newer tz data, or a corrected worker, may know, and until then ops see the pending activity and its reason.
    """
    try:
        return calendar.resolve(ask)
    except CalendarError as error:
        raise ApplicationError(str(error), type="CalendarError", next_retry_delay=_LATER) from None
