"""What writes tables of docs and of the screen from the code."""
