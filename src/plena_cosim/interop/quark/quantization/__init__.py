"""The modules of `quark.torch.quantization`, as far as they are here."""
