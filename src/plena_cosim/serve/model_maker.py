"""ModelMaker: quantised models of one float model, one for each setting."""

from __future__ import annotations

import copy
import threading
from typing import Any

from plena_cosim.evaluate.load import load_model
from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.progress import Progress
from plena_cosim.passes import quantize_module_transform_pass
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.saving.machine_fields import machine_to_fields

from .served_model import ServedModel
from .setting import Setting, fingerprint


class ModelMaker:
    """Makes models from float weights, which stay as they are.

    Each quantised model has weights of its own beside the float ones. While another one is made,
    there are three: float, the one that serves, and the one that comes.
    """

    def __init__(
        self,
        name: str,
        network: Any,
        tokenizer: Any,
        *,
        machine: HardwareConfig | None = None,
        device: str | None = None,
    ) -> None:
        """Keep a model.

        Args:
            name: that it was asked for by.
            network: of transformers, in float or saved quantised.
            tokenizer: of transformers.
            machine: of exact numerics, before the one that a recipe names.
            device: where it runs and calibrates; None: where it is, and as a recipe says.
        """
        self.name, self.tokenizer = name, tokenizer
        self._network = network if device is None else network.to(device)
        self._machine, self._device = machine, device
        self._made = 0
        self._busy = threading.Lock()

    @classmethod
    def load(
        cls, name: str, *, machine: HardwareConfig | None = None, device: str | None = None
    ) -> ModelMaker:
        """Load a model.

        Args:
            name: a folder, an id on the Hugging Face hub, or "demo".
            machine: of exact numerics.
            device: where it runs.

        Returns:
            What makes models of it.

        Raises:
            FormatError, TextSourceError: there is no such model, or it cannot be read.
        """
        network, tokenizer = load_model(name)
        return cls(name, network, tokenizer, machine=machine, device=device)

    @property
    def context(self) -> int | None:
        """Tokens that the model was made for; None: its configuration does not say."""
        found = getattr(self._network.config, "max_position_embeddings", None)
        return found if isinstance(found, int) else None

    @property
    def vocabulary(self) -> int:
        """How many tokens the model knows."""
        return int(self._network.config.vocab_size)

    @property
    def ends(self) -> frozenset[int]:
        """Token ids that end a text, of the model's settings and of the tokenizer."""
        given = getattr(self._network.generation_config, "eos_token_id", None)
        several = given if isinstance(given, list) else [given]
        return frozenset(
            each for each in (*several, self.tokenizer.eos_token_id) if isinstance(each, int)
        )

    def make(self, setting: Setting, *, progress: Progress | None = None) -> ServedModel:
        """Return a model of a setting, with weights of its own where they are quantised.

        Args:
            setting: how it is quantised.
            progress: told how far a calibration is.

        Raises:
            FormatError: the setting does not fit the model, another one is being made, or the model
                was saved quantised. What serves is not touched.
        """
        if not self._busy.acquire(blocking=False):
            raise FormatError("another model is being made; try again when that is done")
        try:
            return self._make(setting, progress)
        finally:
            self._busy.release()

    def _make(self, setting: Setting, progress: Progress | None) -> ServedModel:
        saved: Any = getattr(self._network, "plena_config", None)
        machine = None if self._machine is None else machine_to_fields(self._machine)
        numerics: str | None = setting.numerics
        if saved is not None:
            if setting.base is not None:
                raise FormatError(
                    f"model {self.name!r} is quantised already, by {saved.source}; serve the "
                    "original one to change recipes"
                )
            network, recipe, numerics = self._network, saved.pass_args(), saved.numerics
        elif (recipe := setting.recipe(self._network)) is None:
            network, numerics = self._network, None
        else:
            if recipe.token_collector is not None:
                raise FormatError(
                    f"{recipe.source}: a server keeps nobody's tokens; remove [token_collector]"
                )
            network, _ = quantize_module_transform_pass(
                copy.deepcopy(self._network),
                on_device(recipe, self._device),
                numerics=setting.numerics,
                hw=self._machine,
                progress=progress,
            )
        self._made += 1
        return ServedModel(
            revision=self._made,
            network=network.eval(),
            setting=setting,
            recipe=recipe,
            numerics=numerics,
            fingerprint=fingerprint(recipe, numerics or "", machine),
        )
