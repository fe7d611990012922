"""Nobody reads their words: a whole programme full of canaries, and not one of them in anything that was kept of it.

The real server with its database and Web UI, the real worker, all logs at debug level, metrics, the codec server. The
search itself is proved first: it finds a canary in every form, and the same programme without sealing and codec.
"""

from __future__ import annotations

import asyncio
import base64
import gzip
import io
import json
import logging
import time
import urllib.parse
import zipfile
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
import structlog
from google.protobuf import json_format
from google.protobuf.message import Message as Proto
from temporalio.api.common.v1 import Payload, Payloads
from temporalio.client import Client as TemporalClient
from temporalio.client import WorkflowHistory
from temporalio.runtime import PrometheusConfig, Runtime, TelemetryConfig, TelemetryFilter
from yarl import URL

from duologue.activities import ConsoleChannel, Contact, Everyone, Pace, Post, VaultContacts
from duologue.client import Client, Programme
from duologue.codec import Keys, connecting
from duologue.couple import Couple
from duologue.habits import Manner
from duologue.practice.asks import Message
from duologue.practice.messages import Command, Refusal, parse, partner
from duologue.practice.sealed import words_of
from duologue.practice.texts import MessageText
from duologue.practice.values import PARTNERS, By, Words
from duologue.vault.reading import NOT_YOURS, opened
from duologue.vault.seal import PRIVATE
from duologue.worker import codec_server, embedded, keys, logs, service
from duologue.worker.settings import Settings
from duologue.worker.vaulting import vault_of
from tests.support.canaries import Flock, cells
from tests.support.programmes import QUICK, WELL, a_plan, booked, events, history, other_than, until, views
from tests.support.servers import free_port, settings_in

SECRET = "s" * 40
STAFF = "safeguarding-1"
CURRICULUM = {"name": "test", "items": [{"kinds": ["request", "review"]}, {"kinds": ["mirroring"]}]}
CADENCE = {"every": "list", "at": ["+2h", "+30h", "+60h"]}
"""The second session is far enough for a dialogue to be asked for before."""
MANNER = Manner(a=QUICK.a, b=QUICK.b.with_(corrections=0, asks_more=0))
EYES: tuple[By, ...] = ("a", "b", "facilitator")


class Echoing:
    """A channel that takes nothing, and quotes the address and the message in its error."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.tried: dict[str, str] = {}
        """What was to be told, by the address."""

    async def send(self, message: Message, text: MessageText, to: Contact) -> None:
        """Fails as providers do."""
        self.tried[to.address] = self.tried.get(to.address, "") + text.body
        said = ConnectionError(f"550 <{to.address}>: no such mailbox for {text.subject} {text.body}")
        raise RuntimeError(f"{self.name} does not reach {to.address}") from said


@dataclass
class Lived:
    """What was said in a programme, and everything that was kept or shown of it."""

    programme: Programme
    flock: Flock
    said: dict[str, tuple[str, Command]] = field(default_factory=dict)
    """What was said, by the id of the command that carried it."""
    seen: dict[By, str] = field(default_factory=lambda: {"a": "", "b": "", "facilitator": ""})
    """All views that each of the three had, as JSON."""
    places: dict[str, bytes] = field(default_factory=dict)
    """What is searched."""
    told: list[str] = field(default_factory=list)
    """What was to be told that holds a canary, and met a channel that fails."""
    sealed: list[tuple[str, Command]] = field(default_factory=list)
    """What was said, beside the command that the history holds."""

    async def send(self, command: Command, field_: str = "words") -> None:
        """Send it, with a canary in that field."""
        act = getattr(command, "act", "")
        text = self.flock.words(f"{command.name} {act} {field_} by {command.by}")
        command = command.with_(**{field_: Words(text=text)})
        await self.programme.send(command)
        self.said[command.command_id] = text, command

    async def do(self, name: str, by: By, field_: str = "words", **fields: Any) -> None:
        """Make a command and send it so."""
        data = {"command_id": f"{name}-{len(self.flock.given)}", "by": by, **fields}
        command = parse(name, [json.dumps(data).encode()])
        assert not isinstance(command, Refusal), command
        await self.send(command, field_)

    async def look(self) -> Any:
        """What the three see now."""
        found = await views(self.programme)
        for by, view in found.items():
            self.seen[by] += view.model_dump_json()
        return found


async def live(lived: Lived) -> None:
    """A course in which everything that can be said is said."""
    programme = lived.programme
    for by in PARTNERS:
        await programme.do("consent", by)
        await programme.do("reply", by, question=f"intake.{by}1", answers=WELL)
    await booked(programme)
    await lived.do("note", "a", shared=True)
    await lived.do("note", "b", shared=False)
    couple = Couple("canary", MANNER)
    while True:
        seen = await lived.look()
        if seen["a"].done >= 1:
            break
        intent = couple.next(seen, datetime.now(UTC))
        if intent is None or intent.command is None:
            await asyncio.sleep(0.02)
            continue
        if getattr(intent.command, "words", None) is not None:
            await lived.send(intent.command)
        else:
            await programme.send(intent.command)
        couple.done(intent)
    await lived.do("ask_dialogue", "a", "topic", kind="appreciation")
    await lived.look()
    await lived.do("pause", "b", "reason")
    for by in PARTNERS:
        await programme.do("resume", by)
    await lived.do("pause", "a", "reason", concern=True)
    await lived.look()


@contextmanager
def everything_logged() -> Iterator[io.StringIO]:
    """All that this process logs, down to debug level, in the lines that a worker writes."""
    stream, root, before = io.StringIO(), logging.getLogger(), structlog.get_config()
    handlers, level = root.handlers, root.level
    logs.configure("json", "debug", stream)
    try:
        yield stream
    finally:
        root.handlers = handlers
        root.setLevel(level)
        structlog.configure(**before)


def a_runtime(port: int) -> Runtime:
    """The SDK's core as a worker has it, but talking of everything, and with metrics."""
    logging_ = replace(logs.core_logging(), filter=TelemetryFilter(core_level="DEBUG", other_level="INFO"))
    metrics = PrometheusConfig(bind_address=f"127.0.0.1:{port}")
    return Runtime(telemetry=TelemetryConfig(logging=logging_, metrics=metrics))


