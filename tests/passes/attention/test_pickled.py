"""Models with quantised attention in pickles and copies."""

from __future__ import annotations

import copy
import pickle

import torch
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from plena_cosim.passes import quantize_module_transform_pass

from ..families import build
from ..recipes import ATTENTION, IN8, token_ids

IDS = token_ids(1, 6, seed=1)


@torch.no_grad()
def test_a_model_comes_out_of_a_pickle_or_a_copy_as_it_went_in() -> None:
    """In another process, transformers has not heard of our attention function."""
    model = build("llama", num_hidden_layers=1)
    decode = {r".*self_attn": ATTENTION | {"kv_cache": {**IN8, "data_in_width": 4}}}
    quantize_module_transform_pass(model, {r".*self_attn": ATTENTION, "phase": {"decode": decode}})
    expected = model(IDS).logits
    data = pickle.dumps(model)
    del ALL_ATTENTION_FUNCTIONS._global_mapping["plena"]
    assert torch.equal(pickle.loads(data)(IDS).logits, expected)
    again = copy.deepcopy(model)
    assert torch.equal(again(IDS).logits, expected)
    core = again.model.layers[0].self_attn.plena_attention
    assert core is not model.model.layers[0].self_attn.plena_attention
    assert again.model.layers[0].self_attn.forward.args == (again.model.layers[0].self_attn,)
