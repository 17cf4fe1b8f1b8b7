"""What a saved model says of itself, and plain checkpoints."""