async def whole(folder: Path, flock: Flock, *, closed: bool) -> Lived:
    """A programme lived through, and what was kept of it; `closed`: with sealing and codec."""
    settings = settings_in(folder, codec_jwt_secret=SECRET)
    metrics = free_port()
    with everything_logged() as logged:
        async with embedded.running(settings) as server, browser() as session:
            found = keys.keys_of(settings, server.address)
            assert found is not None
            temporal = await TemporalClient.connect(
                server.address,
                runtime=a_runtime(metrics),
                **connecting(found if closed else None, keys.alert),
            )
            vault = vault_of(settings)
            client = Client(temporal, settings.task_queue, vault if closed else None, plain=not closed)
            email, sms = Echoing("email"), Echoing("sms")
            post = Post(
                VaultContacts(vault, otherwise=Everyone(Contact(channel="console"))),
                [email, sms, ConsoleChannel()],
                patience=2,
                pace=Pace(span=timedelta(seconds=0.5), again=(), later=()),
            )
            plan = a_plan(curriculum=CURRICULUM, cadence=CADENCE, safeguarding=STAFF)
            await vault.add(plan.programme)
            for ref in ("person-1", "person-2", STAFF):
                ways = {"email": flock.email(f"anna-{ref}"), "sms": flock.phone(), "console": ""}
                contacts = tuple(Contact(channel=c, address=address) for c, address in ways.items())
                await vault.put_contacts(plan.programme, ref, contacts)
            async with service.working(temporal, settings, channel=post):
                lived = Lived(await client.start(plan), flock)
                await live(lived)
                await until(lambda: tried(sms, 3), "all contacts to be tried")
                lived.told = [body for body in sms.tried.values() if flock.letters in body]
                lived.places |= await shown(session, f"{server.ui}", lived.programme)
                await lived.programme.do("withdraw", "b")
                await lived.programme.result()
                lived.places |= await shown(session, f"{server.ui}", lived.programme)
            kept = await history(lived.programme)
            lived.places["history"] = kept.to_json().encode()
            lived.places |= await decoded(session, settings, found, kept)
            async with session.get(f"http://127.0.0.1:{metrics}/metrics") as answer:
                lived.places["metrics"] = await answer.read()
            for path in folder.iterdir():
                lived.places[path.name] = path.read_bytes()
            lived.sealed = [
                (lived.said[c.command_id][0], c)
                async for c in recorded(kept, temporal)
                if c.command_id in lived.said
            ]
            await vault.close()
        lived.places |= {f"cells of {p.name}": cells(p) for p in folder.glob("*.db")}
    lived.places["logs"] = logged.getvalue().encode()
    return lived


