"""What every command that measures leaves behind: a folder, samples, a report."""
