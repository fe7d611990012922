"""The commands of the service keys and the codec server: codec-keys new, add, use, show; codec-server.

No command prints a key; what is shown are ids.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from duologue.cli import context, output
from duologue.cli.errors import Problem
from duologue.practice.values import Scope

if TYPE_CHECKING:
    from collections.abc import Callable

    from duologue.codec import KeyRing

KeyFile = Annotated[Path, typer.Argument(metavar="FILE", help="The file of the keys.", show_default=False)]
OneScope = Annotated[
    Scope | None,
    typer.Option("--scope", help="In this scope alone; without it, in both.", show_default=False),
]


def install(app: typer.Typer, panel: str) -> None:
    """Add these commands."""
    keys = typer.Typer(no_args_is_help=True, help="The service keys that payloads are encrypted with.")
    for command in (new, add, use, show):
        keys.command()(command)
    app.add_typer(keys, name="codec-keys", rich_help_panel=panel)
    app.command("codec-server", rich_help_panel=panel)(codec_server)


def new(file: KeyFile, as_json: context.AsJson = False) -> None:
    """Write new keys to FILE, which must not exist: a seal, and a key for each scope."""
    from duologue.worker.keys import make

    if not make(file):
        raise Problem(
            "exists", f"{file} exists, and stays as it is.", "Name another file, or rotate: add, use."
        )
    _told(file, _ring(file), as_json=as_json)


def add(file: KeyFile, scope: OneScope = None, as_json: context.AsJson = False) -> None:
    """Add a key that at first only decrypts. Let every worker and client have it, and then: use."""
    _changed(file, lambda ring: ring.with_new(*([scope] if scope else ())), as_json=as_json)


def use(file: KeyFile, scope: OneScope = None, as_json: context.AsJson = False) -> None:
    """Encrypt with the key that was added last. The others stay, to decrypt with: histories need them.

    Where that has been said before, it stays so.
    """
    before = _ring(file).dump()
    ring = _changed(file, lambda ring: ring.with_newest_current(*([scope] if scope else ())), as_json=as_json)
    if not as_json and ring.dump() == before:
        output.say("Nothing to do: no key was added that is not used.")


def show(file: KeyFile, as_json: context.AsJson = False) -> None:
    """The ids of the keys, as they stand in payloads; no secret is shown."""
    _told(file, _ring(file), as_json=as_json)


def codec_server() -> None:
    """Serve Temporal's Web UI and CLI: decrypt what they show, encrypt what they send. Until Ctrl-C.

    For the embedded server 'duologue up' does so by itself.
    """
    from duologue.worker import codec_server as serving
    from duologue.worker import keys, logs
    from duologue.worker.errors import SettingsError

    settings = context.load_settings()
    logs.configure(settings.log_format, settings.log_level)

    async def work() -> None:
        found = keys.keys_of(settings, "")
        if found is None:
            raise SettingsError("There are no codec keys to decrypt with.", keys.REMEDY)
        server = serving.standing_alone(settings, found)
        async with server.serving(settings.codec_host, settings.codec_port) as address:
            output.facts(
                ("Codec server", output.name(address)),
                ("Asked by", settings.codec_origins or "no Web UI: set DUOLOGUE_CODEC_ORIGINS"),
            )
            output.say(output.good("Ready"), ". Ctrl-C stops it.")
            await asyncio.Event().wait()

    context.until_stopped(work())


def _ring(file: Path) -> KeyRing:
    from duologue.worker.keys import read

    return read(file).ring


def _changed(file: Path, how: Callable[[KeyRing], KeyRing], *, as_json: bool) -> KeyRing:
    from duologue.worker.keys import change

    ring = change(file, how)
    _told(file, ring, as_json=as_json)
    return ring


def _told(file: Path, ring: KeyRing, *, as_json: bool) -> None:
    from duologue.codec.ring import SCOPES

    if as_json:
        output.emit({"file": str(file)} | {scope: ring.ids(scope) for scope in SCOPES})
        return
    rows = (
        (scope, output.name(key), "encrypts" if place == 0 else "decrypts only")
        for scope in SCOPES
        for place, key in enumerate(ring.ids(scope))
    )
    output.table(("SCOPE", "KEY", ""), rows)
