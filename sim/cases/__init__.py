"""The regression's table, and how one case of it is compared with golden."""
