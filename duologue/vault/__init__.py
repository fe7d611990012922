"""What must never be in a history: a couple's content keys, and who is reached how; and the sealing of their words.

Forgetting a couple deletes its rows here, and with them every word and address, in every copy of every history. Knows
`practice` only: neither Temporal nor the command line, and it reads no setting. Nothing here logs, and no error repeats
a key, an address or what a database said.
"""

from duologue.vault.contact import Contact
from duologue.vault.errors import (
    BadKeys,
    BadReference,
    Damaged,
    Forgotten,
    KeyNotAtHand,
    Over,
    UnknownCouple,
    UnknownKey,
    VaultAway,
    VaultError,
)
from duologue.vault.store import Vault
from duologue.vault.values import ContentKey, ForgetReceipt, Kept, Kind, Opens, Status
from duologue.vault.wrapping import KeyEncryption, KeyFile, LocalKeys

__all__ = [
    "BadKeys",
    "BadReference",
    "Contact",
    "ContentKey",
    "Damaged",
    "ForgetReceipt",
    "Forgotten",
    "Kept",
    "KeyEncryption",
    "KeyFile",
    "KeyNotAtHand",
    "Kind",
    "LocalKeys",
    "Opens",
    "Over",
    "Status",
    "UnknownCouple",
    "UnknownKey",
    "Vault",
    "VaultAway",
    "VaultError",
]
