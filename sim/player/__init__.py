"""The vector player: a block compiled to a library, and NumPy arrays streamed through it."""
