"""PlenaLM: lm-eval's class for models that a recipe quantises, or that were saved quantised.

Importing this module needs lm-eval, and registers the model type "plena" with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM
from tqdm import tqdm

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.passes import (
    ModuleInfo,
    Recipe,
    left_alone,
    load_quant_config,
    quantize_module_transform_pass,
)
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.recipe.numerics import Numerics
from plena_cosim.passes.recipe.numerics_used import numerics_used
from plena_cosim.passes.saving.machine_fields import machine_to_fields
from plena_cosim.sources.model_place import model_place

from ..load import require_original
from ..record import describe_run, rotation_of

_Request = tuple[Any, list[int], list[int]]


@register_model("plena")
class PlenaLM(HFLM):  # type: ignore[misc]
    """A causal language model for lm-eval, quantised by a recipe.

    A batch is cut from requests of one length, so that nothing is padded on the right: the blocks
    of V run along the keys, and a sequence is to get what it gets alone.
    """

    def __init__(
        self,
        pretrained: Any,
        *,
        recipe: str | Path | None = None,
        numerics: str = "fake",
        machine: str | Path | None = None,
        calibration_device: str | None = None,
        dtype: str | torch.dtype = "float32",
        **kwargs: Any,
    ) -> None:
        """Load a model and quantise it; recipe and machine are read first.

        Args:
            pretrained: a folder (of an original or of a saved quantised model), an id on the
                Hugging Face hub, "demo", or a model of transformers, which is changed in place.
            recipe: a TOML file; None: the model runs as it is.
            numerics: "fake" or "exact"; a saved quantised model keeps its own.
            machine: a file of configs/hw, for exact numerics; else what the recipe names.
            calibration_device: where calibration runs, in the place of what the recipe says.
            dtype: of the weights; the vector format of exact numerics has to fit into it.
            **kwargs: as lm-eval's own model type "hf" takes them.

        Raises:
            FormatError, TextSourceError: with one clear message each.
        """
        Numerics.of(numerics)
        if recipe is None and (machine is not None or calibration_device is not None):
            raise FormatError("machine and calibration_device go with a recipe; give recipe=FILE")
        self._recipe: Recipe | None = None
        self._recipe_text: str | None = None
        if recipe is not None:
            self._recipe = on_device(load_quant_config(Path(recipe)), calibration_device)
            self._recipe_text = Path(recipe).read_text(encoding="utf-8")
        self._machine = None if machine is None else HardwareConfig.load(Path(machine))
        self._numerics = numerics
        self._info: dict[str, ModuleInfo] = {}
        given = str(model_place(pretrained)) if isinstance(pretrained, str) else pretrained
        super().__init__(pretrained=given, dtype=dtype, **kwargs)
        if not isinstance(pretrained, str):
            self._quantize("the given model")

    def _create_model(self, pretrained: str, *args: Any, **kwargs: Any) -> None:
        super()._create_model(pretrained, *args, **kwargs)
        self._quantize(pretrained)

    def _quantize(self, name: str) -> None:
        if self._recipe is None:
            return
        require_original(self._model, name)
        _, self._info = quantize_module_transform_pass(
            self._model, self._recipe, numerics=self._numerics, hw=self._machine
        )

    def _loglikelihood_tokens(
        self,
        requests: Sequence[_Request],
        disable_tqdm: bool = False,
        override_bs: int | None = None,
    ) -> list[tuple[float, bool]]:
        by_length: dict[int, list[int]] = {}
        for place, (_, context, continuation) in enumerate(requests):
            length = min(len(context) + len(continuation) - 1, self.max_length)
            by_length.setdefault(length, []).append(place)
        longest_first = sorted(by_length, reverse=True)
        if self.batch_size == "auto" and override_bs is None and requests:
            override_bs = self._detect_batch_size([requests[by_length[longest_first[0]][0]]], 0)
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        quiet = disable_tqdm or self.rank != 0
        with tqdm(total=len(requests), disable=quiet, desc="loglikelihoods") as bar:
            for length in longest_first:
                places = by_length[length]
                answers = super()._loglikelihood_tokens(
                    [requests[place] for place in places],
                    disable_tqdm=True,
                    override_bs=override_bs,
                )
                for place, answer in zip(places, answers, strict=True):
                    found[place] = answer
                bar.update(len(places))
        return found

    def get_model_info(self) -> dict[str, Any]:
        """Return what lm-eval writes beside its results, and under "plena" how it computed."""
        return {**super().get_model_info(), "plena": self.quantisation()}

    def quantisation(self) -> dict[str, Any]:
        """Return recipe, numerics, machine and versions, for a JSON record."""
        saved: Any = getattr(self._model, "plena_config", None)
        recipe = self._recipe
        if saved is None:
            return {"recipe": None, "run": describe_run(seed=0, config_sha256=None)}
        machine = saved.machine()
        left = left_alone(self._model)
        used = recipe if recipe is not None else saved.pass_args()
        return {
            "recipe": saved.source,
            "recipe_text": self._recipe_text,
            "recipe_tables": used.tables,
            "formats": numerics_used(used),
            "numerics": saved.numerics,
            "machine": None if machine is None else machine_to_fields(machine),
            "modules_replaced": len(self._info) or None,
            "left_alone": None if left is None else left.as_dict(),
            "rotation": rotation_of(self._model, self._info, saved.numerics),
            "run": describe_run(seed=0, config_sha256=recipe.sha256 if recipe else None),
        }
