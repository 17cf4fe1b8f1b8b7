"""A small quantised model that is saved, and whether what was loaded is it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any


def saved_model(folder: Path) -> tuple[Callable[[Path], Any], Callable[[Any], bool]]:
    """Save a model and return what loads such folders, and what compares.

    Args:
        folder: where it goes.
    """
    import torch
    from tokenizers import Tokenizer, models
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    from plena_cosim.evaluate.load import load_model
    from plena_cosim.passes import quantize_module_transform_pass
    from plena_cosim.passes.recipe.load import read_quant_config

    torch.manual_seed(0)
    words = {f"w{number}": number for number in range(31)}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="w0"))
    sizes: dict[str, Any] = {
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "tie_word_embeddings": True,
    }
    config = LlamaConfig(vocab_size=31, hidden_size=32, intermediate_size=48, **sizes)
    model: Any = LlamaForCausalLM(config)
    model.eval()
    linear = {"name": "mxint", "weight_block_size": 16, "weight_width": 4}
    linear |= {"data_in_block_size": 16, "data_in_width": 8}
    quantize_module_transform_pass(model, read_quant_config({"by": "type", "linear": linear}))
    model.save_pretrained(folder)
    saved: Any = PreTrainedTokenizerFast
    saved(tokenizer_object=tokenizer, unk_token="w0").save_pretrained(folder)
    ids = torch.arange(20)[None]
    with torch.no_grad():
        want = model(ids).logits

    def same(loaded: Any) -> bool:
        with torch.no_grad():
            return torch.equal(loaded[0](ids).logits, want)

    return lambda path: load_model(str(path)), same
