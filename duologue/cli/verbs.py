"""One verb for each command of the contract, made from its model: a new command or field needs no line here.

A model's fields become options by their type; `_ARGUMENTS` names those that are told by position. What a command means,
and whether it is allowed, is for the programme to say.
"""

from __future__ import annotations

import inspect
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union, cast, get_args, get_origin

import typer
from pydantic import AwareDatetime

from duologue.cli import context, errors, output
from duologue.contract import field_docs
from duologue.practice.messages import COMMANDS, Command, Receipt, TurnTaken
from duologue.practice.plan import QuietHours
from duologue.practice.policy import PolicyChange
from duologue.practice.values import By, Words

if TYPE_CHECKING:
    from duologue.client import Programme

_ARGUMENTS: Mapping[str, tuple[str, ...]] = {
    "turn": ("act", "words"),
    "reply": ("question", "answer"),
    "note": ("words",),
    "reschedule": ("session",),
    "acknowledge": ("alert",),
    "decide": ("decision",),
}
"""The fields that are told by position, in their order; all others are options."""

_OPTIONS: Mapping[tuple[str, str], str] = {
    ("consent", "agree"): "--agree/--decline",
    ("note", "shared"): "--shared/--private",
    ("adjust", "reminders"): "--reminders/--no-reminders",
    ("adjust", "share_attendance"): "--share-attendance/--no-share-attendance",
    ("turn", "lines"): "--line",
    ("reply", "answers"): "--answer",
}
"""Options that are not called as their field is."""

_FACILITATORS = ("acknowledge", "decide")


@dataclass(frozen=True)
class _Form:
    """How values of one type of field are written on the command line."""

    typed: Any
    """What typer reads."""
    read: Callable[[Any], Any]
    """From there to what the model takes."""
    hint: str = ""
    metavar: str | None = None


def install(app: typer.Typer, panel: str) -> None:
    """Add a verb for each command."""
    for model in COMMANDS.values():
        title = (model.__doc__ or "").strip().split("\n")[0]
        app.command(model.name.replace("_", "-"), help=title, rich_help_panel=panel)(_verb(model))


def _verb(model: type[Command]) -> Callable[..., None]:
    """The function behind one verb, with a signature that typer reads."""
    told, documented = _ARGUMENTS.get(model.name, ()), field_docs(model)
    parameters = [_parameter("programme", context.ProgrammeId), _parameter("by", *_whom(model))]
    forms: dict[str, _Form] = {}
    for field in [*told, *(f for f in model.model_fields if f not in (*told, "command_id", "by", "sent_at"))]:
        info = model.model_fields[field]
        form = forms[field] = _form(info.annotation)
        text = _help(documented.get(field, ""), form.hint)
        required = info.is_required()
        default = inspect.Parameter.empty if required else None
        if form.typed is bool:
            default = info.default
        if field in told:
            marker = typer.Argument(metavar=form.metavar, help=text or None, show_default=False)
        else:
            decl = _OPTIONS.get((model.name, field), f"--{field.replace('_', '-')}")
            marker = typer.Option(decl, metavar=form.metavar, help=text or None, show_default=False)
        typed = form.typed if required or form.typed is bool else form.typed | None
        parameters.append(_parameter(field, Annotated[typed, marker], default))
        if field == "words" and field in told:
            option = typer.Option("--words", help="The same as an option.", show_default=False)
            parameters.append(_parameter("words_option", Annotated[str | None, option], None))
    if model.name == "reply":
        option = typer.Option("--all-yes", help="For the suitability questions: yes to each.")
        parameters.append(_parameter("all_yes", Annotated[bool, option], default=False))
    parameters += [_parameter(name, typed, default) for name, typed, default in _COMMON]

    def verb(**given: Any) -> None:  # noqa: ANN401 - whatever the signature says
        _send(model, forms, given)

    verb.__name__ = model.name
    verb.__doc__ = model.__doc__
    verb.__annotations__ = {p.name: p.annotation for p in parameters}
    verb.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]  # typer asks inspect.signature
    return verb


_COMMON: tuple[tuple[str, Any, Any], ...] = (
    (
        "command_id",
        Annotated[
            str | None,
            typer.Option("--id", help="The command's id; a repeat with the same id changes nothing."),
        ],
        None,
    ),
    (
        "sent_at",
        Annotated[
            str | None,
            typer.Option(metavar="TIME", help=f"When the person acted (-5min: ago; {context.SPANS})."),
        ],
        None,
    ),
    (
        "signal",
        Annotated[
            bool, typer.Option("--signal", help="Send it as a signal: without waiting, and with no receipt.")
        ],
        False,
    ),
    (
        "patience",
        Annotated[str, typer.Option(metavar="SPAN", help="How long to go on trying while nothing answers.")],
        "30s",
    ),
    ("as_json", context.AsJson, False),
)
"""The options that every verb has."""


def _parameter(name: str, typed: Any, default: Any = inspect.Parameter.empty) -> inspect.Parameter:  # noqa: ANN401
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=typed)


def _whom(model: type[Command]) -> tuple[Any, Any]:
    if model.name in _FACILITATORS:
        return Annotated[By, typer.Option("--by", help="Who acts.")], "facilitator"
    return context.ByWhom, inspect.Parameter.empty


def _help(documented: str, hint: str) -> str:
    if documented and hint:
        return f"{documented} ({hint})"
    return documented or hint[:1].upper() + hint[1:]


