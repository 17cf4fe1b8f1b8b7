"""Block formats as data: names, fields, and one clear error for what cannot be."""

from __future__ import annotations

from typing import Any

import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.golden.blocks import (
    BLOCK_FORMATS,
    Bfp,
    LeastSquaresMx,
    MicroMx,
    ScaleForm,
    TwoLevel,
    get_block_format,
)
from plena_cosim.golden.blocks.formats import as_block_format, as_micro_mx


def test_named_formats() -> None:
    found = {
        name: (fmt.block_size, fmt.bits_per_value, fmt.name) for name, fmt in BLOCK_FORMATS.items()
    }
    assert found == {
        "mx4": (32, 3.75, "mx4"),
        "mx6": (32, 5.75, "mx6"),
        "mx9": (32, 8.75, "mx9"),
        "bfp16": (8, 9.0, "bfp16"),
        "mxfp4_diffs": (32, 4.25, "mxfp4_diffs"),
        "nvfp4": (16, 4.5, "nvfp4"),
        "nvfp4_two_stage": (16, 4.5, "nvfp4_two_stage"),
    }


def test_fields_may_be_given() -> None:
    assert get_block_format("MX9", block_size=16) == MicroMx(element_bits=8, block_size=16)
    assert get_block_format("nvfp4", form="two_stage") == get_block_format("nvfp4_two_stage")
    assert as_block_format("bfp16") == as_block_format(Bfp()) == Bfp()


@pytest.mark.parametrize("name", BLOCK_FORMATS)
def test_scalar_and_mx_formats_keep_their_names(name: str) -> None:
    with pytest.raises(FormatError, match="unknown format"):
        get_format(name)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("mx8", {}, r"unknown block format 'mx8'; known: mx4, mx6, .* Did you mean 'mx"),
        ("mxint8", {}, r"those of get_format, such as mxint8, go to golden.quantize"),
        ("mx9", {"blocksize": 8}, r"mx9 has no field 'blocksize'; .* Did you mean 'block_size'"),
        ("mx9", {"block_size": 5}, r"mx9: block_size must be even, got 5"),
        ("mx9", {"block_size": 0}, r"mx9: block_size must be an integer in 2\.\.4096, got 0"),
        ("mx9", {"element_bits": 17}, r"mx9: element_bits must be an integer in 2\.\.16, got 17"),
        ("bfp16", {"block_size": True}, r"bfp16: block_size must be an integer in 1\.\.4096"),
        ("bfp16", {"element_bits": 1}, r"bfp16: element_bits must be an integer in 2\.\.16"),
        ("mxfp4_diffs", {"block_size": 2048}, r"mxfp4_diffs: block_size .* in 1\.\.1024, got 2048"),
        ("nvfp4", {"form": "both"}, r"unknown scale form 'both'; known: group, two_stage"),
        ("nvfp4", {"block_size": "16"}, r"nvfp4: block_size must be an integer in 1\.\.4096"),
    ],
)
def test_what_cannot_be_is_one_error(name: str, fields: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        get_block_format(name, **fields)


def test_another_kind_of_format_is_an_error() -> None:
    with pytest.raises(FormatError, match=r"need a block format such as get_block_format\('mx9'\)"):
        as_block_format(get_format("mxint8"))  # type: ignore[arg-type]


def test_formats_without_a_name_have_one() -> None:
    names = [fmt.name for fmt in (MicroMx(element_bits=4), Bfp(), LeastSquaresMx(), TwoLevel())]
    assert names == ["micro4", "bfp8", "mxfp4_diffs", "nvfp4"]
    assert TwoLevel().form is ScaleForm.GROUP


def test_the_number_of_a_format_with_micro_exponents() -> None:
    plain = get_format("mxint5", block_size=16).sv_parameters()["Mx"]
    given = MicroMx(element_bits=5, block_size=16).sv_parameters("B")
    assert given == {"BMx": plain | 1 << 50 | 1 << 54}


def test_what_has_no_micro_exponents_is_named() -> None:
    assert as_micro_mx("MX9") == as_micro_mx(MicroMx(element_bits=8)) == MicroMx(element_bits=8)
    for wrong in ("bf16", get_format("mxint8"), "nvfp4", 3):
        with pytest.raises(FormatError, match=r"^need a format with micro-exponents such as get_"):
            as_micro_mx(wrong)  # type: ignore[arg-type]
    with pytest.raises(FormatError, match=r"^unknown block format 'mx5'; known: mx4, mx6, mx9"):
        as_micro_mx("mx5")
