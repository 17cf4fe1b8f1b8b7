"""The command `plena`."""
