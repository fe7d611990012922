"""The root of whatever this library says no with, so that a platform can catch all of it by one name.

Every error of it says in its text what happened and what may be done about it. Which there are stands where they arise:
in `trouble` those of a client, and others with the vault and the codec.
"""


class DuologueError(Exception):
    """Something that was asked for is not to be had, why, and what may be done about it."""
