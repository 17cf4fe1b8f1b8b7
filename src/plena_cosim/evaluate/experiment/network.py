"""Network: a model of transformers by what it is for, with what prepares its inputs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import torch

from plena_cosim import passes as _passes  # noqa: F401  (lets transformers load what they save)
from plena_cosim.golden import FormatError
from plena_cosim.sources import TextSourceError
from plena_cosim.sources.errors import need
from plena_cosim.sources.model_place import model_place

from ..load import load_model


class Task(Enum):
    """What a model is for: how it is loaded, and what it is called with."""

    CLASSIFICATION = "image classification"
    DETECTION = "object detection"
    LANGUAGE = "causal language model"


_AUTO = {
    Task.CLASSIFICATION: "AutoModelForImageClassification",
    Task.DETECTION: "AutoModelForObjectDetection",
    Task.LANGUAGE: "AutoModelForCausalLM",
}
_ARCHITECTURES = {
    Task.CLASSIFICATION: "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    Task.DETECTION: "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
    Task.LANGUAGE: "MODEL_FOR_CAUSAL_LM_MAPPING_NAMES",
}


@dataclass(frozen=True, kw_only=True)
class Network:
    """A model in evaluation mode.

    Attributes:
        model: transformers' own.
        prepare: the image processor, or the tokenizer; None where the folder has none.
        task: what it is for.
    """

    model: Any
    prepare: Any
    task: Task


def task_of(name: str, *, cache: Path | None = None) -> Task:
    """Return what a model is for, by its config.json alone.

    Args:
        name: a folder, an id on the Hugging Face hub, or "demo".
        cache: where the demo model lives; the user's cache directory when None.

    Raises:
        TextSourceError: there is no such model, or it is for something else.
    """
    transformers = need("transformers")
    try:
        config = transformers.AutoConfig.from_pretrained(model_place(name, cache=cache))
    except (OSError, ValueError) as error:
        raise TextSourceError(_cannot(name, error)) from None
    if getattr(config, "quantization_config", None) is not None:
        raise TextSourceError(f"model {name!r} is quantised already; give the original model")
    names = transformers.models.auto.modeling_auto
    made = list(getattr(config, "architectures", None) or [])
    for task, mapping in _ARCHITECTURES.items():
        known: set[str] = set()
        for each in getattr(names, mapping).values():
            known |= {each} if isinstance(each, str) else set(each)
        if known & set(made):
            return task
    raise TextSourceError(
        f"model {name!r} is {', '.join(made) or 'of no architecture that its config.json names'}; "
        f"give one that transformers loads as {' or '.join(_AUTO.values())}"
    )


def load_network(name: str, task: Task, *, cache: Path | None = None) -> Network:
    """Load a model in float32.

    Args:
        name: as of `task_of`.
        task: what it is for.
        cache: where the demo model lives; the user's cache directory when None.

    Returns:
        The model in evaluation mode, with its image processor or tokenizer.

    Raises:
        TextSourceError: it cannot be loaded.
    """
    if task is Task.LANGUAGE:
        model, tokenizer = load_model(name, cache=cache)
        return Network(model=model, prepare=tokenizer, task=task)
    transformers, safetensors = need("transformers"), need("safetensors")
    place = model_place(name, cache=cache)
    transformers.utils.logging.disable_progress_bar()
    try:
        model = getattr(transformers, _AUTO[task]).from_pretrained(place, dtype=torch.float32)
    except (FormatError, ImportError, OSError, ValueError, safetensors.SafetensorError) as error:
        raise TextSourceError(_cannot(name, error)) from None
    try:
        prepare = transformers.AutoImageProcessor.from_pretrained(place)
    except (ImportError, OSError, ValueError):
        prepare = None
    return Network(model=model.eval(), prepare=prepare, task=task)


def _cannot(name: str, error: Exception) -> str:
    reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
    return (
        f"cannot load model {name!r}: {reason} (give a folder with config.json and weights, as "
        "transformers saves one)"
    )
