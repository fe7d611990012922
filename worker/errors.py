"""What can go wrong while things are put together, as one family of typed errors.

Only errors live here. Each says in its text what happened and what to do about it, so that the command line can print
it as it stands; none of them ever carries a partner's words, a key or an address of a person.
"""


class SetupError(Exception):
    """Something outside a programme is not in order: `what` happened, and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} {remedy}")
        self.what = what
        self.remedy = remedy


class SettingsError(SetupError):
    """A setting is unknown, missing or out of range."""


class ServerError(SetupError):
    """The embedded server could not be started, reused or stopped."""


class NamespaceError(SetupError):
    """A Temporal namespace is not, and could not be made, ready for programmes."""


class CodecServerError(SetupError):
    """The codec server could not be opened."""


class HealthError(SetupError):
    """The health endpoint could not be opened."""
