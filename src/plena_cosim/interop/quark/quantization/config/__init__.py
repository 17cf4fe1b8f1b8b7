"""What a model is quantised to: `config` has all classes, `type` their choices."""
