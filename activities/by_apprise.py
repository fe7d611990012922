"""The channel `apprise`: whatever the Apprise library reaches (SMS, push, chat), by the URL that is the address.

Only the text travels: no calendar entry, and no idempotency key, since most of these services know neither.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from duologue.activities.channels import TryAgain, Undeliverable
from duologue.activities.hush import hushed
from duologue.practice.asks import Message
from duologue.practice.texts import MessageText
from duologue.vault import Contact


class AppriseChannel:
    """Delivers through Apprise. It says whether, and never why not: its services do not tell "never" from "not now"."""

    name = "apprise"

    def __init__(self, timeout: timedelta = timedelta(seconds=15)) -> None:
        self._timeout = timeout

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Hands the text to the service that the address names."""
        with hushed():
            failure = await asyncio.to_thread(_notify, to.address, text, self._timeout.total_seconds())
        if failure is not None:
            raise failure


def _notify(url: str, text: MessageText, seconds: float) -> Undeliverable | TryAgain | None:
    """Blocks until the service has answered, and says what went wrong in our words."""
    import apprise  # noqa: PLC0415 - it brings 130 services along, for the few who use it

    asset = apprise.AppriseAsset(
        app_id="Duologue",
        app_desc="",
        app_url="",
        # Nothing is kept on disk: neither an address nor who was written to.
        storage_mode="memory",
        async_mode=False,
        interpret_escapes=False,
        http_redirects=False,
        service_timeout=seconds,
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(url):
        return Undeliverable("bad_address")
    told = service.notify(body=text.body, title=text.subject, body_format="text")
    return None if told else TryAgain()
