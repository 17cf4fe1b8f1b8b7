"""The layers of a model, run one at a time on what enters them."""
