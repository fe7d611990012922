"""What is wrong with a file, said so that its writer can put it right: the place, the fault, the remedy.

Here the errors of the models are put into plain words. Reading a file is in `source`, what only makes sense across
fields is checked in `checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from duologue.practice.values import WRITTEN, Ref

Path = tuple[str | int, ...]
"""Where a value stands: keys and indices from the top of the file."""


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong in a file."""

    file: str
    line: int
    field: str
    what: str
    remedy: str = ""

    def __str__(self) -> str:
        """`file:line: field: what; remedy`."""
        where = f"{self.file}:{self.line}: " + (f"{self.field}: " if self.field else "")
        return where + self.what + (f"; {self.remedy}" if self.remedy else "")


class FileError(ValueError):
    """A file that cannot be used, with everything that is wrong in it, one line each."""

    def __init__(self, *problems: Problem) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.field)))
        super().__init__("\n".join(map(str, self.problems)))


def dotted(path: Path) -> str:
    """A path as people write it: `curriculum.items[3].kinds`."""
    text = "".join(f"[{p}]" if isinstance(p, int) else f".{p}" for p in path)
    return text.removeprefix(".")


def did_you_mean(given: object, known: list[str]) -> str:
    """The nearest known name; without a near one, all of them."""
    near = get_close_matches(str(given).lower(), known, n=1)
    return f"did you mean '{near[0]}'?" if near else f"known here: {', '.join(known)}"


def _pattern(annotated: object) -> str:
    return str(get_args(annotated)[1].pattern)


_BY_PATTERN = {
    **WRITTEN,
    _pattern(Ref): "a reference is letters, digits and . _ : - only, and never a name or an address",
    "^[a-z_]*$": "name a message or a question, in small letters",
}

_EXAMPLES = {
    "programme": "add an id of yours, as in programme: couple-42",
    "people": "add both partners, as in people: {a: {ref: person-1}, b: {ref: person-2}}",
    "ref": "add an opaque reference, as in ref: person-1",
    "cadence": "add when the dialogues are, as in cadence: {every: week, on: [monday], at: 19:00}",
    "curriculum": "add which one, as in curriculum: twelve-weeks",
    "at": "add a time, as in at: 19:00",
    "on": "add the days, as in on: [monday]",
    "items": "add the sessions, as in items: [{kinds: [full]}]",
    "kinds": "add what is held, as in kinds: [full]",
}

_BY_TYPE = {
    "dict_type": ("is not a set of fields", "write one 'field: value' a line below it"),
    "model_type": ("is not a set of fields", "write one 'field: value' a line below it"),
    "model_attributes_type": ("is not a set of fields", "write one 'field: value' a line below it"),
    "string_type": ("is not text", "put it in quotes"),
    "bool_type": ("is neither true nor false", "write true or false"),
    "bool_parsing": ("is neither true nor false", "write true or false"),
    "int_type": ("is not a whole number", "write one, as in 3"),
    "int_parsing": ("is not a whole number", "write one, as in 3"),
    "int_from_float": ("is not a whole number", "write one, as in 3"),
    "date_type": ("is not a day", "write one as in 2027-01-04"),
    "date_parsing": ("is not a day", "write one as in 2027-01-04"),
    "date_from_datetime_parsing": ("is not a day", "write one as in 2027-01-04"),
    "date_from_datetime_inexact": ("is not a day", "write one as in 2027-01-04"),
    "union_tag_not_found": ("does not say what it repeats by", "add every: week, days, month or list"),
}


def explain(error: Mapping[str, Any], *, known: list[str], several: bool) -> tuple[str, str]:
    """What is wrong and what to do, for one error of a model.

    `known`: the fields there are where it happened. `several`: a value that may have several forms fits none of them.
    """
    kind, given, context = error["type"], error["input"], error.get("ctx", {})
    name = str(error["loc"][-1]) if error["loc"] else ""
    if kind == "missing":
        return "is missing", _EXAMPLES.get(name, "add it")
    if kind == "extra_forbidden":
        return "there is no such field", did_you_mean(name, known)
    if given is None:
        return "is empty", "give it a value or remove the line"
    if several:
        return (
            f"'{given}' is no time of a list",
            "write 2027-01-04T19:00:00+01:00, or +20s or +7d from the start",
        )
    if kind in ("literal_error", "union_tag_invalid"):
        value = context.get("tag", given)
        return f"'{value}' is not possible", did_you_mean(value, _choices(context))
    if kind == "string_pattern_mismatch":
        return f"'{given}' does not fit", _BY_PATTERN.get(context["pattern"], "write it as the schema says")
    if kind in ("tuple_type", "list_type"):
        return "is not a list", f"write [{given}]" if isinstance(
            given, str | int | float
        ) else "write [one, two]"
    if kind in ("too_short", "too_long"):
        most = context.get("max_length")
        limit = f"at least {context['min_length']}" if most is None else f"at most {most}"
        return f"holds {len(given)}", f"name {limit}"
    return _BY_TYPE.get(kind) or _by_message(error)


def _by_message(error: Mapping[str, Any]) -> tuple[str, str]:
    """A rule of our models, whose message is the remedy for a value and the fault for several; or pydantic's own."""
    if error["type"] != "value_error":
        message = str(error["msg"])
        return message[:1].lower() + message[1:], ""
    message, given = str(error["ctx"]["error"]), error["input"]
    return (f"'{given}' does not fit", message) if isinstance(given, str | int | float) else (message, "")


def _choices(context: Mapping[str, Any]) -> list[str]:
    """The possible values, out of pydantic's sentence about them."""
    sentence = str(context.get("expected") or context.get("expected_tags"))
    return [choice.strip(" '") for choice in sentence.replace(" or ", ", ").split(",")]
