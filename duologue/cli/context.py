"""What the commands share: settings, the connection, one event loop a command, and the options that all have.

Nothing here knows what a command does.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import signal
import sys
import threading
from collections.abc import Awaitable, Coroutine
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

from duologue.cli.errors import Problem
from duologue.practice.values import By, parse_span

if TYPE_CHECKING:
    from duologue.client import Client
    from duologue.vault import ContentKey, ForgetReceipt, Vault
    from duologue.vault.reading import Keeper
    from duologue.vault.seal import Kind
    from duologue.worker.settings import Settings

_T = TypeVar("_T")

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
ProgrammeId = Annotated[str, typer.Argument(metavar="ID", help="The programme's id.", show_default=False)]
ByWhom = Annotated[By, typer.Option("--by", help="Who acts.", show_default=False)]

SPANS = "30min, 2h, 1d, or a time with its offset: 2027-01-04T19:00+01:00"
_STOPPED, _SIGNALLED = "stopped", 128
_ANSWERS_WITHIN = 10.0
_STOP = [s for s in signal.Signals if s.name in ("SIGINT", "SIGTERM", "SIGHUP")]
_SIGNED = re.compile(r"^([+-]?)(?=\d)(?!\d{4}-)(.+)$")


def usage(message: str) -> typer.BadParameter:
    """A command called wrongly."""
    return typer.BadParameter(message)


def load_settings() -> Settings:
    """The settings of this process. Raises `SettingsError`."""
    from duologue.worker.settings import Settings

    return Settings.load()


def located(settings: Settings) -> Settings:
    """The settings with the port of the embedded server that runs in the data folder, should it have another."""
    from duologue.worker import embedded

    server = embedded.find(settings)
    return settings.model_copy(update={"server_port": server.port}) if server else settings


async def connect(settings: Settings) -> Client:
    """A client of the service that the TEMPORAL_* settings name; without one, of the embedded server.

    Raises `Unreachable`, `SettingsError`.
    """
    from duologue.cli import output
    from duologue.client import Client
    from duologue.codec import connecting
    from duologue.worker.keys import keys_of

    def tell(text: str) -> None:
        output.say(output.soft(text), error=True)

    config: dict[str, Any] = {**located(settings).connection()}
    config |= connecting(keys_of(settings, config["target_host"], tell))
    return await Client.connect(task_queue=settings.task_queue, keys=vault(settings), **config)


def vault(settings: Settings) -> Keeper:
    """The vault that the settings name. It is looked for when a key is needed: most commands need none."""
    return _WhenNeeded(settings)


class _WhenNeeded:
    """A vault that is put together at its first use. Raises `VaultError` then, where it cannot be."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    @cached_property
    def _vault(self) -> Vault:
        from duologue.cli import output
        from duologue.vault import VaultError
        from duologue.worker.errors import SettingsError
        from duologue.worker.vaulting import vault_of

        def tell(text: str) -> None:
            output.say(output.soft(text), error=True)

        try:
            return vault_of(self._settings, tell=tell)
        except SettingsError as error:
            # To whoever uses a vault, one that cannot be had is one that is away.
            raise VaultError(error.what, error.remedy) from None

    async def add(self, programme: str, forget_after: timedelta | None = None) -> None:
        await self._vault.add(programme, forget_after)

    async def key(self, programme: str, kind: Kind) -> ContentKey:
        return await self._vault.key(programme, kind)

    async def key_by_id(self, programme: str, key_id: str) -> ContentKey:
        return await self._vault.key_by_id(programme, key_id)

    async def knows(self, programme: str) -> bool:
        return await self._vault.knows(programme)

    async def forget(self, programme: str, *, unknown: bool = False) -> ForgetReceipt:
        return await self._vault.forget(programme, unknown=unknown)


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Ask before what cannot be taken back; a script says `--yes` instead. Raises `Problem` without a yes."""
    asked = not as_json and sys.stdin.isatty()
    if not yes and not (asked and typer.confirm(question, err=True)):
        raise Problem("not_confirmed", "Nothing was done.", "Confirm with --yes.")


async def answer(question: Awaitable[_T], programme: str) -> _T:
    """What a programme answers to a query. Raises `Unreachable` well before the service would give up."""
    from duologue.client import Unreachable

    try:
        async with asyncio.timeout(_ANSWERS_WITHIN):
            return await question
    except TimeoutError:
        message = (
            f"programme '{programme}' did not answer within {_ANSWERS_WITHIN:.0f} s; is a worker running? "
            "Start one with 'duologue worker'. What needs none: duologue list"
        )
        raise Unreachable(message) from None


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Do the work of one command in its own event loop.

    The first signal to stop cancels the work, which then tidies up; further ones do not disturb that.
    Raises `Problem` where it was stopped.
    """
    return asyncio.run(_stoppable(work))


def until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """The same for work that ends by being stopped."""
    try:
        run(work)
    except Problem as problem:
        if problem.error != _STOPPED:
            raise


async def _stoppable(work: Coroutine[Any, Any, _T]) -> _T:
    task = asyncio.ensure_future(work)
    received: list[signal.Signals] = []

    def stop(number: signal.Signals) -> None:
        received.append(number)
        if len(received) == 1:
            task.cancel()

    for each in _STOP if threading.current_thread() is threading.main_thread() else ():
        with contextlib.suppress(NotImplementedError):  # on Windows Ctrl-C comes as KeyboardInterrupt
            asyncio.get_running_loop().add_signal_handler(each, stop, each)
    try:
        return await task
    except asyncio.CancelledError:
        if received:
            raise Problem(_STOPPED, "Stopped.", code=_SIGNALLED + received[0]) from None
        raise


def instant(given: str, now: datetime | None = None) -> datetime:
    """A moment from a span (`30min`: from now; `-5min`: ago) or from ISO 8601 with an offset."""
    relative = _SIGNED.match(given)
    try:
        if relative:
            span = parse_span(relative[2])
            return (now or datetime.now(UTC)) + (-span if relative[1] == "-" else span)
        at = datetime.fromisoformat(given)
    except (ValueError, OverflowError):
        raise usage(f"'{given}' is no time; write {SPANS}") from None
    if at.tzinfo is None:
        raise usage(f"'{given}' lacks its offset from UTC; write {SPANS}")
    return at


def span(given: str) -> timedelta:
    """A length of time, such as `30s`."""
    try:
        return parse_span(given)
    except ValueError as error:
        raise usage(f"'{given}': {error}") from None