async def recorded(kept: WorkflowHistory, temporal: TemporalClient) -> AsyncIterator[Command]:
    """The commands in a history, as whoever has the service keys reads them."""
    codec = temporal.data_converter.payload_codec
    for accepted in events(kept, "workflow_execution_update_accepted"):
        given = accepted.accepted_request.input
        read = await codec.decode(given.args.payloads) if codec else given.args.payloads
        command = parse(given.name, [p.data for p in read])
        assert not isinstance(command, Refusal)
        yield command


def browser() -> aiohttp.ClientSession:
    """One that keeps the Web UI's cookies too, although it is reached by a number."""
    return aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True))


async def tried(channel: Echoing, addresses: int) -> bool:
    return len(channel.tried) >= addresses


async def shown(session: aiohttp.ClientSession, ui: str, programme: Programme) -> dict[str, bytes]:
    """What the Web UI shows of a programme, and its pages."""
    api = f"{ui}/api/v1/namespaces/default/workflows"
    own = f"{api}/{urllib.parse.quote(programme.handle.id, safe='')}"
    described = await programme.handle.describe()
    asked = {
        "page": ("GET", f"{ui}/namespaces/default/workflows"),
        "page of one": ("GET", own.replace("/api/v1", "") + f"/{described.run_id}/history"),
        "list": ("GET", api),
        "described": ("GET", own),
        "history": ("GET", f"{own}/history"),
        "overview": ("POST", f"{own}/query/overview"),
    }
    places = {f"describe {described.status}": described.raw_description.SerializeToString()}
    for what, (method, url) in asked.items():
        cookies = session.cookie_jar.filter_cookies(URL(ui))
        headers = {"X-CSRF-Token": cookies["_csrf"].value} if "_csrf" in cookies else {}
        body: dict[str, str] | None = {} if method == "POST" else None
        async with session.request(method, URL(url, encoded=True), json=body, headers=headers) as answer:
            assert answer.status == 200, (what, await answer.text())
            places[f"Web UI: {what} {described.status}"] = await answer.read()
    return places


async def decoded(
    session: aiohttp.ClientSession, settings: Settings, found: Keys, kept: WorkflowHistory
) -> dict[str, bytes]:
    """What the codec server makes of every payload of a history, for ops and for the safeguarding contact."""
    all_of_them = [p for event in kept.events for p in payloads(event)]
    assert len(all_of_them) > len(events(kept, "workflow_execution_update_accepted")) > 50
    body = json_format.MessageToJson(Payloads(payloads=all_of_them))
    places = {}
    async with codec_server.standing_alone(settings, found).serving("127.0.0.1", 0) as address:
        for scopes in (["ops"], ["ops", "safeguarding"]):
            claims = {"sub": "x", "exp": time.time() + 60, "duologue_scopes": scopes}
            headers = {"Authorization": f"Bearer {jwt.encode(claims, SECRET)}"}
            async with session.post(f"{address}/decode", data=body.encode(), headers=headers) as answer:
                assert answer.status == 200
                read = await answer.read()
                of = json_format.Parse(read, Payloads()).payloads
                places[f"codec server for {scopes}"] = read + b"\n".join(p.data for p in of)
    return places


def payloads(message: Any) -> Iterator[Payload]:
    """All payloads in a message of Temporal's, however deep."""
    if isinstance(message, Payload):
        yield message
    elif isinstance(message, Proto):
        for _, value in message.ListFields():
            yield from payloads(value)
    elif isinstance(message, Mapping | Sequence) and not isinstance(message, str | bytes):
        for value in message.values() if isinstance(message, Mapping) else message:
            yield from payloads(value)


def zipped(data: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("words.txt", data)
    return file.getvalue()


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "cut off": lambda data: data[: data.index(b"grun") + 21],
    "UTF-16, little end first": lambda data: data.decode().encode("utf-16-le"),
    "UTF-16, big end first": lambda data: data.decode().encode("utf-16-be"),
    "hex": lambda data: data.hex().encode(),
    "HEX": lambda data: data.hex().upper().encode(),
    "URL-encoded": lambda data: urllib.parse.quote(data, safe="").encode(),
    "URL-encoded whole": lambda data: "".join(f"%{byte:02X}" for byte in data).encode(),
    "zlib": zlib.compress,
    "zlib, cut off": lambda data: zlib.compress(data * 200 + bytes(range(256)))[:-5],
    "gzip": gzip.compress,
    "zip": zipped,
    "gzip in gzip": lambda data: gzip.compress(gzip.compress(data)),
    "gzip in base64": lambda data: base64.b64encode(gzip.compress(data)),
    "zlib in hex": lambda data: zlib.compress(data).hex().encode(),
    "base64 in gzip": lambda data: gzip.compress(base64.b64encode(data)),
    "base64 in UTF-16": lambda data: base64.b64encode(data).decode().encode("utf-16-le"),
}
for _before in range(3):
    FORMS |= {
        f"base64 at {_before}": lambda data, n=_before: base64.b64encode(b"\xff" * n + data),  # type: ignore[misc]
        f"base64 (url) at {_before}": lambda data, n=_before: base64.urlsafe_b64encode(b"\xff" * n + data),  # type: ignore[misc]
        f"base64 twice at {_before}": lambda data, n=_before: base64.b64encode(  # type: ignore[misc]
            b"x" * n + base64.b64encode(b"y" * n + data)
        ),
    }


