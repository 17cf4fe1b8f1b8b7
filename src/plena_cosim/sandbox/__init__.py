"""Programs nobody has read, run in a process that reaches nothing but Python and its own folder.

`run` runs one; standard library only, so that the process that locks itself in starts quickly.
"""
