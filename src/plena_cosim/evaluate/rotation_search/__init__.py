"""The search for rotations as a command: progress, picture, recipe."""
