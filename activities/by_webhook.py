"""The channel `webhook`: messages to the platform's own endpoint, signed by the Standard Webhooks scheme.

The platform knows its people by their references, so no address is involved. How an event looks on the wire and how
the endpoint's answers are understood; what it says in them is not read.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

import aiohttp
from standardwebhooks import Webhook

from duologue.activities.channels import TryAgain, Undeliverable
from duologue.activities.hush import hushed
from duologue.activities.invitation import invitation
from duologue.practice.asks import Message
from duologue.practice.texts import MessageText
from duologue.vault import Contact

EVENT = "duologue.message"
"""The type of the one event there is."""

_NEVER = frozenset({400, 410, 413, 415, 422})
"""Answers that mean "not this one, however often". Others may be a deployment gone wrong, and are tried again."""

_PATIENCE = frozenset({408, 425, 429, 500, 502, 503, 504})
_NOT_ADMITTED = frozenset({401, 403})
_LONGEST = timedelta(minutes=10)
"""Longer than this an endpoint is not left alone, whatever it asks for: messages lose their purpose."""


@dataclass(frozen=True)
class Request:
    """An event, ready to be posted."""

    body: bytes
    headers: dict[str, str]


class WebhookChannel:
    """Delivers to a URL. `secrets` sign, each of them: while one is replaced, receivers may hold either.

    Raises `ValueError` for a secret that is none.
    """

    name = "webhook"

    def __init__(
        self,
        url: str,
        secrets: Sequence[str],
        *,
        timeout: timedelta = timedelta(seconds=15),
        now: Callable[[], datetime] | None = None,
    ) -> None:
        self._url = url
        self._signers = [Webhook(secret) for secret in secrets]
        self._timeout = aiohttp.ClientTimeout(total=timeout.total_seconds())
        self._now = now or (lambda: datetime.now(UTC))

    def request(self, message: Message, text: MessageText) -> Request:
        """The event for `message`, signed as of now: at every attempt the same body under the same id."""
        body, number, moment = event(message, text), webhook_id(message.key), self._now()
        signatures = (signer.sign(number, moment, body) for signer in self._signers)
        headers = {
            "content-type": "application/json",
            "webhook-id": number,
            "webhook-timestamp": str(int(moment.timestamp())),
            "webhook-signature": " ".join(signatures),
        }
        return Request(body=body.encode(), headers=headers)

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Posts the event."""
        with hushed():
            failure = await self._post(self.request(message, text))
        if failure is not None:
            raise failure

    async def _post(self, request: Request) -> Undeliverable | TryAgain | None:
        try:
            async with (
                aiohttp.ClientSession(timeout=self._timeout, trust_env=True) as session,
                # A signed event goes where it was meant to go and nowhere else.
                session.post(
                    self._url, data=request.body, headers=request.headers, allow_redirects=False
                ) as answer,
            ):
                return _understood(answer.status, answer.headers.get("retry-after", ""))
        except TimeoutError:
            return TryAgain(trouble="timeout")
        except (aiohttp.ClientConnectionError, OSError):
            return TryAgain(trouble="unreachable")
        except aiohttp.ClientError:
            return TryAgain()


def webhook_id(key: str) -> str:
    """The message's idempotency key as `webhook-id`.

    The scheme joins what it signs with full stops, so an id must have none; `~` occurs in no key.
    """
    return key.replace(".", "~")


def event(message: Message, text: MessageText) -> str:
    """What is posted: the message, the words its recipient reads, and the calendar entry where there is one."""
    entry = invitation(message)
    return json.dumps(
        {
            "type": EVENT,
            "timestamp": message.at.isoformat() if message.at else None,
            "data": {
                "message": message.model_dump(mode="json"),
                "subject": text.subject,
                "body": text.body,
                "invitation": None
                if entry is None
                else {
                    "method": entry.method,
                    "uid": entry.uid,
                    "sequence": entry.sequence,
                    "ics": entry.ics,
                },
            },
        },
        ensure_ascii=False,
        separators=(",", ":"),
        sort_keys=True,
    )


def _understood(status: int, retry_after: str) -> Undeliverable | TryAgain | None:
    """What an answer's status means; its words are not looked at."""
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return None
    if status in _NEVER:
        return Undeliverable("refused")
    if status in _NOT_ADMITTED:
        return TryAgain(trouble="not_admitted")
    if status in _PATIENCE:
        return TryAgain(_asked_for(retry_after), trouble="busy")
    return TryAgain()


def _asked_for(retry_after: str) -> timedelta | None:
    """The wait that the endpoint asks for, where it is a number of seconds, and within reason."""
    seconds = int(retry_after) if re.fullmatch(r"[1-9][0-9]{0,8}", retry_after) else 0
    return min(timedelta(seconds=seconds), _LONGEST) if seconds else None
