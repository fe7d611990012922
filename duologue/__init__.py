"""Duologue: durable Imago practice programmes for couples, on Temporal.

This is the one name a platform imports. The package itself holds nothing but its version; the rooms are
`practice` (the pure core), `calendar`, `workflows`, `activities`, `worker`, `client` and `cli`. None of them
is loaded by importing this module, so that the workflow sandbox stays cheap.
"""

__version__ = "0.1.0"
