"""The commands of the vault: its keys, and how people are reached. Nothing here prints an address unless asked to."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from duologue.cli import context, output
from duologue.cli.errors import Problem
from duologue.practice.values import Frozen

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from duologue.vault import Contact, Vault

_T = TypeVar("_T")

_OPENS = {"yes": output.good("yes"), "not_at_hand": output.bad("not at hand"), "no": output.bad("no")}


class _Way(Frozen):
    """A contact as it is printed: its address only where it was asked for."""

    channel: str
    address: str | None = None


def install(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    keys = typer.Typer(
        no_args_is_help=True, help="The keys that wrap the couples' keys: make, look, wrap anew, retire."
    )
    for command in (new, status, rewrap, retire):
        keys.command()(command)
    app.add_typer(keys, name="keys", rich_help_panel=panel)
    app.command(rich_help_panel=panel)(contact)


def new(
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Put it first in this file, before those that are there. The file is made if need be.",
            show_default=False,
        ),
    ] = None,
    once: Annotated[
        bool, typer.Option("--once", help="With --file: leave a file alone that is there.")
    ] = False,
    as_json: context.AsJson = False,
) -> None:
    """A new key-encryption key: printed as DUOLOGUE_VAULT_KEYS takes it, or put first in a file."""
    from duologue.vault import KeyFile, LocalKeys

    if file is None:
        if once:
            raise context.usage("--once goes with --file")
        line = LocalKeys.new()
        output.emit({"key": line}) if as_json else output.say(line)
        return
    keys = KeyFile(file)
    begun = keys.begin()
    made = begun or not once
    current = keys.rotate() if made and not begun else keys.current
    if as_json:
        output.emit({"file": str(file), "current": current, "made": made})
    elif not made:
        output.say("Nothing to do", f": {file} is there; its current key is ", output.name(current))
    else:
        output.say(output.good("Made"), ": key ", output.name(current), f", the current one in {file}")
        output.say("Keep a copy of this file where the vault's own backups are not.")
        if not begun:
            output.say("What older keys wrap is wrapped by it with: duologue keys rewrap")


def status(as_json: context.AsJson = False) -> None:
    """How much the vault keeps, and which keys wrap it. Names nobody."""
    found = context.run(_with(lambda vault: vault.status()))
    if as_json:
        output.emit(found)
        return
    output.facts(
        ("Couples", str(found.couples)),
        ("With contacts", f"{found.contacts} people"),
        ("Forgotten", str(found.forgotten)),
    )
    output.say()
    ids = dict.fromkeys((found.current, *found.wrapped))
    output.table(
        ("KEY", "WRAPS", "OPENS", ""),
        (
            (
                output.name(key),
                str(found.wrapped.get(key, 0)),
                _OPENS[found.opens[key]] if key in found.opens else "-",
                "current" if key == found.current else "",
            )
            for key in ids
        ),
    )
    if set(found.wrapped) - {found.current}:
        output.say("What older keys wrap is wrapped by the current one with: duologue keys rewrap")


def rewrap(as_json: context.AsJson = False) -> None:
    """Wrap by the current key whatever an older one wraps. Histories are not touched; may be repeated at any time."""

    async def work(vault: Vault) -> tuple[int, int]:
        return await vault.rewrap(), (await vault.status()).couples

    with output.working("Wrapping anew …"):
        count, couples = context.run(_with(work))
    if as_json:
        output.emit({"rewrapped": count})
    elif count:
        output.say(output.good("Done"), f": {count} keys are now wrapped by the current one.")
        output.say(
            "Take the old one out by 'duologue keys retire', and destroy its copies: older backups then open nothing."
        )
    elif couples:
        output.say("Nothing to do: all is wrapped by the current key.")
    else:
        output.say("Nothing to do: this vault keeps no couple. Is it the right one (DUOLOGUE_VAULT_URL)?")


def retire(
    key_id: Annotated[str, typer.Argument(metavar="KEY", help="The key's id, as in: duologue keys status.")],
    as_json: context.AsJson = False,
) -> None:
    """Take an old key out of the key file, once it wraps nothing. Without it older backups open nothing."""
    from duologue.vault import KeyFile
    from duologue.worker.vaulting import keys_file

    settings = context.load_settings()
    found = context.run(_with(lambda vault: vault.status()))
    if key_id != found.current and (count := found.wrapped.get(key_id)):
        raise Problem(
            "key_in_use",
            f"The key '{key_id}' still wraps {count} keys of couples.",
            "Wrap them by the current one first: duologue keys rewrap.",
        )
    if key_id != found.current and not found.wrapped.get(found.current):
        # Of a vault that these keys are not for, or one that was only made by asking it, every key can be spared.
        raise Problem(
            "other_vault",
            f"The current key '{found.current}' wraps nothing in this vault: it tells nothing of '{key_id}'.",
            "Is it the right one (DUOLOGUE_VAULT_URL)? What older keys wrap is wrapped by: duologue keys rewrap. Out "
            "of a vault without couples take a key by hand.",
        )
    if settings.vault_keys.get_secret_value():
        raise Problem(
            "key_elsewhere",
            "The keys are in DUOLOGUE_VAULT_KEYS, which cannot be changed from here.",
            f"It wraps nothing. Unless it is the first one, take '{key_id}' out there, everywhere; destroy its copies.",
        )
    file = keys_file(settings)
    KeyFile(file).retire(key_id)
    if as_json:
        output.emit({"retired": key_id, "file": str(file), "current": found.current})
        return
    output.say(output.good("Retired"), ": key ", output.name(key_id), f" is no longer in {file}")
    output.say("Now destroy every copy of it, and make a new backup of the vault.")


def contact(
    programme: context.ProgrammeId,
    ref: Annotated[
        str | None,
        typer.Argument(metavar="REF", help="The person's reference in the programme.", show_default=False),
    ] = None,
    ways: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CHANNEL[=ADDRESS] …",
            help="The ways to that person, the preferred one first; '=-' reads the address from standard input.",
            show_default=False,
        ),
    ] = None,
    nobody: Annotated[bool, typer.Option("--none", help="Reach this person by no way from now on.")] = False,
    listing: Annotated[bool, typer.Option("--list", help="Show what is kept, without addresses.")] = False,
    show: Annotated[bool, typer.Option("--show", help="With --list: with the addresses.")] = False,
    as_json: context.AsJson = False,
) -> None:
    """How a person of a couple is reached, kept in the vault. It replaces what was kept of that person before."""
    if show and not listing:
        raise context.usage("--show goes with --list")
    if listing:
        if ways or nobody:
            raise context.usage("--list only shows; leave out the channels")
        _list(programme, ref, show=show, as_json=as_json)
        return
    if ref is None or bool(ways) == nobody:
        raise context.usage(
            "say whose contacts and which, as in: duologue contact ID REF email=- ; or see them by: --list"
        )
    contacts = tuple(map(_contact, ways or ()))

    async def put(vault: Vault) -> bool:
        # Contacts come first: messages go out as soon as the programme has started.
        new = not await vault.knows(programme)
        if new:
            await vault.add(programme)
        await vault.put_contacts(programme, ref, contacts)
        return new

    new = context.run(_with(put))
    if as_json:
        channels = [each.channel for each in contacts]
        output.emit({"programme": programme, "ref": ref, "channels": channels, "new_couple": new})
        return
    told = ", then ".join(each.channel for each in contacts) or "no way"
    output.say(output.good("Kept"), ": ", output.name(ref), f" is reached by {told}")
    if new:
        output.say("This couple is new in the vault; its programme is started by: duologue start FILE")


async def _with(work: Callable[[Vault], Awaitable[_T]]) -> _T:
    """Do something with the vault that the settings name."""
    from duologue.worker.vaulting import vault_of

    vault = vault_of(context.load_settings(), tell=lambda text: output.say(text, error=True))
    try:
        return await work(vault)
    finally:
        await vault.close()


def _list(programme: str, ref: str | None, *, show: bool, as_json: bool) -> None:
    people = context.run(_with(lambda vault: vault.people(programme)))
    shown = {
        who: [_Way(channel=c.channel, address=c.address if show else None) for c in contacts]
        for who, contacts in people.items()
        if ref in (None, who)
    }
    if as_json:
        output.emit({who: [w.model_dump(exclude_none=True) for w in ways] for who, ways in shown.items()})
    elif not shown:
        output.say("The vault keeps no contacts here. Add some by: duologue contact ID REF email=-")
    else:
        output.table(
            ("REF", "REACHED BY"),
            (
                (output.name(who), ", then ".join(filter(None, map(_told, ways))) or "no way")
                for who, ways in shown.items()
            ),
        )


def _told(way: _Way) -> str:
    return f"{way.channel} {way.address}" if way.address else way.channel


def _contact(given: str) -> Contact:
    """A contact as it was written. An error repeats no address."""
    from pydantic import ValidationError

    from duologue.vault import Contact

    channel, _, address = given.partition("=")
    if address == "-":
        address = sys.stdin.readline().strip()
    try:
        return Contact(channel=channel, address=address)
    except ValidationError as error:
        told = error.errors(include_input=False, include_url=False, include_context=False)[0]
        message = told["msg"].removeprefix("Value error, ")
        raise Problem(
            "contact",
            f"A contact cannot be used: {message}.",
            "Write a channel with its address, such as email=someone@example.org, or a channel alone, such as webhook.",
        ) from None
