"""One pass of one text: reading a prompt, or one more token.

No text shares a pass with another one. torch sums a product in another order where there are more
rows, and computes some functions otherwise at the end of a longer array: only a pass with the same
shapes gives the same bits, whatever the numerics.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from plena_cosim.passes.recipe.draws import begin_sample

_KEEP = "logits_to_keep"


@torch.no_grad()
def prefill(network: Any, prompt: Sequence[int], *, every: bool) -> tuple[Tensor, Any]:
    """Read a prompt, with an empty cache.

    Args:
        network: a causal language model of transformers.
        prompt: token ids.
        every: whether the logits behind each token are wanted, or those behind the last one.

    Returns:
        Logits, (tokens or 1, vocabulary) float64 on the CPU, and the cache.
    """
    begin_sample(network, 0)
    only = {} if every or not _keeps(network) else {_KEEP: 1}
    ids = torch.tensor([list(prompt)], device=network.device)
    made = network(ids, use_cache=True, **only)
    rows = made.logits[0] if every else made.logits[0, -1:]
    return rows.double().cpu(), made.past_key_values


@torch.no_grad()
def decode(network: Any, token: int, cache: Any, *, length: int) -> Tensor:
    """Read one more token.

    Args:
        network: the model that has filled the cache.
        token: its id.
        cache: of the text before it; it is changed.
        length: tokens in the cache. Stochastic rounding draws by this number, so that no draw
            depends on passes of other texts.

    Returns:
        Logits behind it, (vocabulary,) float64 on the CPU.
    """
    begin_sample(network, length)
    ids = torch.tensor([[token]], device=network.device)
    made = network(ids, past_key_values=cache, use_cache=True)
    logits: Tensor = made.logits[0, -1].double().cpu()
    return logits


def _keeps(network: Any) -> bool:
    """Return whether a model computes only the logits that it is asked for."""
    return _KEEP in inspect.signature(type(network).forward).parameters
