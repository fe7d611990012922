"""Who is reached how: the port that gives a person's contacts, and its adapters: the vault, a file, "all the same way".

A contact is a channel's name and an address, and the addresses stay here and in the channels: no history, log line or
error may hold one. Which channel is tried when is for `post.py` to say, and how it sends, for the channel.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.constructor import DuplicateKeyError
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from duologue.vault import Contact, Forgotten, Vault, VaultError

_NEWCOMERS = "everyone_else"


class ContactsError(Exception):
    """The contacts cannot be read just now. Says where and what to do, and repeats no address."""


class Contacts(Protocol):
    """Where contacts are kept."""

    async def of(self, ref: str, programme: str) -> tuple[Contact, ...]:
        """The ways to reach `ref` in matters of `programme`, the preferred one first; none: nobody is known by it.

        Raises `ContactsError` while they cannot be read: messages then wait.
        """


class Everyone:
    """Everybody is reached the same way; nobody's address is known here."""

    def __init__(self, *contacts: Contact) -> None:
        self._contacts = contacts

    async def of(self, ref: str, programme: str) -> tuple[Contact, ...]:
        """The same for all."""
        return self._contacts


class VaultContacts:
    """A couple's contacts from the vault; of whom it keeps none, such as the staff, from elsewhere.

    Whoever was forgotten is reached by no way, whatever else may know of them.
    """

    def __init__(self, vault: Vault, otherwise: Contacts) -> None:
        self._vault = vault
        self._otherwise = otherwise

    async def of(self, ref: str, programme: str) -> tuple[Contact, ...]:
        """From the vault, else from elsewhere."""
        try:
            found = await self._vault.contacts(programme, ref)
        except Forgotten:
            return ()
        except VaultError as error:
            raise ContactsError(str(error)) from None
        return await self._otherwise.of(ref, programme) if found is None else found


class ContactsFile:
    """Contacts in a YAML file, which is read again when it has changed.

    A file that cannot be used makes messages wait. To go on with what was read before could reach an address that
    somebody had good reason to take out.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._read: tuple[object, dict[str, tuple[Contact, ...]]] | None = None

    async def of(self, ref: str, programme: str) -> tuple[Contact, ...]:
        """The contacts of `ref`, else those of everyone else."""
        people = self.check()
        return people.get(ref, people.get(_NEWCOMERS, ()))

    def check(self) -> dict[str, tuple[Contact, ...]]:
        """All contacts by reference, as the file has them now. Raises `ContactsError`."""
        try:
            found = self._path.stat()
            version = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._read is None or self._read[0] != version:
                self._read = None
                self._read = version, _parse(self._path.read_text("utf-8"))
        except (OSError, UnicodeDecodeError):
            message = "The contacts file cannot be read: see DUOLOGUE_CONTACTS, and who may read that file."
            raise ContactsError(message) from None
        return self._read[1]


def _parse(text: str) -> dict[str, tuple[Contact, ...]]:
    """The contacts in a file's text."""
    try:
        data = YAML(typ="rt").load(text)
    except DuplicateKeyError as error:
        raise _wrong(error.problem_mark, "this is there twice") from None
    except MarkedYAMLError as error:
        # Its own text quotes the line, and an address with it.
        raise _wrong(error.problem_mark, "this is not YAML") from None
    except YAMLError:
        raise _wrong(None, "this is not YAML") from None
    if not isinstance(data, CommentedMap) or not isinstance(data.get("people", CommentedMap()), CommentedMap):
        raise _wrong(None, "write 'people:' and under it each reference with its list of contacts")
    for key in data:
        if key not in ("people", _NEWCOMERS):
            raise _wrong(_Line(data.lc.key(key)[0]), "only 'people' and 'everyone_else' are known here")
    people = data.get("people", CommentedMap())
    found = {str(ref): _contacts(people, ref) for ref in people}
    if _NEWCOMERS in data:
        found[_NEWCOMERS] = _contacts(data, _NEWCOMERS)
    return found


class _Line:
    """A place in the file."""

    def __init__(self, line: int) -> None:
        self.line = line


def _contacts(holder: CommentedMap, key: Any) -> tuple[Contact, ...]:  # noqa: ANN401 - whatever the file has
    """The list of contacts under `key`."""
    listed = holder[key]
    if not isinstance(listed, CommentedSeq):
        raise _wrong(_Line(holder.lc.key(key)[0]), "write a list, such as '- email: someone@example.org'")
    return tuple(_contact(entry, _Line(listed.lc.item(n)[0])) for n, entry in enumerate(listed))


def _contact(entry: object, line: _Line) -> Contact:
    """One entry: a channel's name, or its name and an address."""
    if isinstance(entry, CommentedMap) and len(entry) == 1:
        channel, address = next(iter(entry.items()))
    elif isinstance(entry, str):
        channel, address = entry, ""
    else:
        raise _wrong(line, "an entry is a channel, such as 'webhook', or a channel with an address")
    try:
        return Contact(channel=channel, address=address)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False, include_context=False)[0]
        raise _wrong(line, told["msg"].removeprefix("Value error, ")) from None


def _wrong(mark: Any, remedy: str) -> ContactsError:  # noqa: ANN401 - a mark of the parser or a line of ours
    where = f", line {mark.line + 1}" if mark is not None else ""
    return ContactsError(f"The contacts file cannot be used{where}: {remedy}.")
