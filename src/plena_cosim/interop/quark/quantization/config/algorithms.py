"""Quark's algorithms as data: what is done to weights before or while they are rounded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from plena_cosim.golden.formats import FormatError

from .arguments import Arguments
from .quantization_spec import require_one_of

LOSSES = ("MSE", "MAE")
"""The values of `compute_scale_loss`."""


class PreQuantOptConfig(Arguments):
    """What is done to a float model before anything is quantised."""


class AlgoConfig(Arguments):
    """What is done to weights so that they quantise better."""

    name: str


@dataclass(frozen=True)
class SmoothQuantConfig(AlgoConfig):
    """Scales that move difficulty from activations to weights (arXiv 2211.10438).

    Args:
        name: smooth.
        alpha: the share that moves.
        scale_clamp_min: the smallest scale.
        scaling_layers: which layers share scales (prev_op, layers, inp, module2inspect); empty:
            they are found.
        model_decoder_layers: path to the list of decoder layers.
    """

    name: str = "smooth"
    alpha: float = 1
    scale_clamp_min: float = 0.001
    scaling_layers: list[dict[str, Any]] = field(default_factory=list)
    model_decoder_layers: str = ""


@dataclass(frozen=True)
class RotationConfig(AlgoConfig):
    """Hadamard rotations folded into weights: those of hidden states, in Quark 0.13 others too.

    Args:
        model_decoder_layers: path to the list of decoder layers.
        scaling_layers: between which modules it is folded; Quark's example has a list.
        name: rotation.
        random: random signs.
        r1, r2, r3, r4: Quark 0.13: which rotations, by SpinQuant's names (arXiv 2405.16406).
        rotation_size: Quark 0.13: size of blocks.
        random_r1, random_r2: Quark 0.13: random signs of one of them.
        backbone: Quark 0.13: path to the model without its head.
        v_proj, o_proj, self_attn, mlp: Quark 0.13: paths inside a decoder layer.
        online_r1_rotation: Quark 0.13: R1 is not folded.
        online_config: Quark 0.13: which layers then.
        trainable: Quark 0.13: rotations are trained.
        train_smooth: Quark 0.13: scales are trained with them.
        smooth_positions: Quark 0.13: where.
    """

    model_decoder_layers: str
    scaling_layers: dict[str, Any] | list[Any]
    name: str = "rotation"
    random: bool = False
    r1: bool = True
    r2: bool = False
    r3: bool = False
    r4: bool = False
    rotation_size: int | None = None
    random_r1: bool = False
    random_r2: bool = False
    backbone: str = "model"
    v_proj: str = "self_attn.v_proj"
    o_proj: str = "self_attn.o_proj"
    self_attn: str = "self_attn"
    mlp: str = "mlp"
    online_r1_rotation: bool | None = None
    online_config: dict[str, Any] | None = None
    trainable: bool = False
    train_smooth: bool | None = None
    smooth_positions: list[str] | None = None


@dataclass(frozen=True)
class QuaRotConfig(AlgoConfig):
    """Hadamard rotations of hidden states, values, queries and keys (arXiv 2404.00456, 2405.16406).

    Args:
        scaling_layers: between which modules R1 is folded; Quark's example leaves it out.
        name: quarot.
        r1: rotate hidden states, folded.
        r2: rotate the values of each head, folded.
        r3: rotate queries and keys online.
        r4: rotate the input of the MLP's last layer online.
        rotation_size: size of blocks; None: the whole dimension.
        random_r1, random_r2: random signs of one of them.
        optimized_rotation_path: a file R.bin of trained R1 and R2.
        backbone: path to the model without its head.
        model_decoder_layers: path to the list of decoder layers.
        v_proj, o_proj, self_attn, mlp: paths inside a decoder layer.
    """

    scaling_layers: dict[str, Any] | list[Any] | None = None
    name: str = "quarot"
    r1: bool = True
    r2: bool = True
    r3: bool = True
    r4: bool = True
    rotation_size: int | None = None
    random_r1: bool = False
    random_r2: bool = False
    optimized_rotation_path: str | None = None
    backbone: str = "model"
    model_decoder_layers: str = "model.layers"
    v_proj: str = "self_attn.v_proj"
    o_proj: str = "self_attn.o_proj"
    self_attn: str = "self_attn"
    mlp: str = "mlp"


@dataclass(frozen=True)
class AutoSmoothQuantConfig(AlgoConfig):
    """Scales as SmoothQuant's, of which the exponent is searched.

    Args:
        name: autosmoothquant.
        scaling_layers: as in SmoothQuantConfig.
        model_decoder_layers: path to the list of decoder layers.
        compute_scale_loss: MSE or MAE of the outputs.
    """

    name: str = "autosmoothquant"
    scaling_layers: list[dict[str, Any]] | None = None
    model_decoder_layers: str | None = None
    compute_scale_loss: str | None = "MSE"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_one_of("compute_scale_loss", self.compute_scale_loss, LOSSES)


@dataclass(frozen=True)
class AWQConfig(AlgoConfig):
    """Scales by the least error of the outputs of quantised weights (arXiv 2306.00978).

    Args:
        name: awq.
        scaling_layers: as in SmoothQuantConfig.
        model_decoder_layers: path to the list of decoder layers.
    """

    name: str = "awq"
    scaling_layers: list[dict[str, Any]] = field(default_factory=list)
    model_decoder_layers: str = ""


@dataclass(frozen=True)
class GPTQConfig(AlgoConfig):
    """Weights whose errors are fed forward (arXiv 2210.17323).

    Args:
        name: gptq.
        block_size: columns that are worked on at a time.
        damp_percent: share of the mean of the Hessian's diagonal that is added to the diagonal.
        desc_act: columns in descending order of their activations.
        static_groups: scales of groups are found before; needed with desc_act.
        inside_layer_modules: names of the layers inside a decoder layer; empty: all.
        model_decoder_layers: path to the list of decoder layers.
    """

    name: str = "gptq"
    block_size: int = 128
    damp_percent: float = 0.01
    desc_act: bool = True
    static_groups: bool = True
    inside_layer_modules: list[str] = field(default_factory=list)
    model_decoder_layers: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_order(self)


@dataclass(frozen=True)
class QronosConfig(AlgoConfig):
    """Weights that make up for errors of their inputs, too (arXiv 2505.11695).

    Args:
        inside_layer_modules: names of the layers inside a decoder layer.
        model_decoder_layers: path to the list of decoder layers.
        name: qronos.
        block_size: columns that are worked on at a time.
        desc_act: columns in descending order of their activations.
        static_groups: scales of groups are found before; needed with desc_act.
        alpha: damping of inversions; 1e-6 in Quark's text, 0.001 in its signature.
        beta: damping of the Cholesky decomposition.
    """

    inside_layer_modules: list[str]
    model_decoder_layers: str
    name: str = "qronos"
    block_size: int = 128
    desc_act: bool = True
    static_groups: bool = True
    alpha: float = 0.001
    beta: float = 10000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _require_order(self)


ALGORITHMS: dict[str, type[AlgoConfig]] = {
    "smooth": SmoothQuantConfig,
    "autosmoothquant": AutoSmoothQuantConfig,
    "awq": AWQConfig,
    "rotation": RotationConfig,
    "quarot": QuaRotConfig,
    "gptq": GPTQConfig,
    "qronos": QronosConfig,
}
"""Algorithms by the `name` that a file gives them."""

PRE_OPTIMIZATIONS = ("rotation", "quarot", "smooth")
"""Those of them that a file of pre-optimisations may name."""

_DROPPED = ("num_attention_heads", "num_key_value_heads")
"""Keys of old files that Quark takes and does not read."""


def algorithm_from_dict(
    data: Mapping[str, Any], known: tuple[str, ...] = tuple(ALGORITHMS)
) -> AlgoConfig:
    """Return the algorithm that a dictionary of arguments means.

    Args:
        data: arguments by name; `name` says which algorithm they are of.
        known: names that are taken.

    Raises:
        FormatError: no name or an unknown one, or wrong arguments.
    """
    if not isinstance(data, Mapping) or "name" not in data:
        raise FormatError(f"an algorithm needs a name: one of {', '.join(known)}; got {data!r}")
    if data["name"] is None:
        raise FormatError(f"an algorithm needs a name: one of {', '.join(known)}; got None")
    require_one_of("algorithm", data["name"], known)
    kept = {key: value for key, value in data.items() if key not in _DROPPED}
    return ALGORITHMS[data["name"]].from_dict(kept)


def _require_order(given: GPTQConfig | QronosConfig) -> None:
    what = type(given).__name__
    if given.desc_act and not given.static_groups:
        raise FormatError(
            f"{what}: desc_act=True needs static_groups=True, as in Quark; change one of them"
        )
    if given.block_size < 1:
        raise FormatError(f"{what}: block_size must be 1 or more; got {given.block_size}")
