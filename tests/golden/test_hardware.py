"""HardwareConfig: defaults, TOML files, and what a wrong file says."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden import FixedPoint, FormatError, HardwareConfig, get_format

ROOT = Path(__file__).parents[2]


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hw.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults() -> None:
    hw = HardwareConfig()
    assert hw.vector_format is get_format("bf16")
    assert hw.accumulator_format is hw.reduction_format is get_format("fp32")


def test_an_empty_file_is_the_default(tmp_path: Path) -> None:
    assert HardwareConfig.load(written(tmp_path, "")) == HardwareConfig()


def test_every_key(tmp_path: Path) -> None:
    text = """
    [dimensions]
    mlen = 8
    blen = 2
    vlen = 32
    hlen = 4
    [formats]
    vector = "e6m5"
    accumulator = { name = "q16.16", wrap = true }
    reduction = "fp16"
    """
    assert HardwareConfig.load(str(written(tmp_path, text))) == HardwareConfig(
        mlen=8,
        blen=2,
        vlen=32,
        hlen=4,
        vector_format=get_format("e6m5"),
        accumulator_format=FixedPoint(int_bits=16, frac_bits=16, wrap=True),
        reduction_format=get_format("fp16"),
    )


@pytest.mark.parametrize("path", sorted((ROOT / "configs" / "hw").glob("*.toml")))
def test_the_configs_of_this_repository_load(path: Path) -> None:
    HardwareConfig.load(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[dimensions\nmlen = 8", "is not valid TOML: Expected ']' at the end of a table"),
        ("mlen = 8 8", "is not valid TOML: "),
        (
            "[dimension]",
            "unknown key 'dimension'; known: dimensions, formats, transfer, types, memory",
        ),
        ("[dimensions]\nmleN = 8", "unknown key 'mleN' in [dimensions]; known: mlen, blen, vlen, "),
        ("[formats]\nvec = 'bf16'", "unknown key 'vec' in [formats]; known: vector, accumulator"),
        ("dimensions = 3", "[dimensions] must be a table"),
        ("[dimensions]\nmlen = 0", "HardwareConfig: mlen must be a positive integer, got 0"),
        ("[dimensions]\nvlen = true", "HardwareConfig: vlen must be a positive integer, got True"),
        ("[dimensions]\nblen = 4.0", "HardwareConfig: blen must be a positive integer, got 4.0"),
        ("[formats]\nvector = 'bf61'", "unknown format 'bf61'; known: "),
        ("[formats]\nvector = 'q8.8'", "HardwareConfig: vector_format must be a Minifloat such as"),
        ("[formats]\nreduction = 'mxint8'", "reduction_format must be a Minifloat such as bf16"),
        ("[formats]\naccumulator = 'mxint8'", "accumulator_format must be a Minifloat or FixedPo"),
        ("[formats]\naccumulator = {name='q8.8', warp=true}", "q8.8 has no field 'warp'; known: i"),
        ("[formats]\naccumulator = {name='q8.8', wrap='no'}", "q8.8: wrap must be true or false"),
        ("[formats]\nvector = 5", "unknown format 5; known: "),
    ],
)
def test_a_wrong_file_is_named(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(FormatError) as caught:
        HardwareConfig.load(path)
    assert str(caught.value).startswith(f"hardware config {path}")
    assert message in str(caught.value)


def test_unreadable_files_are_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.toml"
    with pytest.raises(FormatError) as caught:
        HardwareConfig.load(missing)
    assert str(caught.value) == f"hardware config {missing} does not exist"
    with pytest.raises(
        FormatError, match=r"is a folder without configuration.svh or precision.svh"
    ):
        HardwareConfig.load(tmp_path)
    (tmp_path / "x.toml").write_bytes(b"a = '\xff\xfe'")
    with pytest.raises(FormatError, match="is not valid TOML"):
        HardwareConfig.load(tmp_path / "x.toml")
