"""The accuracy ladder: one model under one recipe after another."""
