"""The ten kinds of dialogue, as data written in the words of the grammar.

A new kind is a few lines here, its name in `plan.KindName`, and its prompts in `texts/`. No code belongs here.
Source of every row: reference/dialogue.md, "Kinds of dialogue".
"""

from __future__ import annotations

from collections.abc import Mapping

from duologue.practice.plan import KindName
from duologue.practice.shapes import (
    Act,
    Kind,
    choice,
    closing,
    empathy,
    exchange,
    frame,
    marking,
    opening,
    summary,
    switch,
    validation,
    writing,
)

_TRIGGER = ("happened", "felt", "did", "told_myself", "hurt", "fear", "reminds", "longed")
_SCENE = ("living_with_you", "hard", "best", "needed")

_ALL = (
    Kind(
        name="appreciation",
        minutes=(5, 15),
        movements=(
            opening(),
            exchange("appreciations", stems=("appreciation", "why"), rounds=(1, 3)),
            switch("appreciations"),
            closing(),
        ),
    ),
    Kind(
        name="mirroring",
        minutes=(15, 20),
        movements=(opening(), frame(), exchange("sending"), switch("sending"), closing()),
    ),
    Kind(
        name="full",
        minutes=(45, 60),
        movements=(
            opening(),
            frame(),
            exchange("sending"),
            summary(),
            validation("sending"),
            empathy(),
            switch("sending"),
            closing(),
        ),
    ),
    Kind(
        name="vision",
        minutes=(45, 60),
        movements=(opening(), writing("dreams"), marking("common"), closing()),
    ),
    Kind(
        name="commitment",
        minutes=(30, 45),
        movements=(
            opening(),
            exchange("exit", stems=("exit", "feeling", "commitment"), rounds=(1, 1)),
            switch("exit"),
            closing(),
        ),
    ),
    Kind(
        name="story",
        minutes=(60, 90),
        movements=(
            opening(),
            choice("form", "sender", {Act.TELL: "story", Act.ROLE_PLAY: "scene"}),
            exchange("story", then="summary"),
            exchange("scene", stems=_SCENE, rounds=(1, 1)),
            summary(),
            validation("story"),
            empathy(),
            switch("form"),
            closing(),
        ),
    ),
    Kind(
        name="trigger",
        minutes=(50, 60),
        movements=(
            opening(),
            frame(),
            exchange("stems", stems=_TRIGGER, rounds=(1, 1), then="summary"),
            exchange("more"),
            summary(),
            validation("more"),
            empathy(),
            switch("stems"),
            closing(),
        ),
    ),
    Kind(
        name="request",
        minutes=(45, 60),
        movements=(
            opening(),
            frame(),
            exchange("frustration", stems=("frustration", "desire"), rounds=(1, 1), then="summary"),
            exchange("more"),
            summary(),
            validation("more"),
            empathy(),
            exchange("requests", says=Act.REQUEST, rounds=(1, 3), lines=True),
            choice("gift", "receiver", {Act.CHOOSE: "", Act.DECLINE: ""}),
            switch("frustration"),
            closing(),
        ),
    ),
    Kind(
        name="caring",
        minutes=(25, 35),
        movements=(
            opening(),
            writing("now"),
            writing("once"),
            writing("wished"),
            marking("gifts", of="others"),
            closing(),
        ),
    ),
    Kind(
        name="review",
        minutes=(30, 45),
        movements=(
            opening(),
            writing("progress", private=True),
            writing("keeping", private=True),
            exchange("talk"),
            switch("talk"),
            closing(),
        ),
    ),
)

KINDS: Mapping[KindName, Kind] = {kind.name: kind for kind in _ALL}
"""Every kind by its name."""
