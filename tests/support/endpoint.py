"""An HTTP endpoint in the tests' own loop, as a platform has one: it keeps what is posted and answers as it is told."""

from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from standardwebhooks import Webhook

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwAbCdEfGh"


@dataclass
class Endpoint:
    """What was posted, and how it is answered."""

    url: str = ""
    posted: list[tuple[str, bytes]] = field(default_factory=list)
    """Every request, accepted or not: its webhook id and its body."""
    accepted: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    answer: Callable[[web.Request], Awaitable[web.StreamResponse]] | None = None
    """None: everything is accepted."""

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """Takes a request, answers, and counts it as accepted if the answer says so."""
        body = await request.read()
        number = request.headers.get("webhook-id", "")
        if number:
            # The reference library, and not ours, says whether the signature is right.
            Webhook(SECRET).verify(body, dict(request.headers))
        self.posted.append((number, body))
        response = web.Response(status=204) if self.answer is None else await self.answer(request)
        if response.status < 300:
            self.accepted[number] += 1
        return response

    @property
    def bodies(self) -> dict[str, set[bytes]]:
        """The different bodies that came under each id."""
        found: dict[str, set[bytes]] = defaultdict(set)
        for number, body in self.posted:
            found[number].add(body)
        return found


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    """An endpoint on a free port of the loopback address."""
    found = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{anywhere:.*}", found.receive)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield found
    finally:
        await runner.cleanup()
