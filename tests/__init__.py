"""The tests of Duologue, by what they need: nothing, a server, a container, a browser."""