def _form(annotation: Any) -> _Form:  # noqa: ANN401 - the annotation of any field
    """How a field of that type is written."""
    if get_origin(annotation) in (Union, types.UnionType):
        annotation = next(a for a in get_args(annotation) if a is not types.NoneType)
    if get_origin(annotation) is Annotated:
        annotation = get_args(annotation)[0]
    origin, inner = get_origin(annotation), get_args(annotation)
    if annotation in (bool, int, str) or origin is Literal:
        return _Form(annotation, lambda value: value)
    if annotation in (datetime, AwareDatetime):
        return _Form(str, lambda value: context.instant(value).isoformat(), context.SPANS, "TIME")
    if annotation is timedelta:
        return _Form(str, lambda value: value, "as in 24h or 30min", "SPAN")
    if annotation is PolicyChange:
        return _Form(str, _policy, "a file with what changes of a 'policy'; all else stays", "FILE")
    if annotation is Words:
        return _Form(str, _words, "'-' reads standard input", "TEXT")
    if annotation is QuietHours:
        return _Form(str, _quiet, "as in 22:00-07:00", "FROM-TO")
    if origin is tuple:
        return _Form(list[int], list, "may be repeated", "NUMBER")
    if isinstance(annotation, type) and issubclass(annotation, StrEnum):
        return _Form(annotation, str)
    yes_no = inner[1] is bool
    return _Form(
        list[str],
        lambda value: _mapping(value, yes_no=yes_no),
        "may be repeated",
        "NAME=yes|no" if yes_no else "NAME=ANSWER",
    )


def _words(given: str) -> str:
    try:
        return sys.stdin.read().strip() if given == "-" else given
    except UnicodeDecodeError:
        raise context.usage(_NO_TEXT.format("standard input")) from None


_NO_TEXT = "{} is not UTF-8; use a terminal that writes UTF-8, or words from a file in UTF-8 by '-'"


def _check(given: Mapping[str, Any]) -> None:
    """Bytes that were no text come as half characters, which nobody could read again."""
    for name, value in given.items():
        for text in value if isinstance(value, list) else [value]:
            if isinstance(text, str) and any("\ud800" <= sign <= "\udfff" for sign in text):
                raise context.usage(_NO_TEXT.format(f"'{name}'"))


def _policy(given: str) -> Any:  # noqa: ANN401 - what stands in the file; the programme judges it
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(Path(given).read_text("utf-8"))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise context.usage(f"'{given}' is no file of a policy: {type(error).__name__}") from error


def _quiet(given: str) -> dict[str, str]:
    start, sign, end = given.partition("-")
    if not sign:
        raise context.usage("write quiet hours as in 22:00-07:00")
    return {"start": start.strip(), "end": end.strip()}


def _mapping(given: list[str], *, yes_no: bool) -> dict[str, Any]:
    choices = ("yes", "no") if yes_no else ("yes", "no", "unsure")
    pairs: dict[str, str] = {}
    for text in given:
        key, _, value = text.partition("=")
        if value not in choices:
            raise context.usage(f"'{text}': write {' or '.join(f'NAME={c}' for c in choices)}")
        pairs[key] = value
    return {k: v == "yes" for k, v in pairs.items()} if yes_no else dict(pairs)


def _send(model: type[Command], forms: Mapping[str, _Form], given: dict[str, Any]) -> None:
    """Make the command, send it, and print its receipt."""
    from duologue.client import Refused, make

    if given.pop("all_yes", False):
        from duologue.practice.state import SCREEN

        given["answers"] = [f"{question}=yes" for question in SCREEN]
    if (words := given.pop("words_option", None)) is not None:
        if given.get("words") is not None:
            raise context.usage("the words are there twice: as an argument and as --words")
        given["words"] = words
    _check(given)
    programme, by = given["programme"], cast("By", given["by"])
    fields = {
        f: form.read(given[f]) for f, form in forms.items() if given.get(f) is not None and given[f] != []
    }
    if given["sent_at"]:
        fields["sent_at"] = context.instant(given["sent_at"]).isoformat()
    patience = context.span(given["patience"])
    try:
        command = make(model.name, by, command_id=given["command_id"], **fields)
        receipt = context.run(_deliver(programme, command, signal=given["signal"], patience=patience))
    except Refused as error:
        raise errors.refused(error, programme=programme, by=by, command=model.name) from error
    if given["as_json"]:
        output.emit(receipt or {"command_id": command.command_id, "sent": "signal"})
    else:
        _print(programme, command, receipt)


async def _deliver(programme: str, command: Command, *, signal: bool, patience: timedelta) -> Receipt | None:
    client = await context.connect(context.load_settings())
    to: Programme = client.programme(programme)
    with output.working("Waiting for the answer …"):
        if not signal:
            return await to.send(command, patience=patience)
        await to.signal(command)
        return None


def _print(programme: str, command: Command, receipt: Receipt | None) -> None:
    what = f"{command.name} {command.act}" if isinstance(command, TurnTaken) else command.name
    if receipt is None:
        output.say(output.good("Sent"), f": {what}, as a signal. Whether it was applied tells its receipt:")
        output.say(f"  duologue show {programme} --as {command.by} --receipt {command.command_id}")
        return
    output.say(
        output.good("Done"), f": {what} ", output.soft(f"(number {receipt.seq}, id {receipt.command_id})")
    )
    if receipt.movement:
        output.say(
            "Now: ", output.strong(receipt.movement), f"; waiting for {output.WHOM[receipt.awaiting]}."
        )
    if receipt.next_acts:
        output.say(f"You ({command.by}) may: ", output.name(", ".join(str(a) for a in receipt.next_acts)))
