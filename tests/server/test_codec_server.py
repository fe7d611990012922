"""The codec server: who may ask it, from where, how often; what it opens for whom, and what for nobody."""

import base64
import io
import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from google.protobuf import json_format
from temporalio.api.common.v1 import Payload, Payloads

from duologue.client import make
from duologue.codec import Codec, KeyRing, Keys, data_converter
from duologue.codec.codec import scope_of
from duologue.worker import admission, codec_server, embedded, keys
from duologue.worker.codec_server import NO_KEY, NOT_YOURS, CodecServer
from duologue.worker.errors import CodecServerError, SettingsError
from duologue.worker.settings import Settings
from tests.support.servers import free_port, settings_in

RING = KeyRing.new()
UI = "https://ui.example.org"
SECRET = "s" * 40
TURN, PAUSE = make("turn", "a", act="mirror"), make("pause", "a", concern=True)


@dataclass
class Asked:
    """A codec server, and how it is asked."""

    address: str
    session: aiohttp.ClientSession

    async def __call__(
        self,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        origin: str | None = UI,
        method: str = "POST",
        **headers: str,
    ) -> tuple[int, Any, Mapping[str, str]]:
        """Status, JSON, headers."""
        headers |= {"Origin": origin} if origin else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        async with self.session.request(
            method,
            self.address + path,
            data=io.BytesIO(data),
            headers=headers | {"Content-Type": "application/json"},
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None, answer.headers

    async def decode(self, *payloads: Payload, **how: Any) -> list[Payload]:
        """What the payloads are shown as."""
        return await self.payloads("/decode", *payloads, **how)

    async def payloads(self, path: str, *payloads: Payload, **how: Any) -> list[Payload]:
        """The payloads that are answered."""
        status, answer, _ = await self(path, of(*payloads), **how)
        assert status == 200, answer
        return list(json_format.ParseDict(answer, Payloads()).payloads)


def of(*payloads: Payload) -> Any:
    return json_format.MessageToDict(Payloads(payloads=payloads))


@asynccontextmanager
async def asking(server: CodecServer) -> AsyncIterator[Asked]:
    async with server.serving("127.0.0.1", 0) as address, aiohttp.ClientSession() as session:
        yield Asked(address, session)


def alone(ring: KeyRing = RING, **given: object) -> CodecServer:
    settings = Settings.load(**({"codec_jwt_secret": SECRET, "codec_origins": UI} | given))
    return codec_server.standing_alone(settings, Keys.of(ring))


def token(*scopes: str, key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    whole = {"sub": "somebody", "exp": time.time() + 60, "duologue_scopes": list(scopes)} | claims
    kept = {k: v for k, v in whole.items() if v is not None}
    return jwt.encode(kept, key, algorithm=algorithm)


async def encoded(*values: Any, ring: KeyRing = RING) -> list[Payload]:
    return await data_converter(ring).encode(values)


def text(payload: Payload) -> Any:
    assert payload.metadata["encoding"] == b"json/plain"
    return json.loads(payload.data)


async def test_each_scope_opens_to_those_who_may_and_is_a_note_to_all_others() -> None:
    turn, pause = await encoded(TURN, PAUSE)
    async with asking(alone()) as ask:
        ops = await ask.decode(turn, pause, token=token("ops"))
        safe = await ask.decode(turn, pause, token=token("safeguarding"))
        both = await ask.decode(turn, pause, token=token("ops", "safeguarding"))
        named = await ask.decode(turn, pause, token=token(duologue_scopes="ops safeguarding"))
    assert text(ops[0])["act"] == "mirror"
    assert text(ops[1]) == NOT_YOURS
    assert text(safe[0]) == NOT_YOURS
    assert text(safe[1])["concern"] is True
    assert [text(p) for p in both] == [text(p) for p in named] == [text(ops[0]), text(safe[1])]


async def test_a_pause_with_a_concern_is_the_same_to_ops_as_one_without() -> None:
    shown = []
    async with asking(alone()) as ask:
        for concern in (False, True):
            payloads = await encoded(make("pause", "a", command_id="x", concern=concern))
            assert payloads[0].ByteSize() == (await encoded(PAUSE))[0].ByteSize()
            shown.append(await ask.decode(*payloads, token=token("ops")))
    assert shown[0] == shown[1]


async def test_a_thousand_payloads_are_opened_at_once() -> None:
    many = await encoded(*["hello"] * codec_server.PAYLOADS)
    async with asking(alone()) as ask:
        shown = await ask.decode(*many, token=token("ops"))
    assert [text(payload) for payload in shown] == ["hello"] * codec_server.PAYLOADS


async def test_what_is_plain_forged_or_anothers_is_answered_as_it_came() -> None:
    others = [
        Payload(metadata={"encoding": b"json/plain"}, data=b'"as it is"'),
        Payload(metadata={"encoding": b"binary/encrypted"}, data=b"junk"),
        *await encoded(TURN, ring=KeyRing.new()),
    ]
    async with asking(alone()) as ask:
        assert await ask.decode(*others, token=token("ops")) == others


async def test_a_key_that_is_missing_is_named() -> None:
    lost = RING.ids("ops")[0]
    async with asking(alone(RING.rotated().without(lost))) as ask:
        [shown] = await ask.decode(*await encoded(TURN), token=token("ops"))
        assert text(shown) == NO_KEY.format(lost)


async def test_what_it_encrypts_is_for_safeguarding_and_a_programme_reads_it() -> None:
    raw = Payload(metadata={"encoding": b"json/plain"}, data=b'{"command_id": "x", "by": "a"}')
    async with asking(alone()) as ask:
        sent = await ask.payloads("/encode", raw, token=token("ops"))
        assert await ask.payloads("/encode", *sent, token=token("ops")) == sent
        assert text((await ask.decode(*sent, token=token("ops")))[0]) == NOT_YOURS
    assert scope_of(sent[0]) == "safeguarding"
    assert await Codec(RING).decode(sent) == [raw]


async def test_without_the_key_it_says_so_and_what_to_do() -> None:
    async with asking(alone(RING.only("ops"))) as ask:
        status, said, _ = await ask("/encode", of(Payload()), token=token("ops"))
    assert status == 503
    assert "DUOLOGUE_CODEC_KEYS" in said["error"]


@pytest.mark.parametrize(
    "given",
    [
        None,
        "junk",
        token("ops", key="t" * 40),
        token("ops", exp=time.time() - 120),
        token("ops", exp=None),
        token("ops", sub=None),
        token(),
        token("everything"),
        token(duologue_scopes={"ops": True}),
        token("ops", key="", algorithm="none"),
    ],
)
async def test_nobody_is_admitted_without_a_good_token(given: str | None) -> None:
    async with asking(alone()) as ask:
        for path in ("/decode", "/encode"):
            status, said, headers = await ask(path, of(*await encoded(TURN)), token=given)
            assert (status, headers["WWW-Authenticate"]) == (401, "Bearer")
            assert headers["Access-Control-Allow-Origin"] == UI
            assert "payloads" not in said


async def test_audience_and_issuer_are_looked_at_where_they_are_set() -> None:
    payload = of(*await encoded(TURN))
    async with asking(alone(codec_jwt_audience="us", codec_jwt_issuer="them")) as ask:
        for claims, expected in (
            ({"aud": "us", "iss": "them"}, 200),
            ({"aud": "us", "iss": "others"}, 401),
            ({"aud": "others", "iss": "them"}, 401),
            ({}, 401),
        ):
            assert (await ask("/decode", payload, token=token("ops", **claims)))[0] == expected
    async with asking(alone()) as ask:
        assert (await ask("/decode", payload, token=token("ops", aud="anybody")))[0] == 200


PRIVATE: dict[str, Any] = {
    "RS256": rsa.generate_private_key(public_exponent=65537, key_size=2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
}


def pem(algorithm: str) -> bytes:
    found: bytes = (
        PRIVATE[algorithm]
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return found


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
async def test_a_public_key_checks_tokens_and_is_no_secret_to_sign_them_by(
    tmp_path: Path, algorithm: str
) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(pem(algorithm))
    payload = of(*await encoded(TURN))
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "typ": "JWT"}).encode()).rstrip(b"=")
    forged = token("ops").split(".")[1:]
    async with asking(alone(codec_jwt_secret="", codec_jwt_keys=path)) as ask:
        good = token("ops", key=PRIVATE[algorithm], algorithm=algorithm)
        assert (await ask("/decode", payload, token=good))[0] == 200
        for bad in (token("ops"), ".".join([head.decode(), *forged])):
            assert (await ask("/decode", payload, token=bad))[0] == 401


async def test_a_set_of_keys_is_chosen_from_by_name(tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    listed = [
        {**json.loads(kind.to_jwk(PRIVATE[name].public_key())), "kid": name, "alg": name}
        for name, kind in (("RS256", jwt.algorithms.RSAAlgorithm), ("ES256", jwt.algorithms.ECAlgorithm))
    ]
    path.write_text(json.dumps({"keys": listed}))
    payload = of(*await encoded(TURN))
    claims = {"sub": "x", "exp": time.time() + 60, "duologue_scopes": ["ops"]}
    async with asking(alone(codec_jwt_secret="", codec_jwt_keys=path)) as ask:
        for name, kid, expected in (
            ("RS256", "RS256", 200),
            ("ES256", "ES256", 200),
            ("ES256", "RS256", 401),
            ("ES256", "unheard", 401),
        ):
            signed = jwt.encode(claims, PRIVATE[name], algorithm=name, headers={"kid": kid})
            assert (await ask("/decode", payload, token=signed))[0] == expected


@pytest.mark.parametrize("content", [b"", b"{}", b'{"keys": []}', b"-----BEGIN PUBLIC KEY-----\nx", b"\xff"])
def test_a_file_without_keys_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match=r"no key that tokens"):
        alone(codec_jwt_secret="", codec_jwt_keys=path)


def test_a_server_that_would_admit_nobody_or_anybody_does_not_start(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="DUOLOGUE_CODEC_JWT_SECRET"):
        alone(codec_jwt_secret="")
    with pytest.raises(SettingsError, match="32"):
        alone(codec_jwt_secret="short")
    with pytest.raises(SettingsError, match="Unset one"):
        alone(codec_jwt_keys=tmp_path / "key")


async def test_a_browser_may_ask_from_the_web_ui_and_read_errors_too() -> None:
    async with asking(alone()) as ask:
        status, _, headers = await ask(
            "/decode", method="OPTIONS", **{"Access-Control-Request-Method": "POST"}
        )
        assert status == 204
        assert headers["Access-Control-Allow-Origin"] == UI
        assert headers["Access-Control-Allow-Methods"] == "POST, OPTIONS"
        assert headers["Access-Control-Allow-Headers"] == "content-type,x-namespace,authorization"
        assert headers["Vary"] == "Origin"
        good = token("ops")
        for path, body, status_, who in (
            ("/decode", of(Payload()), 200, good),
            ("/decode", b"{", 400, good),
            ("/decode", b"\xff", 400, good),
            ("/decode", {"payloads": 1}, 400, good),
            ("/decode", b"[" * 100_000, 400, good),
            ("/nowhere", {}, 404, good),
            ("/decode", {}, 401, None),
            ("/decode", b" " * (codec_server.BODY_BYTES + 1), 413, good),
            ("/decode", b'{"payloads":[' + b"{}," * 2_700_000 + b"{}]}", 413, good),
            ("/encode", b'{"payloads":[{"metadata":{' + b'"":"",' * 1_300_000 + b'"":""}}]}', 413, good),
        ):
            status, _, headers = await ask(path, body, token=who)
            assert status == status_
            assert headers["Access-Control-Allow-Origin"] == UI
        assert (await ask("/decode", method="GET", token=good))[0] == 405


async def test_no_other_page_may_ask_even_with_a_token() -> None:
    async with asking(alone()) as ask:
        for origin in (
            "https://elsewhere.example",
            "null",
            UI + ".elsewhere.example",
            "http://ui.example.org",
        ):
            for method in ("POST", "OPTIONS"):
                status, _, headers = await ask(
                    "/decode", {}, token=token("ops"), origin=origin, method=method
                )
                assert status == 403
                assert "Access-Control-Allow-Origin" not in headers
        # No browser: no origin, and then the token is enough.
        assert (await ask("/decode", {}, token=token("ops"), origin=None))[0] == 200


async def test_standing_alone_it_answers_to_the_name_that_its_proxy_has_and_to_nobody_without_a_token() -> (
    None
):
    async with asking(alone()) as ask:
        assert ask.address.startswith("http://127.0.0.1:"), "as it listens by default, behind a proxy"
        for name in ("codec.example.org", "codec.example.org:8443", ask.address.removeprefix("http://")):
            assert (await ask("/decode", {}, token=token("ops"), Host=name))[0] == 200
            assert (await ask("/decode", {}, Host=name))[0] == 401


async def test_who_asks_too_often_has_to_wait_and_nobody_else() -> None:
    async with asking(alone(codec_rate=3)) as ask:
        for _ in range(3):
            assert (await ask("/decode", {}, token=token("ops")))[0] == 200
        status, _, headers = await ask("/decode", {}, token=token("ops"))
        assert (status, headers["Access-Control-Allow-Origin"]) == (429, UI)
        assert 0 < int(headers["Retry-After"]) <= 20
        assert (await ask("/decode", {}, token=token("ops", sub="another")))[0] == 200
        # Guessing at tokens is held back as well, and costs no caller anything.
        guesses = [(await ask("/decode", {}, token=f"guess-{n}"))[0] for n in range(5)]
        assert guesses == [401] * 3 + [429] * 2
        assert (await ask("/decode", {}, token=token("ops", sub="another")))[0] == 200


def test_a_bucket_fills_again_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(admission, "monotonic", lambda: now)
    buckets = admission.Buckets(60)
    for _ in range(60):
        buckets.take("x")
    with pytest.raises(admission.TooMany) as raised:
        buckets.take("x")
    assert raised.value.after == pytest.approx(1)
    now += 1
    buckets.take("x")
    with pytest.raises(admission.TooMany):
        buckets.take("x")


async def test_the_embedded_server_s_web_ui_reads_what_ops_may_without_a_token(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    async with (
        embedded.running(settings) as server,
        codec_server.beside(settings, server) as address,
        aiohttp.ClientSession() as session,
    ):
        assert address == f"http://127.0.0.1:{settings.codec_port}"
        async with session.get(f"{server.ui}/api/v1/settings") as answer:
            told = await answer.json()
        assert told["Codec"]["Endpoint"] == address
        found = keys.keys_of(settings, server.address)
        assert found is not None
        assert (tmp_path / keys.FILE).stat().st_mode & 0o777 == 0o600
        turn, pause = await encoded(TURN, PAUSE, ring=found.ring)
        ask = Asked(address, session)
        for origin in (f"http://127.0.0.1:{server.ui_port}", f"http://localhost:{server.ui_port}", None):
            shown = await ask.decode(turn, pause, origin=origin)
            assert text(shown[0])["act"] == "mirror"
            assert text(shown[1]) == NOT_YOURS
        assert (await ask("/decode", of(turn), origin=UI))[0] == 403
        port = settings.codec_port
        for name, expected in (
            (f"localhost:{port}", 200),
            (f"rebound.example:{port}", 421),
            ("rebound.example", 421),
            ("localhost", 421),
        ):
            assert (await ask("/decode", of(turn), origin=None, Host=name))[0] == expected
        # A second `up` finds the server and this one running, and leaves both alone.
        again = embedded.find(settings)
        assert again is not None
        async with codec_server.beside(settings, again) as second:
            assert second is None


async def test_a_port_that_is_taken_is_named() -> None:
    port = free_port()
    async with alone().serving("127.0.0.1", port):
        with pytest.raises(CodecServerError, match=rf"{port}.*DUOLOGUE_CODEC_PORT"):
            async with alone().serving("127.0.0.1", port):
                pass


async def test_keys_belong_to_the_embedded_server_or_to_the_settings(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    assert keys.keys_of(settings, settings.embedded_address) is None, "nothing runs there"
    async with embedded.running(settings, headless=True) as server:
        first = keys.keys_of(settings, server.address)
        again = keys.keys_of(settings, server.address.replace("127.0.0.1", "localhost"))
        assert first is not None
        assert again is not None
        assert first.ring.dump() == again.ring.dump()
        assert keys.keys_of(settings, "temporal.example.org:7233") is None
        named = settings.model_copy(update={"codec_keys_file": tmp_path / "mine.json"})
        with pytest.raises(SettingsError, match=r"mine.json.*codec-keys new"):
            keys.keys_of(named, server.address)
        assert keys.make(tmp_path / "mine.json")
        assert not keys.make(tmp_path / "mine.json")
        mine = keys.keys_of(named, "temporal.example.org:7233")
        assert mine is not None
        assert mine.ring.dump() != first.ring.dump()


async def test_beside_a_database_that_is_there_no_new_keys_hide_lost_ones(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "data")
    file = settings.data_dir / keys.FILE
    async with embedded.running(settings, headless=True) as server, codec_server.beside(settings, server):
        assert file.exists(), "made with the database, whoever comes first"
    kept = file.rename(tmp_path / "away")
    async with embedded.running(settings, headless=True) as server:
        with pytest.raises(SettingsError, match=r"its codec keys .* are gone") as raised:
            keys.keys_of(settings, server.address)
        assert f"codec-keys new {file}" in str(raised.value)
        assert not file.exists()
        kept.rename(file)
        assert keys.keys_of(settings, server.address) is not None


def test_settings_that_hold_no_keys_are_refused_and_not_repeated(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    keys.make(file)
    with pytest.raises(SettingsError, match=r"given twice.*DUOLOGUE_CODEC_KEYS_FILE"):
        keys.keys_of(Settings.load(codec_keys=file.read_text(), codec_keys_file=file), "anywhere:7233")
    with pytest.raises(SettingsError, match="DUOLOGUE_CODEC_KEYS holds no codec keys") as raised:
        keys.keys_of(Settings.load(codec_keys="half-a-secret"), "anywhere:7233")
    assert "half-a-secret" not in str(raised.value)
