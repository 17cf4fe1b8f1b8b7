"""The table of docs/quark.md is what Quark's classes mean today."""

from __future__ import annotations

from plena_cosim.docs import quark_table
from plena_cosim.interop.quark.quantization.config import config
from plena_cosim.interop.quark.quantization.config import type as types
from plena_cosim.interop.quark.quantization.config.data_types import DATA_TYPES


def test_the_table_is_fresh() -> None:
    page = quark_table.DOCUMENT.read_text(encoding="utf-8")
    assert page == quark_table.renewed(page), "run `plena formats --write`"


def test_every_class_has_a_row() -> None:
    rows = {row[0].strip("`"): row for row in quark_table.rows()}
    assert list(rows) == list(DATA_TYPES)
    assert all(len(row) == len(quark_table.HEADER) for row in rows.values())


def test_rows_of_each_kind() -> None:
    rows = {row[0].strip("`"): row[1:] for row in quark_table.rows()}
    assert rows["Uint4PerChannelSpec"] == (
        '`AffineInt(bits=4, signed=False, zero_point="int32")`',
        "channel, axis 0",
        "fp32",
        "symmetric False, is_dynamic False",
    )
    assert rows["FP6E2M3PerGroupSpec"] == (
        '`ScaledFp(element="e2m3")`',
        "32 along axis -1",
        "fp32",
        "is_dynamic True",
    )
    assert rows["OCP_MXINT8Spec"] == ("`mxint8`", "32 along axis -1", "e8m0, even", "")
    assert rows["OCP_MXFP4Spec"] == ("`mxfp4_e2m1`", "32 along axis -1", "e8m0, even", "")
    assert rows["BFP16Spec"] == ("`bfp16`", "8 along axis -1", "e8m0", "")
    assert rows["FP8E4M3PerTensorSpec"][1] == "tensor"
    assert rows["Float16Spec"] == ("`fp16`", "", "", "")


def test_the_page_names_what_is_no_row() -> None:
    page = quark_table.DOCUMENT.read_text(encoding="utf-8")
    words = set(page.replace("`", " ").replace(",", " ").split())
    own = {"DataTypeSpec", "OCP_MXSpec", "QATSpec", "TwoStageSpec"}  # bases, which nobody writes
    own |= {"AlgoConfig", "PreQuantOptConfig"}
    assert set(config.__all__) - own <= words
    enums = {name for name, kind in vars(types).items() if isinstance(kind, type)} - {"Enum"}
    assert enums <= words
