"""What a tensor is quantised to: `config` has the specifications, `type` their choices."""
