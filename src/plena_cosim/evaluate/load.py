"""Models by name: a folder, something on the hub, or the demo."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from plena_cosim import passes as _passes  # noqa: F401  (lets transformers load what they save)
from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError, load_tokenizer
from plena_cosim.sources.errors import need
from plena_cosim.sources.model_place import model_place


def load_model(
    name: str,
    *,
    dtype: torch.dtype = torch.float32,
    cache: Path | None = None,
    kind: str = "AutoModelForCausalLM",
    trust_remote_code: bool = False,
) -> tuple[Any, Any]:
    """Return a causal language model, in evaluation mode, and its tokenizer.

    Args:
        name: a folder, an id on the Hugging Face hub, or "demo".
        dtype: of the weights.
        cache: where the demo model lives; the user's cache directory when None.
        kind: the class of transformers that loads it.
        trust_remote_code: run Python code that comes with the model.

    Raises:
        TextSourceError: there is no such model, or it cannot be reached.
    """
    transformers, safetensors = need("transformers"), need("safetensors")
    place = model_place(name, cache=cache)
    transformers.utils.logging.disable_progress_bar()
    try:
        model = getattr(transformers, kind).from_pretrained(
            place, dtype=dtype, trust_remote_code=trust_remote_code
        )
    except FormatError as error:
        raise TextSourceError(f"cannot load model {name!r}: {error}") from None
    except safetensors.SafetensorError as error:
        raise TextSourceError(
            f"cannot load model {name!r}: its weights are not a whole safetensors file ({error}); "
            "copy or save it again"
        ) from None
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise TextSourceError(
            f"cannot load model {name!r}: {reason} (give a folder with config.json, an id on the "
            "Hugging Face hub, or 'demo')"
        ) from None
    except Exception as error:  # of a garbled config.json: whatever its values lead to
        reason = f"{type(error).__name__}: {error}".strip().splitlines()[0]
        raise TextSourceError(
            f"cannot load model {name!r}: its files make transformers fail ({reason}); copy or "
            "save it again"
        ) from error
    return model.eval(), load_tokenizer(name, cache=cache)


def require_original(model: Any, name: str) -> None:
    """Raise TextSourceError if a model that `load_model` returned is quantised already."""
    saved = getattr(model, "plena_config", None)
    if saved is not None:
        raise TextSourceError(
            f"model {name!r} is quantised already, by {saved.source}; leave the recipe away, or "
            "give the original model"
        )
