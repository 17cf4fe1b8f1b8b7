"""What long runs leave behind for the next one, and what decides its bits."""
