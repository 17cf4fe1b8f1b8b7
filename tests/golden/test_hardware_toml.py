"""Machines of plena_settings.toml."""

from __future__ import annotations

from pathlib import Path

import pytest

from plena_cosim.golden import FormatError, HardwareConfig, get_format

HERE = Path(__file__).parent / "machines"


def test_settings_toml() -> None:
    hw = HardwareConfig.load(HERE / "plena_settings.toml")
    assert hw == HardwareConfig(mlen=32, blen=8, hlen=16, vlen=32, v_writeback=4)
    assert hw.reduction_format == get_format("fp32")
    left = "\n".join(hw.unmapped)
    for key in ("BROADCAST_AMOUNT = 2", "HBM_SIZE = 1048576", "DC_EN = 0", "[ANALYTIC]", "LATENCY"):
        assert key in left
    assert "HBM_M_WEIGHT_TYPE = Mx int4, blocks of 8: the format of weights" in left


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[TRANSACTIONAL.CONFIG]\nMLEN = { value = -1 }", "MLEN must be a positive integer"),
        ("[TRANSACTIONAL]\nCONFIG = 3", "[TRANSACTIONAL.CONFIG] must be a table"),
        ("[ANALYTIC.CONFIG]\nHBM_SIZE = {value = 3}", "no size or format of a machine in it"),
    ],
)
def test_a_wrong_settings_toml(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "x.toml").write_text(text)
    with pytest.raises(FormatError) as caught:
        HardwareConfig.load(tmp_path / "x.toml")
    assert message in str(caught.value)
