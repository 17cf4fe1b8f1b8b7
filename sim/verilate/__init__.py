"""Verilator: which one, what goes into a build, and the cache of builds."""
