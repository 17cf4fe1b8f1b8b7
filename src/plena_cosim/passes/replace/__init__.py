"""Planned modules checked, built and put in place."""
