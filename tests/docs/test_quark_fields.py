"""The table of fields: every class and field of Quark's document has a row, and each row a test."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from plena_cosim.docs import quark_fields
from plena_cosim.docs.quark_fields import CLASSES, NOT_READ, REFUSED
from plena_cosim.interop.quark.quantization.config import config

BASES = {
    "AlgoConfig",
    "DataTypeSpec",
    "OCP_MXSpec",
    "PreQuantOptConfig",
    "QATSpec",
    "TwoStageSpec",
}
"""Classes that nobody writes."""
RENAMED = {"QConfig", "QLayerConfig", "QTensorConfig"}
FUNCTIONS = {"load_pre_optimization_config_from_file", "load_quant_algo_config_from_file"}

ROWS = {(row[0].strip("`"), row[1].strip("`")): row for row in quark_fields.rows()}

ROTATIONS = {"RotationConfig", "QuaRotConfig"}
ALGORITHMS = {"SmoothQuantConfig", "AutoSmoothQuantConfig", "AWQConfig", *ROTATIONS}
SAME = {
    "log_severity_level": {"Config"},
    "version": {"Config"},
    "scale_calculation_mode": {"BFP16Spec", "MX6Spec", "MX9Spec", "OCP_MXFP4DiffsSpec"},
    "is_dynamic": {"BFP16Spec", "MX6Spec", "MX9Spec", "OCP_MXINT8Spec"},
    "threshold_init_meth": {"TQTSpec"},
    "name": {*ALGORITHMS, "GPTQConfig", "QronosConfig"},
    "model_decoder_layers": {*ALGORITHMS, "GPTQConfig", "QronosConfig"},
    "backbone": ROTATIONS,
    "v_proj": ROTATIONS,
    "o_proj": ROTATIONS,
    "self_attn": ROTATIONS,
    "mlp": ROTATIONS,
    "online_config": {"RotationConfig"},
    "smooth_positions": {"RotationConfig"},
}
"""Fields that change nothing here, and the classes in which they do not."""


def test_the_table_is_fresh() -> None:
    page = quark_fields.DOCUMENT.read_text(encoding="utf-8")
    assert page == quark_fields.renewed(page), "run `plena formats --write`"


def test_every_class_of_the_document_is_there() -> None:
    assert {kind.__name__ for kind in CLASSES} == set(config.__all__) - BASES - RENAMED - FUNCTIONS
    wanted = [
        (kind.__name__, name)
        for kind in CLASSES
        for name in [field.name for field in fields(kind)] or ["–"]
    ]
    assert list(ROWS) == wanted
    page = quark_fields.DOCUMENT.read_text(encoding="utf-8")
    assert all(f"`{name}`" in page or f"`{name}(" in page for name in RENAMED | FUNCTIONS)


@pytest.mark.parametrize(("kind", "name"), [pytest.param(*key, id=".".join(key)) for key in ROWS])
def test_a_field_means_what_its_row_says(kind: str, name: str) -> None:
    """Another value changes the recipe or a note, or is refused; or it is known to be not read."""
    row = ROWS[kind, name]
    assert len(row) == len(quark_fields.HEADER)
    if name == "–":
        return
    assert all(row)
    assert (row[-1] == NOT_READ) is (kind in SAME.get(name, ())), row
    if not row[-1].startswith((REFUSED, NOT_READ)):
        assert re.match(r"(no )?`|note: ", row[-1])


@pytest.mark.parametrize(
    ("kind", "name", "effect"),
    [
        ("Config", "kv_cache_group", '`*k_proj.1.data_out.shared_by = "kv_cache"`'),
        ("Config", "min_kv_scale", "`*k_proj.1.data_out.min_scale = 0.5`"),
        ("Config", "exclude", "`[lm_head]`"),
        ("QuantizationConfig", "target_device", "note: target_device = cpu is not read"),
        ("Int8PerTensorSpec", "observer_method", '`range = "mse"`'),
        ("Int8PerTensorSpec", "round_method", '`rounding = "rdown"`'),
        ("Int8PerTensorSpec", "scale_type", '`scale = "fp16"`'),
        ("FP8E4M3PerTensorSpec", "scale_type", "refused: a scale of type fp16"),
        ("MX6Spec", "block_size", "`group_size = 16`"),
        ("SmoothQuantConfig", "alpha", "`scaling.alpha = 0.5`"),
        ("QuaRotConfig", "rotation_size", "`rotation.size = 64`"),
        ("GPTQConfig", "damp_percent", "`gptq.damp_percent = 0.1`"),
        ("GPTQConfig", "block_size", "`gptq.block_size = 64`"),
        ("QronosConfig", "beta", "`gptq.beta = 1000000.0`"),
    ],
)
def test_some_rows(kind: str, name: str, effect: str) -> None:
    assert ROWS[kind, name][-1] == effect
