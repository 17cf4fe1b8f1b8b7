"""What every room stands on: errors, hints, whole files, the cache, records, progress.

Standard library only, and rich in `progress_bar`; nothing is imported here, so that golden, which
needs two of these files, does not load the rest.
"""
