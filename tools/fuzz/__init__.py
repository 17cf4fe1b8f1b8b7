"""Files and requests with mistakes in them: one clear error, or the right answer."""