@pytest.mark.parametrize("form", FORMS)
def test_the_search_finds_a_canary_in_every_form(form: str) -> None:
    flock, noise, planted = Flock(), bytes(range(256)) * 40, b""
    for canary in (flock.words("x"), flock.email("anna"), flock.phone()):
        if form == "cut off" and "grün" not in canary:
            continue
        planted = FORMS[form](canary.replace("ü", "u").encode())
        assert flock.search({"here": noise + b'"' + planted + b'"' + noise})
    assert not flock.search({"here": noise})
    assert not Flock().search({"here": noise + planted + noise})


async def test_the_same_programme_without_sealing_and_codec_is_caught(tmp_path: Path) -> None:
    flock = Flock()
    lived = await whole(tmp_path, flock, closed=False)
    caught = {told.partition(":")[0] for told in flock.search(lived.places)}
    assert caught >= {embedded.DATABASE, f"cells of {embedded.DATABASE}", "history", "Web UI"}
    assert {"codec server for ['ops']", "codec server for ['ops', 'safeguarding']"} <= caught
    # Who is reached how is kept from all of them even then.
    assert not [
        told for told in flock.search(lived.places) if told.partition(": ")[2].startswith(flock.digits)
    ]


async def test_not_one_canary_is_in_anything_that_was_kept_and_the_right_reader_reads_all(
    tmp_path: Path,
) -> None:
    flock = Flock()
    lived = await whole(tmp_path, flock, closed=True)
    assert flock.search(lived.places) == []
    assert {embedded.DATABASE, embedded.LOG, "vault.db"} <= set(lived.places)
    assert all(
        name in lived.places["logs"]
        for name in (b"channel failed", b"temporalio.core", b"temporalio.activity")
    )
    assert b"could not be delivered" in lived.places["codec server for ['ops', 'safeguarding']"]
    assert b"temporal_" in lived.places["metrics"]
    assert codec_server.NOT_YOURS.encode() in lived.places["codec server for ['ops']"]
    assert codec_server.NOT_YOURS.encode() not in lived.places["codec server for ['ops', 'safeguarding']"]
    assert {
        (command.name, field_) for _, command in lived.said.values() for field_, _ in words_of(command)
    } == {
        ("turn", "words"),
        ("ask_dialogue", "topic"),
        ("note", "words"),
        ("pause", "reason"),
    }
    assert len(lived.sealed) == len(lived.said)
    [concern] = [t for t, c in lived.said.values() if getattr(c, "concern", False)]
    [told] = lived.told
    assert concern in told, "the safeguarding contact alone is told, and a channel quoted it"
    await read_by_the_right(lived)


async def read_by_the_right(lived: Lived) -> None:
    """Everything that was said opens for whom it is meant and for nobody else, and so do the views that they had."""
    keeper = lived.programme.client.keys
    assert keeper is not None
    for text, command in lived.sealed:
        ((field_, words),) = words_of(command)
        by = partner(command.by)
        assert words.text is None
        read = {
            who: getattr(await opened(command, lived.programme.id, who, keeper), field_).text for who in EYES
        }
        private = (command.name, field_) in PRIVATE
        expected = NOT_YOURS if private else text
        assert read == {by: text, other_than(by): expected, "facilitator": NOT_YOURS}
    assert lived.flock.letters not in lived.seen["facilitator"]
    for text, command in lived.said.values():
        shown = {by for by in EYES if text in lived.seen[by]}
        if command.name == "note":
            assert shown == ({"a", "b"} if getattr(command, "shared", False) else {command.by})
        elif command.name == "turn":
            assert shown == {"a", "b"}
        elif (command.name, next(words_of(command))[0]) in PRIVATE:
            assert not shown - {command.by}
