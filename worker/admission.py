"""Who may ask the codec server, for which scopes, and how often: tokens, and a bucket for each caller.

Only judging a caller lives here; nothing is decrypted. A token says whom it is for by being signed (HS256 with a
secret, RS256 or ES256 with a public key), and the scopes by one claim. Which algorithm is meant follows from our own
settings and never from the token.
"""

from __future__ import annotations

import json
from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from duologue.codec.ring import SCOPES
from duologue.practice.values import Scope
from duologue.worker.errors import SettingsError
from duologue.worker.settings import Settings

_SIGNED = ("RS256", "ES256")
_LEEWAY = 30
_CALLERS = 10_000
"""So many callers are remembered at once; who has not asked for longest is forgotten, and has a full bucket again."""


class NotAdmitted(Exception):
    """Who asks is nobody we know; what is said of it tells nothing of why."""


class TooMany(Exception):
    """Somebody asks too often. `after`: seconds until the next request would be answered."""

    def __init__(self, after: float) -> None:
        super().__init__(after)
        self.after = after


@dataclass(frozen=True)
class Caller:
    """Who asks, and the scopes that are open to them."""

    name: str
    scopes: frozenset[Scope]


class Admission:
    """Judges callers. `anonymous`: what is open to those without a token; nothing, by default."""

    def __init__(self, settings: Settings, anonymous: frozenset[Scope] = frozenset()) -> None:
        """Raises `SettingsError` where the keys of tokens cannot be used, or where nobody could ever be admitted."""
        self._anonymous = anonymous
        self._claim = settings.codec_jwt_claim
        self._keys = _keys(settings)
        self._limits: dict[str, Any] = {
            "audience": settings.codec_jwt_audience or None,
            "issuer": settings.codec_jwt_issuer or None,
            "leeway": _LEEWAY,
            "options": {"require": ["exp", "sub"], "verify_aud": bool(settings.codec_jwt_audience)},
        }
        self._buckets = Buckets(settings.codec_rate)
        if not self._keys and not anonymous:
            raise SettingsError(
                "The codec server would admit nobody: no key of tokens is set.",
                "Set DUOLOGUE_CODEC_JWT_SECRET, or DUOLOGUE_CODEC_JWT_KEYS to a file with a public key.",
            )

    def admit(self, authorization: str | None, peer: str) -> Caller:
        """The caller with that `Authorization` header. Raises `NotAdmitted`, `TooMany`."""
        try:
            caller = self._caller(authorization, peer)
        except NotAdmitted:
            self._buckets.take(f"nobody {peer}")
            raise
        self._buckets.take(caller.name)
        return caller

    def _caller(self, authorization: str | None, peer: str) -> Caller:
        if not authorization:
            if not self._anonymous:
                raise NotAdmitted
            return Caller(f"anonymous {peer}", self._anonymous)
        kind, _, token = authorization.partition(" ")
        if kind.lower() != "bearer":
            raise NotAdmitted
        try:
            claims = self._claims(token.strip())
        except (jwt.PyJWTError, ValueError):
            raise NotAdmitted from None
        said = claims.get(self._claim, ())
        named = said.split() if isinstance(said, str) else said if isinstance(said, list) else ()
        scopes = frozenset(scope for scope in SCOPES if scope in named) | self._anonymous
        if not scopes:
            raise NotAdmitted
        return Caller(f"caller {claims['sub']}", scopes)

    def _claims(self, token: str) -> dict[str, Any]:
        named = jwt.get_unverified_header(token).get("kid")
        for kid, algorithm, key in self._keys:
            if kid is None or kid == named:
                found: dict[str, Any] = jwt.decode(token, key, algorithms=[algorithm], **self._limits)
                return found
        raise NotAdmitted


class Buckets:
    """A token bucket for each caller: `rate` requests a minute, and as many at once."""

    def __init__(self, rate: int) -> None:
        self._most, self._each = float(rate), 60 / rate
        self._full: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, caller: str) -> None:
        """Take one. Raises `TooMany`."""
        now = monotonic()
        left, since = self._full.pop(caller, (self._most, now))
        left = min(left + (now - since) / self._each, self._most)
        self._full[caller] = (max(left - 1, 0) if left >= 1 else left, now)
        while len(self._full) > _CALLERS:
            self._full.popitem(last=False)
        if left < 1:
            raise TooMany((1 - left) * self._each)


_Key = tuple[str | None, str, Any]
"""A key's name in tokens (None: it has none, and is the only one), its algorithm, and the key."""


def _keys(settings: Settings) -> list[_Key]:
    secret, path = settings.codec_jwt_secret.get_secret_value(), settings.codec_jwt_keys
    if secret and path:
        raise SettingsError(
            "Both DUOLOGUE_CODEC_JWT_SECRET and DUOLOGUE_CODEC_JWT_KEYS are set.", "Unset one of them."
        )
    if secret:
        return [(None, "HS256", secret)]
    if path is None:
        return []
    wanted = "It has to hold a public key in PEM (RSA, or EC on P-256), or a JWKS of such keys."
    try:
        found = _public(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.", wanted) from None
    except (ValueError, TypeError, jwt.PyJWTError):
        found = []
    if not found:
        raise SettingsError(f"{path} holds no key that tokens could be checked by.", wanted)
    return found


def _public(data: bytes) -> list[_Key]:
    if data.lstrip().startswith(b"{"):
        keys = jwt.PyJWKSet.from_dict(json.loads(data)).keys
        found = [(key.key_id, key.algorithm_name, key.key) for key in keys if key.algorithm_name in _SIGNED]
        return [each for each in found if each[0]] or found[:1]
    key = load_pem_public_key(data)
    if isinstance(key, RSAPublicKey):
        return [(None, "RS256", key)]
    if isinstance(key, EllipticCurvePublicKey) and key.curve.name == "secp256r1":
        return [(None, "ES256", key)]
    return []
