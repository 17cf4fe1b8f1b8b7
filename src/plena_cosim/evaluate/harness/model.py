"""PlenaLM: lm-eval's class for models that a recipe quantises, or that were saved quantised.

Importing this module needs lm-eval, and registers the model type "plena" with it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import torch
from accelerate import PartialState
from lm_eval.api.registry import register_model
from lm_eval.models.huggingface import HFLM
from tqdm import tqdm

from plena_cosim.golden import FormatError, HardwareConfig
from plena_cosim.ground.launched import launched
from plena_cosim.passes import (
    ModuleInfo,
    Recipe,
    left_alone,
    load_quant_config,
    quantize_module_transform_pass,
)
from plena_cosim.passes.layers.device import on_device
from plena_cosim.passes.recipe.draws import begin_sample
from plena_cosim.passes.recipe.numerics import Numerics
from plena_cosim.passes.recipe.numerics_used import numerics_used
from plena_cosim.passes.saving.machine_fields import machine_to_fields
from plena_cosim.sources.model_place import model_place

from ..in_rtl import RTL, InRtl, MakeInRtl, checked_rtl, require_exact
from ..key import code_digest, model_digest, versions
from ..load import require_original
from ..record import describe_run, rotation_of
from ..results.sample_log import SampleLog
from ..results.shared_log import of_rank
from .answer_log import AnswerLog, batch_number, batched

_Request = tuple[Any, list[int], list[int]]


@register_model("plena")
class PlenaLM(HFLM):  # type: ignore[misc]
    """A causal language model for lm-eval, quantised by a recipe.

    A batch is cut from requests of one length, so that nothing is padded on the right: the blocks
    of V run along the keys, and a sequence is to get what it gets alone.
    """

    default_log: ClassVar[Path | SampleLog | None] = None
    default_rtl: ClassVar[MakeInRtl | None] = None

    def __init__(
        self,
        pretrained: Any,
        *,
        recipe: str | Path | None = None,
        numerics: str = "fake",
        machine: str | Path | None = None,
        calibration_device: str | None = None,
        dtype: str | torch.dtype = "float32",
        log: str | Path | SampleLog | None = None,
        rtl: InRtl | None = None,
        ops: str | None = None,
        jobs: int | str | None = None,
        fresh: bool = False,
        **kwargs: Any,
    ) -> None:
        """Load a model and quantise it; recipe and machine are read first.

        Args:
            pretrained: a folder (of an original or of a saved quantised model), an id on the
                Hugging Face hub, "demo", or a model of transformers, which is changed in place.
            recipe: a TOML file; None: the model runs as it is.
            numerics: "fake", "exact" or "rtl"; a saved quantised model keeps its own, and runs in
                RTL if these are exact.
            machine: a file of configs/hw, for exact numerics; else what the recipe names.
            calibration_device: where calibration runs, in the place of what the recipe says.
            dtype: of the weights; the vector format of exact numerics has to fit into it.
            log: a file (one a process, where there are several) that keeps the answers of each
                batch, so that an interrupted evaluation goes on from there.
            rtl: runs operations in blocks, for numerics "rtl"; None: made of the next three, where
                `plena eval lm` has brought what makes it.
            ops: names of the operations that run in blocks, joined with +; matmul by default.
            jobs: threads that run blocks; one a core by default.
            fresh: compare again what was compared before.
            **kwargs: as lm-eval's own model type "hf" takes them.

        Raises:
            FormatError, TextSourceError: with one clear message each.
        """
        if numerics != RTL:
            Numerics.of(numerics)
            if ops is not None or jobs is not None or fresh:
                raise FormatError("ops, jobs and fresh go with numerics=rtl; leave them away")
        elif rtl is None and self.default_rtl is not None:
            rtl = self.default_rtl(ops, jobs=jobs, fresh=fresh)
        device = kwargs.get("device")
        self._rtl = checked_rtl(numerics, rtl, device=None if device is None else str(device))
        if self._rtl is not None:
            kwargs["device"] = "cpu"
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
        self.on_windows: Callable[[int], None] | None = None
        given = str(model_place(pretrained)) if isinstance(pretrained, str) else pretrained
        several = isinstance(pretrained, str) and launched().count > 1
        if several and not torch.accelerator.is_available():
            # accelerate takes CPU processes for several only where it is told
            PartialState(cpu=True, timeout=timedelta(weeks=52))
        super().__init__(pretrained=given, dtype=dtype, **kwargs)
        self._count_processes()
        if not isinstance(pretrained, str):
            self._quantize("the given model")
        if self._rtl is not None:
            require_exact(self._model, pretrained if isinstance(pretrained, str) else "given")
            self._rtl.require_possible(self._model)
        log = self.default_log if log is None else log
        if isinstance(log, (str, Path)):
            log = SampleLog(of_rank(Path(log), self.rank) if self.world_size > 1 else Path(log))
        if self._rtl is not None and log is not None:
            taken = self._rtl.taken
            log.beside = lambda: {"rtl": taken()}
        self._answers = None if log is None else AnswerLog(log, self._key())

    def _count_processes(self) -> None:
        """Share requests among processes also where each has no GPU, or one that it alone sees.

        lm-eval itself does so where it sees several GPUs.
        """
        accelerator: Any = getattr(self, "accelerator", None)
        if accelerator is not None and self.world_size == 1:
            self._rank = accelerator.process_index
            self._world_size = accelerator.num_processes

    def share(self, ask: Callable[[], object]) -> bool:
        """Have several processes with a common log answer some of the batches each.

        Args:
            ask: see `AnswerLog.share`.

        Returns:
            Whether there are several; nothing is asked otherwise.
        """
        return self._answers is not None and self._answers.share(ask)

    def _create_model(self, pretrained: str, *args: Any, **kwargs: Any) -> None:
        super()._create_model(pretrained, *args, **kwargs)
        self._quantize(pretrained)

    def _quantize(self, name: str) -> None:
        if self._recipe is None:
            return
        require_original(self._model, name)
        _, self._info = quantize_module_transform_pass(
            self._model,
            self._recipe,
            numerics="exact" if self._rtl is not None else self._numerics,
            hw=self._machine,
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
        size = self._size(override_bs, requests[by_length[longest_first[0]][0]]) if requests else 1
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        rolls = override_bs is not None  # called for a few windows of many
        quiet = disable_tqdm or rolls or self.rank != 0
        with tqdm(total=len(requests), disable=quiet, desc="loglikelihoods") as bar:
            for length in longest_first:
                for places in self._batches(requests, by_length[length], size):
                    batch = [requests[place] for place in places]
                    answers = self._answered(
                        "loglikelihood", [each[1:] for each in batch], self._likelihoods, batch
                    )
                    for place, (likelihood, greedy) in zip(places, answers, strict=True):
                        found[place] = likelihood, greedy
                    bar.update(len(places))
        if rolls and self.on_windows is not None:
            self.on_windows(len(requests))
        return found

    def _size(self, given: int | None, longest: _Request) -> int:
        """Return the size of batches: as the user gave it, or what fits."""
        if self.batch_size != "auto":
            return int(self.batch_size)
        return int(given or self._detect_batch_size([longest], 0))

    def _likelihoods(self, batch: Sequence[_Request]) -> list[tuple[float, bool]]:
        """Return the answers to requests that the model sees at once."""
        answers: list[tuple[float, bool]] = super()._loglikelihood_tokens(
            batch, disable_tqdm=True, override_bs=len(batch)
        )
        return answers

    def _batches(
        self, requests: Sequence[_Request], places: Sequence[int], size: int
    ) -> Iterator[list[int]]:
        """Give the places of requests that the model sees at once.

        Those that differ in their last token alone are one to the model.
        """
        alike: dict[tuple[int, ...], list[int]] = {}
        for place in places:
            _, context, continuation = requests[place]
            last = 1 if self.logits_cache else 0
            whole = (*context, *continuation)
            alike.setdefault(whole[: len(whole) - last], []).append(place)
        for group in batched(sorted(alike), size):
            yield [place for each in group for place in alike[each]]

    def generate_until(self, requests: Sequence[Any], disable_tqdm: bool = False) -> list[str]:
        """Return what the model writes after each request; contexts of one length at once."""
        alike: dict[tuple[str, int], list[int]] = {}
        for place, request in enumerate(requests):
            context, options = request.args
            settings = json.dumps(options, sort_keys=True, default=str)
            alike.setdefault((settings, len(self.tok_encode(context))), []).append(place)
        size = self.batch_size
        if size == "auto":
            size = self._detect_batch_size()
        found = [""] * len(requests)
        quiet = disable_tqdm or self.rank != 0
        with tqdm(total=len(requests), disable=quiet, desc="texts written") as bar:
            for key in sorted(alike, key=lambda key: (key[0], -key[1])):
                for places in map(list, batched(alike[key], size)):
                    batch = [requests[place] for place in places]
                    answers = self._answered(
                        "generate_until", [each.args for each in batch], self._written, batch
                    )
                    for place, answer in zip(places, answers, strict=True):
                        found[place] = answer
                    bar.update(len(places))
        return found

    def _written(self, batch: Sequence[Any]) -> list[str]:
        """Return what the model writes after contexts of one length, which it sees at once."""
        size: Any = self.batch_size
        self.batch_size_per_gpu = len(batch)
        try:
            answers: list[str] = super().generate_until(batch, disable_tqdm=True)
        finally:
            self.batch_size_per_gpu = size
        return answers

    def _answered(
        self, kind: str, asked: Any, answer: Callable[[Any], list[Any]], batch: Any
    ) -> list[Any]:
        """Return the answers to a batch, from the log where it has them."""
        begin_sample(self._model, batch_number(kind, asked))
        if self._answers is None:
            return self._computed(kind, answer, batch)
        return self._answers.of(kind, asked, lambda: self._computed(kind, answer, batch))

    def _computed(self, kind: str, answer: Callable[[Any], list[Any]], batch: Any) -> list[Any]:
        """Return the answers to a batch, with operations in blocks where these are asked for."""
        blocks = nullcontext() if self._rtl is None else self._rtl.running(self._model, phase=kind)
        with blocks:
            return answer(batch)

    def _key(self) -> dict[str, Any]:
        """Return what the answers depend on, besides what is asked."""
        used = {key: value for key, value in self.quantisation().items() if key != "run"}
        return {
            "model_sha256": model_digest(self._model),
            "quantisation": used,
            "code_sha256": code_digest("harness/model.py"),
            "versions": versions(),
            "threads": torch.get_num_threads(),
            "device": self._device.type,
        }

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
            "numerics": saved.numerics if self._rtl is None else RTL,
            **({} if self._rtl is None else {"rtl": self._rtl.settings()}),
            "machine": None if machine is None else machine_to_fields(machine),
            "modules_replaced": len(self._info) or None,
            "left_alone": None if left is None else left.as_dict(),
            "rotation": rotation_of(self._model, self._info, saved.numerics),
            "run": describe_run(seed=0, config_sha256=recipe.sha256 if recipe else None),
        }
