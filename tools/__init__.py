"""What developers of this checkout run; nothing here is installed."""
