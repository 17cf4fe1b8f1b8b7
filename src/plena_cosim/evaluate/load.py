"""Models and texts by name: a folder or file, something on the hub, or the demo."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import torch

from plena_cosim import passes as _passes  # noqa: F401  (lets transformers load what they save)
from plena_cosim.golden import FormatError

from .cache import default_cache
from .demo_model import demo_model_folder
from .demo_text import demo_text
from .errors import EvaluationError, need


def load_model(
    name: str, *, dtype: torch.dtype = torch.float32, cache: Path | None = None
) -> tuple[Any, Any]:
    """Return a causal language model, in evaluation mode, and its tokenizer.

    Args:
        name: a folder, an id on the Hugging Face hub, or "demo".
        dtype: of the weights.
        cache: where the demo model lives; the user's cache directory when None.

    Raises:
        EvaluationError: there is no such model, or it cannot be reached.
    """
    transformers, safetensors = need("transformers"), need("safetensors")
    place: str | Path = name
    if name == "demo":
        place = demo_model_folder(cache or default_cache())
    elif Path(name).is_file():
        raise EvaluationError(f"model {name!r} is a file; give the folder that holds config.json")
    transformers.utils.logging.disable_progress_bar()
    try:
        model = transformers.AutoModelForCausalLM.from_pretrained(place, dtype=dtype)
        tokenizer = transformers.AutoTokenizer.from_pretrained(place)
    except FormatError as error:
        raise EvaluationError(f"cannot load model {name!r}: {error}") from None
    except safetensors.SafetensorError as error:
        raise EvaluationError(
            f"cannot load model {name!r}: its weights are not a whole safetensors file ({error}); "
            "copy or save it again"
        ) from None
    except (OSError, ValueError) as error:
        reason = str(error).strip().splitlines()[0]
        raise EvaluationError(
            f"cannot load model {name!r}: {reason} (give a folder with config.json, an id on the "
            "Hugging Face hub, or 'demo')"
        ) from None
    return model.eval(), tokenizer


def require_original(model: Any, name: str) -> None:
    """Raise EvaluationError if a model that `load_model` returned is quantised already."""
    saved = getattr(model, "plena_config", None)
    if saved is not None:
        raise EvaluationError(
            f"model {name!r} is quantised already, by {saved.source}; leave the recipe away, or "
            "give the original model"
        )


def load_text(name: str, *, cache: Path | None = None) -> str:
    """Return a text file's content, or the demo text for "demo".

    Raises:
        EvaluationError: there is no such file, or it is not UTF-8.
    """
    if name == "demo":
        return demo_text(cache or default_cache())
    try:
        return Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise EvaluationError(
            f"cannot read text {name!r}: {error.strerror}; give a UTF-8 file or 'demo'"
        ) from None
    except UnicodeDecodeError as error:
        raise EvaluationError(f"text {name!r} is not UTF-8: {error}") from None


def tokenize(tokenizer: Any, text: str, *, limit: int | None = None) -> torch.Tensor:
    """Return the token ids of `text`, (n,) int64, at most `limit` of them, no special tokens."""
    ids = tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
    return torch.tensor(ids[:limit], dtype=torch.int64)


def text_digest(text: str) -> str:
    """Return the sha256 of a text, for records."""
    return hashlib.sha256(text.encode()).hexdigest()
