"""The JSON Schema of the programme file, and what it knows of names.

The schema is that of the models, with the one difference between a file and a `Plan`: a file may name its curriculum.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from pydantic import BaseModel

from duologue.files.problems import Path
from duologue.files.source import inside
from duologue.practice.plan import Plan

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def programme_schema() -> dict[str, Any]:
    """What a programme file may say, as JSON Schema."""
    schema = Plan.model_json_schema()
    schema["properties"]["curriculum"] = {
        "title": "Curriculum",
        "description": "The name of a built-in curriculum, the path of a file beside this one, or a curriculum itself.",
        "anyOf": [
            {"type": "string", "examples": ["twelve-weeks", "./mine.yaml"]},
            {"$ref": "#/$defs/Curriculum"},
        ],
    }
    description = "One couple's programme: who practises, when, what, and under which policy."
    return {"$schema": _DIALECT, **schema, "title": "Duologue programme file", "description": description}


@cache
def _schema_of(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def known_fields(model: type[BaseModel], data: object, path: Path) -> list[str]:
    """The names of the fields there may be at `path` of `data`."""
    schema = _schema_of(model)
    node = _narrowed(schema, schema, data)
    for step in path:
        data = inside(data, step)
        below = node.get("properties", {}).get(step) if isinstance(step, str) else node.get("items")
        if not isinstance(below, dict):
            return []
        node = _narrowed(schema, below, data)
    return sorted(node.get("properties", {}))


def _narrowed(schema: dict[str, Any], node: dict[str, Any], data: object) -> dict[str, Any]:
    """A node without references and alternatives: what the data chooses, or the first that holds anything."""
    if "$ref" in node:
        return _narrowed(schema, schema["$defs"][node["$ref"].rsplit("/", 1)[-1]], data)
    if "discriminator" in node:
        choice = node["discriminator"]
        named = inside(data, choice["propertyName"])
        target = choice["mapping"].get(named) if isinstance(named, str) else None
        return _narrowed(schema, {"$ref": target}, data) if target else {}
    for alternative in (*node.get("anyOf", ()), *node.get("oneOf", ())):
        narrowed = _narrowed(schema, alternative, data)
        if "properties" in narrowed or "items" in narrowed:
            return narrowed
    return node
