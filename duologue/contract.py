"""The published contract as documents: JSON Schemas of everything that travels, and the acts of every kind.

They are made from the models, which stay the only source; `docs/reference/schemas/` holds what is made here, and a test
keeps it current. Nothing is read but our own source, for what a field's line of documentation says.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import import_module
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel

from duologue.practice.messages import COMMANDS, Reason, Receipt, Refusal
from duologue.practice.shapes import WITHOUT_WORDS, Act, Movement
from duologue.practice.values import NOT_BLANK, WORDS_BYTES, Frozen

DIALECT = "https://json-schema.org/draft/2020-12/schema"

Document = dict[str, Any]


def documents() -> dict[str, Document]:
    """Every document of the contract by its name."""
    # Loaded here, since the command line asks this module for `field_docs` on every start.
    from duologue.files import programme_schema  # noqa: PLC0415
    from duologue.practice.asks import Delivered, Message  # noqa: PLC0415
    from duologue.practice.views import Attributes, Overview, Result, View, ViewRequest  # noqa: PLC0415

    found = {name: _schema(model, "validation") for name, model in COMMANDS.items()}
    found |= {
        "message": _schema(Message, "serialization"),
        "delivered": _schema(Delivered, "validation"),
        "receipt": _schema(Receipt, "serialization"),
        "refusal": _schema(Refusal, "serialization"),
        "view_request": _schema(ViewRequest, "validation"),
        "view": _schema(View, "serialization"),
        "overview": _schema(Overview, "serialization"),
        "result": _schema(Result, "serialization"),
        "search_attributes": _schema(Attributes, "serialization"),
        "programme": _described(programme_schema()),
        "acts": acts(),
    }
    return found


def acts() -> Document:
    """What a client needs beside the schemas: the acts of each kind, the answers to questions, and the refusals."""
    from duologue.practice.kinds import KINDS  # noqa: PLC0415 - as above
    from duologue.practice.plan import OPT_IN  # noqa: PLC0415 - as above
    from duologue.practice.state import CHOICES, SCREEN  # noqa: PLC0415 - as above

    return {
        "title": "Acts and answers",
        "description": (
            "The movements of each kind of dialogue and the acts that may be taken in them; what is allowed at a "
            "moment, and to whom, is in the view. Then the answers each kind of question takes, and the reasons of "
            "a refusal."
        ),
        "kinds": {
            name: {
                "minutes": list(kind.minutes),
                "opt_in": name in OPT_IN,
                "movements": [_movement(m) for m in kind.movements],
            }
            for name, kind in KINDS.items()
        },
        "at_any_time": ["time_out", "stop"],
        "without_words": [str(act) for act in Act if act in WITHOUT_WORDS],
        "during_a_time_out": ["extend", "stop"],
        "after_a_time_out": ["ready", "time_out", "stop"],
        "questions": {kind: list(choices) for kind, choices in CHOICES.items() if choices},
        "suitability_questions": list(SCREEN),
        "refusals": {str(r): docs for r, docs in _reasons()},
    }


def _reasons() -> Iterable[tuple[Reason, str]]:
    documented = field_docs(Reason)
    return ((reason, documented.get(reason.name, "")) for reason in Reason)


def _movement(of: Movement) -> Document:
    """One movement with the acts of each role."""
    if of.says is None:
        both = [*of.also, *of.finish, *([Act.DEFER_SWITCH] if of.again else [])]
        return {"name": of.name, "both": [str(act) for act in both]}
    speaks = [of.says, *of.instead, *([Act.NO_MORE] if of.rounds[1] != 1 else [])]
    listens = [Act.MIRROR, Act.HOLD_ON] if of.mirrored else []
    checks = [Act.CONFIRM, Act.CORRECT] if of.checked else []
    sender, receiver = (speaks, listens) if of.by == "sender" else (listens, speaks)
    document = {
        "name": of.name,
        "sender": [str(act) for act in (*sender, *checks)],
        "receiver": [str(act) for act in receiver],
    }
    return document | ({"stems": list(of.stems)} if of.stems else {})


def _schema(model: type[BaseModel], mode: Literal["validation", "serialization"]) -> Document:
    return {"$schema": DIALECT, **_described(model.model_json_schema(mode=mode), model)}


def _described(schema: Document, *models: type[BaseModel]) -> Document:
    """The schema with each field's line of documentation, and with words also as a bare string."""
    known = {m.__name__: m for m in (*models, *_all_models())}
    defs = schema.get("$defs", {})
    for title, node in [(schema.get("title"), schema), *defs.items()]:
        model = known.get(str(title))
        for field, text in field_docs(model).items() if model else ():
            if field in node.get("properties", {}):
                node["properties"][field].setdefault("description", text)
    if "Words" in defs:
        words = defs["Words"]
        bare = {
            "type": "string",
            "pattern": NOT_BLANK,
            "maxLength": WORDS_BYTES,
            "description": 'The same as {"text": …}.',
        }
        defs["Words"] = {"description": words.pop("description", ""), "anyOf": [bare, words]}
    return schema


def _all_models() -> list[type[BaseModel]]:
    """Every model there is in the pure core, for their documentation."""
    found: list[type[BaseModel]] = []
    open_: list[type[BaseModel]] = list(Frozen.__subclasses__())
    while open_:
        model = open_.pop()
        found.append(model)
        open_ += model.__subclasses__()
    return found


@cache
def field_docs(owner: type) -> Mapping[str, str]:
    """The line of documentation under each field of a class, with those it inherits."""
    found: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        if base.__module__.startswith("duologue."):
            found |= _of_class(base.__module__).get(base.__name__, {})
    return found


@cache
def _of_class(module: str) -> Mapping[str, Mapping[str, str]]:
    """The documentation of all classes of a module."""
    try:
        tree = ast.parse(inspect.getsource(import_module(module)))
    except OSError:  # installed without sources: everything works, with less said about it
        return {}
    return {node.name: dict(_documented(node.body)) for node in tree.body if isinstance(node, ast.ClassDef)}


def _documented(body: list[ast.stmt]) -> Iterable[tuple[str, str]]:
    for statement, following in pairwise(body):
        match statement, following:
            case (
                ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, " ".join(inspect.cleandoc(text).split())


__all__ = ["DIALECT", "acts", "documents", "field_docs"]
