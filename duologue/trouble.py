"""Whatever the client says no with: typed exceptions that say what may be done instead, and how they are told apart.

Only errors live here, and the reading of what a Temporal service answers in place of a receipt. None of them tells one
partner what only the other may know.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from temporalio import client as temporal
from temporalio.api.errordetails.v1 import NamespaceNotFoundFailure
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from duologue.calendar import CalendarError, zone
from duologue.codec import KeyNotAtHand, OtherKeys
from duologue.errors import DuologueError
from duologue.practice.messages import Adjust, Command, Reason
from duologue.practice.messages import Refusal as RefusalMessage
from duologue.practice.values import By
from duologue.practice.views import neutral
from duologue.vault.errors import VaultError
from duologue.vault.seal import TooLong
from duologue.workflows.intake import NO_TASK

PASSING = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.RESOURCE_EXHAUSTED)
"""What a service says that cannot answer just now."""

WAITING = (*PASSING, RPCStatusCode.ABORTED, RPCStatusCode.FAILED_PRECONDITION)
"""The same, and what it says while no worker is there, or a run is just closing to continue as new."""


class Refused(DuologueError):
    """A command was refused and changed nothing. `reason` is one of the contract's closed set."""

    def __init__(self, refusal: RefusalMessage) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal
        self.reason = refusal.reason


def refuse_unknown_zone(command: Command) -> None:
    """Raises `Refused` for a zone that does not exist: a programme has no tz data, and would have to take it."""
    if not isinstance(command, Adjust) or command.zone is None:
        return
    try:
        zone(command.zone)
    except CalendarError as error:
        message, reason = f"zone: {error}", Reason.MALFORMED
        refusal = RefusalMessage(reason=reason, message=message, command_id=command.command_id)
        raise Refused(refusal) from None


class Ended(Refused):
    """The programme has ended; how is in `ending` where it can still be read.

    A partner is told what a view tells: words that are the same for both and name nobody. A facilitator is told all.
    """

    def __init__(self, programme: str, by: By, ending: str | None = None) -> None:
        self.ending = ending if by == "facilitator" else neutral(ending)
        how = "" if self.ending in (None, "ended") else f" ({self.ending})"
        message = f"programme '{programme}' has ended{how}; start a new one to go on practising"
        super().__init__(RefusalMessage(reason=Reason.STAGE, message=message))


class UnknownProgramme(DuologueError):
    """No programme has this id (or its retention is over)."""


class AlreadyStarted(DuologueError):
    """A programme with this id is running, or has run."""


class NotSetUp(DuologueError):
    """There is no such namespace, or it lacks what programmes need."""

    def __init__(self, namespace: str, lacking: str = "") -> None:
        what = f"is not prepared: it lacks {lacking}" if lacking else "does not exist here"
        super().__init__(
            f"namespace '{namespace}' {what}; run 'duologue setup' with the same TEMPORAL_* settings, then try again"
        )


class Unreachable(DuologueError):
    """The service, or a worker behind it, did not answer in time. The command may be sent again with the same id."""


class Unsealed(DuologueError):
    """The words could not be sealed, or the couple's keys not be made; nothing has been sent."""


class Encrypted(DuologueError):
    """A programme is encrypted by service keys that this client has not been given."""

    def __init__(self, what: str) -> None:
        self.what = what
        self.remedy = (
            "Give this client the service keys: DUOLOGUE_CODEC_KEYS_FILE, or the data folder of the server, for the "
            "command line; Client.connect(…, **connecting(keys)) in a program."
        )
        super().__init__(f"{self.what} {self.remedy}")


class PlainWords(UserWarning):
    """Words have gone out as they were given: whoever can read the history, can read them."""

    def __init__(self) -> None:
        super().__init__(
            "this client has no vault, so what partners say goes into the history in plain text; give it keys=…, or "
            "plain=True where that is meant"
        )


class Stuck(DuologueError):
    """A workflow task of the programme fails time and again: workers that die of it, or a defect of ours.

    Nothing is lost, and it goes on once repaired.
    """


@contextmanager
def unsealed(otherwise: str = "") -> Iterator[None]:
    """Trouble with the vault as an error of ours, with what may be done `otherwise`."""
    try:
        yield
    except (VaultError, TooLong) as error:
        raise Unsealed(f"{error} {otherwise}".rstrip()) from None


@contextmanager
def readable(what: str) -> Iterator[None]:
    """An answer that is encrypted by keys which are not at hand, as an error of ours; `what` came about."""
    try:
        yield
    except (KeyNotAtHand, OtherKeys) as error:
        raise Encrypted(f"{what} {error.what}") from error
    except KeyError as error:
        # The SDK's own word for an encoding that none of a client's converters reads.
        if "Unknown payload encoding" not in str(error):
            raise
        raise Encrypted(what) from None


def silent(where: str, *, tls: bool) -> tuple[str, str]:
    """That nothing answers at an address, and the remedy."""
    if tls:
        return f"No Temporal service answers with TLS at {where}", (
            "If that one takes plain connections, unset TEMPORAL_TLS (an API key or a certificate asks for TLS too); "
            "else check the address and the certificates."
        )
    return f"No Temporal service answers at {where}", (
        "Start one with 'duologue up' or 'docker compose up', or set TEMPORAL_ADDRESS (and TEMPORAL_TLS, if that one "
        "takes TLS only)."
    )


def refused(error: temporal.WorkflowUpdateFailedError) -> Refused | Encrypted | None:
    """The refusal that an update was answered with, if it is one; `Encrypted` where other service keys keep it."""
    cause = error.cause
    if isinstance(cause, ApplicationError) and cause.message == OtherKeys().what:
        return Encrypted("The command was refused, and why is encrypted by other service keys than these.")
    if isinstance(cause, ApplicationError) and cause.type in set(Reason):
        return Refused(RefusalMessage(reason=Reason(cause.type), message=cause.message))
    return None


def no_namespace(error: RPCError) -> bool:
    """Whether it is the namespace that was not found."""
    found = error.grpc_status.details if error.status == RPCStatusCode.NOT_FOUND else ()
    return any(detail.Is(NamespaceNotFoundFailure.DESCRIPTOR) for detail in found)


def passes(error: RPCError | temporal.WorkflowQueryFailedError) -> bool:
    """Whether a query that met `error` may be answered the next time."""
    if isinstance(error, temporal.WorkflowQueryFailedError):
        return error.message == NO_TASK
    return error.status in WAITING


def service(error: RPCError, namespace: str, programme: str = "") -> DuologueError:
    """What a service's answer means that is none of the above."""
    if error.status in PASSING:
        return Unreachable(
            "the Temporal service did not answer; check that it runs, then send the same again"
        )
    if no_namespace(error):
        return NotSetUp(namespace)
    return DuologueError(
        f"the Temporal service refused{f' for {programme}' if programme else ''}: {error.message}"
    )
