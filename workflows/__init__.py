"""The durable shell: feeds commands and time into the pure core and turns its events into activities.

Imported as `duologue.workflows`. Deterministic: no clock but the workflow's, no randomness, no time-zone
data, no I/O, no rule of the practice. May import `duologue.practice` and nothing else of ours.
"""
