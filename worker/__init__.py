"""Puts programmes together and runs them: settings, logs, embedded server, namespace, health, the worker.

Imported as `duologue.worker`. May import any room except the CLI; holds no rule of the practice.
"""
