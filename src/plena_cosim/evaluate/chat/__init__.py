"""Models as a chat server gives them: `plena serve` started for a while, or any other."""
