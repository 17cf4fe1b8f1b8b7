"""The recipe language: what a file may say, and one error for what it may not."""
