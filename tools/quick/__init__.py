"""`make quick`: what a change touches, nearest first, within a budget of seconds."""
