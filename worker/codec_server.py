"""The codec server: shows Temporal's Web UI and CLI what payloads say, to whom it may; and encrypts what they send.

Temporal's own protocol: `POST /decode` and `/encode`, `{"payloads": [...]}` in and out. A payload of a scope that is
not the caller's is answered by a note in its place, and so is one whose key is missing. It holds no couple's keys, so
sealed words stay sealed here. What is encrypted here goes into `safeguarding` always, since nobody can say what it is
for: a pause, perhaps.

On the embedded server it is open to this machine without a token, for `ops` alone. A web page from elsewhere reaches
loopback too, so it must be asked by the Web UI's origin, and under its own name (no other name that somebody has
pointed here). Standing alone it asks everybody for a token, and is asked under whatever name its proxy has.
"""

from __future__ import annotations

import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus

import structlog
from aiohttp import web
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from duologue.codec import Codec, KeyNotAtHand, Keys
from duologue.codec.codec import Forged, is_encrypted, scope_of
from duologue.practice.values import Scope
from duologue.worker import keys as service_keys
from duologue.worker.admission import Admission, Caller, NotAdmitted, TooMany
from duologue.worker.embedded import HOST, Server
from duologue.worker.errors import CodecServerError
from duologue.worker.settings import Settings

BODY_BYTES = 8 * 1024 * 1024
"""A larger request is refused."""

PAYLOADS = 1000
"""A request with more payloads is refused: the Web UI sends a handful, and each costs time and memory."""

NOT_YOURS = "[for the safeguarding contact only]"
NO_KEY = "[the codec key {} is not at hand]"

_ALLOWED = {
    "Access-Control-Allow-Methods": "POST, OPTIONS",
    "Access-Control-Allow-Headers": "content-type,x-namespace,authorization",
    "Access-Control-Max-Age": "600",
    "Vary": "Origin",
}
_LOOPBACK = (HOST, "localhost")

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_log = structlog.get_logger("duologue.codec")


@asynccontextmanager
async def beside(settings: Settings, server: Server) -> AsyncIterator[str | None]:
    """The codec server of an embedded server's Web UI for as long as the block lasts; yields its address.

    None: there is no Web UI, or whoever started it serves this already. Raises `CodecServerError`, `SettingsError`.
    """
    address = None
    async with AsyncExitStack() as stack:
        keys = service_keys.keys_of(settings, server.address)
        if server.ui_port and server.codec_port and keys:
            origins = [f"http://{name}:{server.ui_port}" for name in _LOOPBACK]
            admission = Admission(settings, frozenset[Scope]({"ops"}))
            here = CodecServer(admission, keys, origins + settings.codec_origins.split(), names=_LOOPBACK)
            try:
                address = await stack.enter_async_context(here.serving(HOST, server.codec_port))
            except CodecServerError:
                if not server.reused:
                    raise
        yield address


def standing_alone(settings: Settings, keys: Keys) -> CodecServer:
    """A codec server for other Temporal services: nobody is admitted without a token. Raises `SettingsError`."""
    return CodecServer(Admission(settings), keys, settings.codec_origins.split())


