"""What is told when something does not work: what happened, what to do next, and the exit code.

One place turns every exception into a `Problem`; nothing else prints an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from duologue.cli import output
from duologue.practice.messages import Reason

if TYPE_CHECKING:
    from duologue.client import Refused

FAILED, USAGE, INTERRUPTED = 1, 2, 130
"""Exit codes: refused or failed; called wrongly; stopped by Ctrl-C."""


@dataclass(eq=False)  # not frozen: an exception's traceback is set while it travels
class Problem(Exception):
    """Something that did not work."""

    error: str
    """What kind of problem, as one word for scripts."""
    message: str
    remedy: str = ""
    reason: str | None = None
    """For a refused command: the contract's reason."""
    details: tuple[str, ...] = ()
    """More of what happened, a line each."""
    code: int = FAILED

    def __str__(self) -> str:
        return self.message


REMEDIES: Mapping[Reason, str] = {
    Reason.MALFORMED: "See what it takes: duologue {command} --help, or duologue schema {command}.",
    Reason.UNKNOWN_COMMAND: "The commands are listed by: duologue --help.",
    Reason.STAGE: "Where the programme stands: duologue show {programme}.",
    Reason.NOT_A_PARTICIPANT: "Send it with --by of whom it is for.",
    Reason.WRONG_ROLE: "Whose turn it is, and what may be done now: duologue show {programme} --as {by}.",
    Reason.OUT_OF_TURN: "What may be done now: duologue show {programme} --as {by}.",
    Reason.NOT_OPEN: "What is open now: duologue show {programme} --as {by}.",
    Reason.TOO_LATE: "What is open now: duologue show {programme} --as {by}.",
    Reason.OUT_OF_RANGE: "Choose another within what the message says.",
    Reason.UNKNOWN_QUESTION: "The open questions and their ids: duologue show {programme} --as {by}.",
    Reason.UNKNOWN_SESSION: "The sessions and their numbers: duologue show {programme} --as {by}.",
    Reason.UNKNOWN_NOTE: "The notes and their ids: duologue show {programme} --as {by}.",
    Reason.UNKNOWN_LINE: "The lines and their numbers: duologue show {programme} --as {by}.",
    Reason.UNKNOWN_ALERT: "The open alerts: duologue show {programme}.",
    Reason.CLASH: "What is booked, and free proposals: duologue show {programme} --as {by}.",
    Reason.ID_TAKEN: "Leave --id away, and it has one of its own.",
    Reason.LIMIT: "What there is already: duologue show {programme} --as {by}.",
}
"""What to do about each reason of a refusal."""


def refused(error: Refused, *, programme: str, by: str, command: str) -> Problem:
    """A refusal, with what to do about it for whoever sent the command."""
    from duologue.client import Ended

    if isinstance(error, Ended):
        eyes = "" if by == "facilitator" else f" --as {by}"
        remedy = f"How it ended: duologue show {programme}{eyes}."
        return Problem("ended", _sentence(str(error)), remedy, str(error.reason))
    remedy = REMEDIES[error.reason].format(programme=programme, by=by, command=command.replace("_", "-"))
    return Problem("refused", _sentence(f"Refused ({error.reason}): {error}"), remedy, str(error.reason))


def explain(error: BaseException) -> Problem:
    """Any exception as what is told of it."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, KeyboardInterrupt):
        return Problem("interrupted", "Stopped.", code=INTERRUPTED)
    from temporalio.service import RPCError

    from duologue.client import Encrypted, Refused
    from duologue.codec import KeyNotAtHand, OtherKeys
    from duologue.errors import DuologueError
    from duologue.files import FileError
    from duologue.vault import VaultError
    from duologue.worker.errors import SetupError

    word = _word(type(error).__name__)
    match error:
        case FileError():
            count = len(error.problems)
            what = f"{count} thing{'s' if count > 1 else ''} to put right before this can start."
            return Problem("file", what, details=tuple(map(str, error.problems)))
        case KeyNotAtHand() | OtherKeys() | Encrypted() | SetupError() | VaultError():
            return Problem(word, error.what, error.remedy)
        case DuologueError():
            reason = str(error.reason) if isinstance(error, Refused) else None
            return Problem(word, _sentence(str(error)), reason=reason)
        case RPCError():
            return Problem(
                "service",
                f"The Temporal service answered: {error.message}.",
                "Check the address, the namespace and what this key may do (the TEMPORAL_* settings).",
            )
        case UnicodeEncodeError() if "surrogates" in error.reason:
            return Problem(
                "usage", "An argument is not UTF-8.", "Use a terminal that writes UTF-8.", code=USAGE
            )
        case OSError():
            return Problem("file", f"{error.strerror or error}: {error.filename or ''}".rstrip(": ") + ".")
        case _:
            return Problem(
                "internal",
                f"This should not have happened: {type(error).__name__}: {error}",
                "Run it again with DUOLOGUE_DEBUG=1 for the whole story, and report that.",
            )


def tell(problem: Problem, *, as_json: bool) -> None:
    """Print a problem to standard error."""
    if as_json:
        told = {k: v for k, v in asdict(problem).items() if k != "code" and v}
        output.emit(told, error=True, indent=None)
        return
    for detail in problem.details:
        output.say(detail, error=True)
    output.say(output.bad(problem.message), error=True)
    if problem.remedy:
        output.say(problem.remedy, error=True)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def _word(name: str) -> str:
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
