"""One way to reach a person: a channel's name and an address.

The model alone. Where contacts are kept, and which of them is tried when, is decided elsewhere.
"""

from __future__ import annotations

import re
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from duologue.practice.values import Frozen

ADDRESSED = ("email", "apprise")
"""Channels of ours that reach nobody without an address. The others know by the person's reference."""

_EMAIL = re.compile(r"[^@\s<>(),;:\\\"\[\]]+@[^@\s<>(),;:\\\"\[\]]+")
"""One bare address: nothing that a header could read as a second one."""


class Contact(Frozen):
    """One way to reach a person: `email`, `apprise`, `webhook`, `console`, or a platform's own channel by its name."""

    # Neither a traceback nor the text of an error may show an address.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    channel: str = Field(pattern=r"^[a-z][a-z0-9_]{0,31}$")
    address: str = Field(default="", repr=False, max_length=2000, pattern=r"^[^\s\x00-\x1f\x7f]*$")

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.channel in ADDRESSED and not self.address:
            message = f"'{self.channel}' needs an address"
            raise ValueError(message)
        if self.channel == "email" and not _EMAIL.fullmatch(self.address):
            message = "this is no e-mail address"
            raise ValueError(message)
        return self
