"""Keys that nobody attends: out of the blocks, so that padding changes no result."""

from __future__ import annotations

import torch
from torch import Tensor


def align(
    keys: Tensor, values: Tensor, allowed: Tensor | None, bias: Tensor | None = None
) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
    """Clear the keys and values that no query attends, and turn the first one that is to place 0.

    Blocks of V run along the keys. Without this, their scales would depend on padding tokens, and
    padding on the left would shift them.

    Args:
        keys, values: (batch, heads, keys, head_dim).
        allowed: bool (batch or 1, heads or 1, queries, keys), True where a query attends a key;
            None where all attend all.
        bias: of scores, (batch or 1, heads or 1, queries or 1, keys); None: there is none.

    Returns:
        The four, keys turned alike.
    """
    if allowed is None:
        return keys, values, None, bias
    used = allowed.any(dim=2).any(dim=1)
    if bool(used.all()):
        return keys, values, allowed, bias
    first = used.to(torch.uint8).argmax(dim=-1)
    if bool((first > 0).any()):
        count, batch = used.shape[-1], keys.shape[0]
        turn = (torch.arange(count, device=used.device) + first[:, None]) % count
        used = used.gather(-1, turn)
        allowed = allowed.gather(-1, turn[:, None, None].expand_as(allowed))
        index = turn.expand(batch, -1)[:, None, :, None]
        keys = keys.gather(2, index.expand_as(keys))
        values = values.gather(2, index.expand_as(values))
        if bias is not None:
            bias = bias.expand(batch, -1, -1, -1)
            bias = bias.gather(-1, turn.expand(batch, -1)[:, None, None].expand_as(bias))
    idle = ~used[:, None, :, None]
    return keys.masked_fill(idle, 0.0), values.masked_fill(idle, 0.0), allowed, bias
