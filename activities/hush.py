"""Silence for other people's libraries while a message is under way.

They log addresses, request lines and what a provider answered, some of them only at debug level. Here their records
are dropped, for the channels that use them; our own lines stay. What is sent, and to whom, is no matter of this module.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_UNDER_WAY: ContextVar[bool] = ContextVar("duologue_message_under_way", default=False)


class _Hush(logging.Filter):
    """Lets our own records pass, and everything while no message is under way."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is written. A handler asks in the context (and so in the task) of whoever logs."""
        return not _UNDER_WAY.get() or record.name.partition(".")[0] == "duologue"


_HUSH = _Hush()


@contextmanager
def hushed() -> Iterator[None]:
    """For as long as the block lasts, what libraries log in this task, or in a thread that it starts, is dropped."""
    # Each time anew: handlers come and go, and adding a filter twice changes nothing.
    for handler in (*logging.getLogger().handlers, logging.lastResort):
        if handler is not None:
            handler.addFilter(_HUSH)
    token = _UNDER_WAY.set(True)
    try:
        yield
    finally:
        _UNDER_WAY.reset(token)
