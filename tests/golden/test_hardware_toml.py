"""Machines of plena_settings.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden import FormatError, HardwareConfig, get_format
from plena_cosim.golden.isa.machine import Machine, Memories
from plena_cosim.golden.timing import Latency

PLAIN = 'format = "Plain"\nDATA_TYPE = { type = "Fp", sign = true,'
HERE = Path(__file__).parent / "machines"


def test_settings_toml() -> None:
    hw = HardwareConfig.load(HERE / "plena_settings.toml")
    assert hw == HardwareConfig(mlen=32, blen=8, hlen=16, vlen=32, v_writeback=4)
    assert hw.reduction_format == get_format("fp32")
    section = "TRANSACTIONAL"
    assert [line.split(" = ")[0] for line in hw.unmapped] == [
        "[MODE]",
        "[ANALYTIC]",
        f"{section}.CONFIG.HBM_M_Prefetch_Amount",
        f"{section}.CONFIG.MAX_LOOP_INSTRUCTIONS",
        f"{section}.PRECISION.MATRIX_SRAM_TYPE",
        f"{section}.PRECISION.HBM_V_INT_TYPE",
        f"{section}.LATENCY.VECTOR_SHIFT_CYCLES",
    ]
    assert "= 16: a tile is fetched whole here, MLEN rows" in hw.unmapped[2]
    assert "= int32: integers are never in HBM here" in hw.unmapped[5]


def test_what_programs_need_of_it() -> None:
    machine = Machine.load(HERE / "plena_settings.toml")
    assert machine.weight == get_format("mxint4", block_size=8)
    assert machine.activation == get_format("mxfp8_e4m3", block_size=8)
    assert (machine.kv, machine.own) == (get_format("fp16"), ())
    assert machine.memories == Memories(
        vector_rows=600, matrix_tiles=4, fp_words=512, hbm_bytes=1 << 20
    )
    assert (machine.prefetch_rows, machine.store_rows) == (2, 4)
    timing = machine.timing
    assert (timing.clock_ghz, timing.hbm_gb_s, timing.vendor_units) == (2.0, 128.0, False)
    assert timing.bytes_per_cycle == 64
    assert timing.latency == Latency(systolic_processing_overhead=(0, 3), vector_add=(2, 7))


@pytest.mark.parametrize(
    ("old", "new", "left"),
    [
        ("BROADCAST_AMOUNT = { value = 2 }", "BROADCAST_AMOUNT = { value = 4 }", "MLEN / HLEN"),
        ("MATRIX_SRAM_SIZE = { value = 128 }", "MATRIX_SRAM_SIZE = { value = 16 }", "no size of"),
        ("DC_EN = { value = 0 }", "DC_EN = { value = 7 }", "DC_EN = 7: no size of"),
        ("HBM_SIZE = { value = 1048576 }", "HBM_SIZE = { value = 0 }", "HBM_SIZE = 0: no size"),
        ("exponent = 8, mantissa = 0", "exponent = 4, mantissa = 0", "powers of two of 8 bits"),
        (
            f"HBM_V_KV_TYPE]\n{PLAIN} exponent = 5",
            f"HBM_V_KV_TYPE]\n{PLAIN} exponent = 4",
            "HBM_V_KV_TYPE = e4m10: keys and values have one type here",
        ),
    ],
)
def test_what_has_no_counterpart_is_left(tmp_path: Path, old: str, new: str, left: str) -> None:
    text = (HERE / "plena_settings.toml").read_text()
    assert old in text
    (tmp_path / "x.toml").write_text(text.replace(old, new))
    assert left in "\n".join(HardwareConfig.load(tmp_path / "x.toml").unmapped)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[TRANSACTIONAL.CONFIG]\nMLEN = { value = -1 }", "MLEN must be a positive integer"),
        ("[TRANSACTIONAL]\nCONFIG = 3", "[TRANSACTIONAL.CONFIG] must be a table"),
        (
            "[TRANSACTIONAL.LATENCY]\nVECTOR_ADD_CYCLES = 3",
            "VECTOR_ADD_CYCLES needs dc_lib_en and dc_lib_dis, cycles; got 3",
        ),
        (
            '[ANALYTIC.PRECISION.HBM_M_WEIGHT_TYPE]\nformat = "Mx"\nblock = 0\n'
            'ELEM = {type = "Int", width = 4}\nSCALE = {type = "Fp", exponent = 8, mantissa = 0}',
            "ANALYTIC.PRECISION.HBM_M_WEIGHT_TYPE: ",
        ),
        (
            '[ANALYTIC.PRECISION.HBM_V_ACT_TYPE]\nformat = "Mx"\nblock = 8\n'
            'ELEM = {type = "Fp"}\nSCALE = {type = "Fp", exponent = 8, mantissa = 0}',
            "HBM_V_ACT_TYPE: widths must be integers, got None, None",
        ),
        ("[ANALYTIC.CONFIG]\nHBM_SIZE = {value = 3}", "no size or format of a machine in it"),
    ],
)
def test_a_wrong_settings_toml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(FormatError) as caught:
        HardwareConfig.load(tmp_path / "x.toml")
    assert message in str(caught.value)
