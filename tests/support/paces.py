"""How fast notices go through their motions in tests."""

from datetime import timedelta

from duologue.activities import Pace

BRIEF = Pace(span=timedelta(seconds=0.05), again=(), later=())
"""One attempt, and soon over."""
