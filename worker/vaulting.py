"""The vault that the settings name, with its keys.

Only put together here; what is kept, and how, is in `duologue.vault`. Where Temporal is on this machine and no vault is
named, a key file is made at first use, so that nothing needs to be set up to try things out. Else keys must be given.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

import structlog

from duologue.vault import KeyEncryption, KeyFile, LocalKeys, Vault, VaultError
from duologue.vault.database import Database
from duologue.worker.errors import SettingsError
from duologue.worker.settings import Settings

DATABASE = "vault.db"
KEYS = "vault.keys"
"""The two files in the data folder."""

Tell = Callable[[str], None]


def vault_of(settings: Settings, service: str | None = None, tell: Tell | None = None) -> Vault:
    """The vault that `settings` describe; its database is opened when it is used.

    `service`: the address of Temporal, where it is another than the settings say. `tell` is told when a key file was
    made; without it the log is. Raises `SettingsError` where there are no keys, or they or the URL cannot be used.
    """
    try:
        database = Database(_url(settings))
        return Vault(database, _keys(settings, service, tell or _log))
    except VaultError as error:
        raise SettingsError(error.what, error.remedy) from None


def keys_file(settings: Settings) -> Path:
    """The file of key-encryption keys that `settings` name, whether or not it is in use."""
    return settings.vault_keys_file or settings.data_dir / KEYS


def _url(settings: Settings) -> str:
    return settings.vault_url.get_secret_value() or f"sqlite:///{settings.data_dir / DATABASE}"


def _keys(settings: Settings, service: str | None, tell: Tell) -> KeyEncryption:
    given = settings.vault_keys.get_secret_value()
    if given and settings.vault_keys_file:
        raise SettingsError(
            "Key-encryption keys are given twice.",
            "Unset one of DUOLOGUE_VAULT_KEYS and DUOLOGUE_VAULT_KEYS_FILE.",
        )
    if given:
        return LocalKeys.parse(given)
    path = keys_file(settings)
    keys = KeyFile(path)
    if not path.exists():
        _may_begin(settings, service)
        if keys.begin():
            tell(
                f"A key-encryption key was made in {path}. Keep a copy where the vault's own backups are not: "
                "without it, nobody reads a couple's words again."
            )
    keys.keys()
    return keys


def _may_begin(settings: Settings, service: str | None) -> None:
    """Raises unless a key file may be made by itself: for a vault in the data folder that is yet to be made, too.

    One that was named may hold couples already, whose key is then lost and not to be hidden behind a new one.
    """
    named = settings.vault_keys_file or settings.vault_url.get_secret_value()
    if named or not _here(service or settings.connection().get("target_host", "")):
        raise SettingsError(
            f"There is no key-encryption key: no DUOLOGUE_VAULT_KEYS, and no file {keys_file(settings)}.",
            "Make one by 'duologue keys new' and set it as DUOLOGUE_VAULT_KEYS, or by 'duologue keys new --file FILE' "
            "and name that in DUOLOGUE_VAULT_KEYS_FILE. All workers and clients need the same.",
        )
    database = settings.data_dir / DATABASE
    if database.exists():
        raise SettingsError(
            f"There is a vault, {database}, but its key file {keys_file(settings)} is gone.",
            "Bring the file back from its copy. To begin anew, without the words and contacts of before, move the "
            "vault out of the way.",
        )


def _here(service: str) -> bool:
    """Whether `host:port` is on this machine."""
    host = service.rpartition("//")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _log(text: str) -> None:
    structlog.get_logger("duologue.worker").warning("vault key made", note=text)
