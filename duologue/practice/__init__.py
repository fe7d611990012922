"""The pure core: every rule of the practice, as functions of values.

Here live the dialogue grammar and its kinds, the programme's life, the wire contract and the views. Nothing here
may know Temporal, a clock, randomness, time-zone data or I/O; the one exception is reading the package's own
texts and curricula while they are imported, after which nothing is read again.
"""