class CodecServer:
    """Answers requests, each judged first: by what name it came, from which origin, by whom, and how often."""

    def __init__(
        self, admission: Admission, keys: Keys, origins: Iterable[str], names: Iterable[str] | None = None
    ) -> None:
        """`names`: the only hosts under which it may be asked, each with its port; None: any."""
        self._admission = admission
        self._codec = Codec(keys, service_keys.alert)
        self._origins = frozenset(origins)
        self._names = names
        self._hosts: frozenset[str] | None = None

    @asynccontextmanager
    async def serving(self, host: str, port: int) -> AsyncIterator[str]:
        """Serve for as long as the block lasts; yields the address (port 0: any free one).

        Raises `CodecServerError` where the port cannot be had.
        """
        app = web.Application(middlewares=[self._guarded], client_max_size=BODY_BYTES)
        app.router.add_post("/decode", self._decode)
        app.router.add_post("/encode", self._encode)
        runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=1.0)
        await runner.setup()
        try:
            await _listen(runner, host, port)
            found = runner.addresses[0][1]
            if self._names is not None:
                self._hosts = frozenset(f"{name}:{found}" for name in self._names)
            yield f"http://{host}:{found}"
        finally:
            await runner.cleanup()

    @web.middleware
    async def _guarded(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        """Whatever is answered to an origin of ours, an error too, its pages may read."""
        origin = request.headers.get("Origin")
        if self._hosts is not None and request.host not in self._hosts:
            return _said(HTTPStatus.MISDIRECTED_REQUEST, "not by this name")
        if origin is not None and origin not in self._origins:
            return _said(HTTPStatus.FORBIDDEN, "not from this origin")
        if request.method == "OPTIONS":
            response: web.StreamResponse = web.Response(status=HTTPStatus.NO_CONTENT)
        else:
            response = await self._answered(request, handler)
        response.headers.update(_ALLOWED)
        if origin is not None:
            response.headers["Access-Control-Allow-Origin"] = origin
        return response

    async def _answered(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except NotAdmitted:
            response = _said(HTTPStatus.UNAUTHORIZED, "not admitted: send a valid token")
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        except TooMany as error:
            response = _said(HTTPStatus.TOO_MANY_REQUESTS, "too many requests")
            response.headers["Retry-After"] = str(math.ceil(error.after))
            return response
        except web.HTTPException as error:
            return _said(HTTPStatus(error.status), error.reason)
        except json_format.ParseError:
            return _said(HTTPStatus.BAD_REQUEST, 'send {"payloads": [...]}')
        except KeyNotAtHand as error:
            return _said(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        except Exception as error:  # noqa: BLE001 - what it says may repeat what was sent
            _log.error("codec server failed", error=type(error).__qualname__)
            return _said(HTTPStatus.INTERNAL_SERVER_ERROR, "an error of ours")

    def _admitted(self, request: web.Request) -> Caller:
        peer = request.remote or "somewhere"
        return self._admission.admit(request.headers.get("Authorization"), peer)

    async def _decode(self, request: web.Request) -> web.StreamResponse:
        scopes = self._admitted(request).scopes
        return _payloads(self._shown(payload, scopes) for payload in await _given(request))

    async def _encode(self, request: web.Request) -> web.StreamResponse:
        self._admitted(request)
        return _payloads([self._codec.encrypt(payload, "safeguarding") for payload in await _given(request)])

    def _shown(self, payload: Payload, scopes: frozenset[Scope]) -> Payload:
        if not is_encrypted(payload):
            return payload
        if scope_of(payload) not in scopes:
            return _note(NOT_YOURS)
        try:
            return self._codec.decrypt(payload)
        except Forged:
            return payload
        except KeyNotAtHand as missing:
            return _note(NO_KEY.format(missing.key))


async def _listen(runner: web.AppRunner, host: str, port: int) -> None:
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        raise CodecServerError(
            f"The codec server cannot listen on {host}:{port}: {error.strerror}.",
            "End what uses it, or choose another by DUOLOGUE_CODEC_PORT.",
        ) from error


async def _given(request: web.Request) -> list[Payload]:
    given = await request.read()
    # Looked at before anything is built of it. A payload has a brace, its metadata another, and each of their fields a
    # colon; neither stands in what they hold, which is base64.
    for mark, most in ((b"{", 2 * PAYLOADS + 1), (b":", 20 * PAYLOADS)):
        if (count := given.count(mark)) > most:
            raise web.HTTPRequestEntityTooLarge(most, count, reason="too many payloads in one request")
    try:
        body = given.decode()
    except UnicodeDecodeError as error:
        raise json_format.ParseError from error
    return list(json_format.Parse(body, Payloads(), ignore_unknown_fields=True).payloads)


def _payloads(given: Iterable[Payload]) -> web.Response:
    return _json(json_format.MessageToJson(Payloads(payloads=given), indent=None))


def _note(text: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=json.dumps(text).encode())


def _said(status: HTTPStatus, error: str) -> web.Response:
    return _json(json.dumps({"error": error}), status)


def _json(text: str, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return web.Response(text=text, status=status, content_type="application/json", headers=headers)
