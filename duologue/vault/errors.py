"""What can go wrong with the vault, as one family of typed errors.

Each says what happened and what to do about it. Ids of keys and of programmes may be named, since they are opaque; a
key, an address or the text of a library's own error never is.
"""

from __future__ import annotations

from duologue.errors import DuologueError


class VaultError(DuologueError):
    """Something of the vault is not in order: `what` happened, and the `remedy`."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(f"{what} {remedy}")
        self.what = what
        self.remedy = remedy


class BadKeys(VaultError):
    """Key-encryption keys cannot be used as they are given."""


class KeyNotAtHand(VaultError):
    """A key-encryption key is missing. What it wraps waits; nothing is lost while the key itself is not."""

    REMEDY = (
        "Bring it back into DUOLOGUE_VAULT_KEYS or its file, after the current one; until then what it wraps stays "
        "closed."
    )

    def __init__(self, key_id: str, remedy: str = REMEDY) -> None:
        super().__init__(f"The key-encryption key '{key_id}' is not at hand.", remedy)
        self.key_id = key_id


class Damaged(VaultError):
    """What is kept does not open, or is not what it was."""

    def __init__(self, key_id: str) -> None:
        super().__init__(
            f"Something that key '{key_id}' should open does not open.",
            "Either its row was changed, or another key has been given under this id: compare with a backup.",
        )
        self.key_id = key_id


class UnknownCouple(VaultError):
    """There is no such couple."""

    def __init__(self, programme: str) -> None:
        super().__init__(
            f"The vault knows no couple of a programme '{programme}'.",
            "Check the id, and whether this is its vault (DUOLOGUE_VAULT_URL); a couple comes into the vault when its "
            "programme is started.",
        )


class Forgotten(VaultError):
    """The couple was forgotten: its words and contacts are gone for good."""

    def __init__(self, programme: str) -> None:
        super().__init__(
            f"The couple of programme '{programme}' was forgotten.",
            "Its words and contacts are gone for good; a new programme needs another id.",
        )


class Over(VaultError):
    """The couple's programme has ended. Another couple under its id would be given its keys and contacts."""

    def __init__(self, programme: str) -> None:
        super().__init__(
            f"Programme '{programme}' has run before, and its couple is still kept.",
            "A new programme needs another id.",
        )


class UnknownKey(UnknownCouple):
    """The couple has no content key of that id: to whoever wants to read, the same as no couple."""

    def __init__(self, key_id: str) -> None:
        VaultError.__init__(
            self,
            f"This couple has no content key '{key_id}'.",
            "What was sealed by it belongs to another couple, or was changed.",
        )


class BadReference(VaultError):
    """A reference to a programme or person is no opaque id. It is not repeated: it might be a name or an address."""

    def __init__(self) -> None:
        super().__init__(
            "A reference is an opaque id.",
            "Use letters, digits and . _ : - only, at most 64, and no address.",
        )


class VaultAway(VaultError):
    """The vault's database does not answer, or not as it should."""
