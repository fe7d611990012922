"""The `duologue` command: either partner, ops and the simulator, from a terminal.

Only talking to people and scripts lives here; what is said comes from the client, the worker and the core. Temporal's
SDK is loaded inside the commands that use it, so that help and completion answer at once. Nobody imports this room.
"""

from duologue.cli.app import execute, main

__all__ = ["execute", "main"]
