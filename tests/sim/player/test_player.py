"""The vector player: lanes, widths, checks on what goes in, and the protocol checks in C++."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plena_cosim.golden import FormatError, get_format
from plena_cosim.sim import load_block
from plena_cosim.sim.player.player import Block, ProtocolError, Stalls, load_op
from plena_cosim.sim.verilate.model import TRACE

from ..toy import TOY, parameters, write_toy

PATTERNS = [
    Stalls(),
    Stalls(gaps=True, seed=1),
    Stalls(stalls=True, seed=2),
    Stalls(gaps=True, stalls=True, seed=3),
]


def toy(folder: Path, width_bits: int = 8, lanes: int = 2, **replacements: str) -> Block:
    element = get_format(f"mxint{width_bits}", block_size=lanes, scale_bits=min(width_bits, 8))
    return load_op(
        TOY,
        {"element": element},
        parameters(width_bits, lanes),
        rtl_dir=write_toy(folder, **replacements),
    )


def beats(block: Block, count: int, seed: int = 0) -> dict[str, Any]:
    rng = np.random.default_rng(seed)
    return {
        port.name: rng.integers(0, 1 << port.width_bits, port.shape(count)).astype(port.dtype)
        for port in block.inputs
    }


@pytest.mark.parametrize("stalls", PATTERNS, ids=["unstalled", "gaps", "stalls", "both"])
def test_every_beat_comes_out_in_order(tmp_path: Path, stalls: Stalls) -> None:
    block = toy(tmp_path)
    given = beats(block, 5000)
    played = block.play(given, stalls=stalls)
    want = TOY.run_golden(given, **block.formats)["y"]
    assert np.array_equal(played.outputs["y"], want)
    assert played.cycles >= 5001
    if stalls == Stalls():
        assert played.cycles == 5000 + block.latency
        assert played.latency == block.latency == 1


# 3 x 5: 15 bits in a 16-bit word; 7 x 11: odd lanes across 32-bit words; 33 x 2, 5 x 13 and 9 x 16:
# more than 64 bits, with lanes that straddle words and without.
@pytest.mark.parametrize("shape", [(5, 3), (11, 7), (2, 33), (13, 5), (16, 9), (8, 8), (16, 4)])
def test_lanes_of_any_width_are_packed_and_unpacked(tmp_path: Path, shape: tuple[int, int]) -> None:
    width_bits, lanes = shape
    text = {
        "input  logic [W-1:0] b_i": f"input  logic [{min(width_bits, 8) - 1}:0] b_i",
        "a_i[lane] * b_i": "a_i[lane] * W'(b_i)",
    }
    block = toy(tmp_path, width_bits, lanes, **text)
    given = beats(block, 300)
    want = TOY.run_golden(given, **block.formats)["y"]
    assert np.array_equal(block.run(**given), want)


def test_no_beats_give_no_results(tmp_path: Path) -> None:
    result = toy(tmp_path).run(a=np.zeros((0, 2), np.uint8), b=[])
    assert result.shape == (0, 2)


def test_a_fast_batch_runs_a_million_beats_a_second(tmp_path: Path) -> None:
    block = toy(tmp_path)
    played = block.play(beats(block, 1_000_000))
    assert played.cycles / played.seconds > 1e6


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ({"a": [[1, 2]]}, "takes the inputs a, b; got a"),
        ({"a": [[1, 2]], "b": [1], "c": [1]}, "takes the inputs a, b; got a, b, c"),
        ({"a": [[1, 256]], "b": [1]}, r"a\[0, 1\] is 0x100.*does not fit.*8 bits"),
        ({"a": [[1, -1]], "b": [1]}, r"a\[0, 1\] is -0x1.*does not fit"),
        ({"a": [[1.5, 2]], "b": [1]}, "a must be integer codes, got float64"),
        ({"a": [1, 2], "b": [1]}, r"a must have shape \(n, 2\), got \(2,\)"),
        ({"a": [[1, 2]], "b": [[1]]}, r"b must have shape \(n,\), got \(1, 1\)"),
        ({"a": [[1, 2]], "b": [1, 2]}, "as many beats on every input; got a 1, b 2"),
    ],
)
def test_wrong_inputs_are_named(tmp_path: Path, inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(FormatError, match=words):
        toy(tmp_path).run(**inputs)


def test_code_wider_than_an_odd_format_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"a\[1, 0\] is 0x80.*does not fit.*7 bits"):
        toy(tmp_path, 7).run(a=np.array([[1, 2], [128, 0]], np.uint8), b=[1, 1])


def test_unknown_block_mode_and_format_are_named() -> None:
    bf16 = get_format("bf16")
    with pytest.raises(FormatError, match=r"unknown op 'fp_mull'.*Did you mean 'fp_mul'\?"):
        load_block("fp_mull", fmt=bf16)
    with pytest.raises(FormatError, match="fp_to_mx has no overflow"):
        load_block("fp_to_mx", src=bf16, mx=get_format("mxint8"), overflow="ieee")
    with pytest.raises(FormatError, match="fp_mul has no inverse; it takes fmt"):
        load_block("fp_mul", fmt=bf16, inverse=True)
    with pytest.raises(FormatError, match="fp_mul takes the formats fmt; got src"):
        load_block("fp_mul", src=bf16)
    with pytest.raises(FormatError, match="stochastic"):
        load_block("fp_mul", fmt=bf16, rounding="stochastic")


BUFFERED = "in_ready_o = !valid_q || out_ready_i"
PROTOCOL_FAULTS = {
    "payload changes": ({"y_o = y_q": "y_o = y_q ^ {Lanes{a_i[0]}}"}, "payload"),
    "beat lost": ({BUFFERED: "in_ready_o = 1'b1 || out_ready_i"}, "payload|no progress"),
    "valid waits for ready": ({"valid_o = valid_q": "valid_o = valid_q && out_ready_i"}, "depend"),
    "result repeated": ({"valid_q <= in_valid_i;": "valid_q <= 1'b1;"}, "result too many"),
    "never ready": ({BUFFERED: "in_ready_o = 1'b0 && out_ready_i"}, "no progress"),
    "valid in reset": ({"valid_q <= 1'b0;": "valid_q <= 1'b1;"}, "during reset"),
    "half speed": (
        {
            BUFFERED: "in_ready_o = !valid_q",
            "if (in_ready_o)": "if (in_ready_o || out_ready_i)",
            "valid_q <= in_valid_i;": "valid_q <= in_valid_i && in_ready_o;",
        },
        "takes longer than",
    ),
    "wrong latency": ({"Latency = 1": "Latency = 2"}, "localparam Latency says 2"),
}


@pytest.mark.parametrize("fault", PROTOCOL_FAULTS)
def test_broken_handshake_is_found(tmp_path: Path, fault: str) -> None:
    changes, words = PROTOCOL_FAULTS[fault]
    block = toy(tmp_path, **changes)
    given = beats(block, 2000)

    def play_all() -> None:
        for stalls in PATTERNS:
            block.run(stalls=stalls, **given)

    with pytest.raises(ProtocolError, match=words):
        play_all()


def test_real_block_takes_golden_s_arguments_and_gives_codes() -> None:
    bf16 = get_format("bf16")
    one, three, largest = 0x3F80, 0x4040, bf16.max_code
    given = {"a": [one, three, largest], "b": [three, 0x3F81, largest]}
    # 3 * (1 + 2^-7) = 3.0234375 lies exactly between 3.015625 (odd) and 3.03125 (even).
    for modes, want in (
        ({}, [three, 0x4042, largest]),
        ({"rounding": "rtz"}, [three, 0x4041, largest]),
        ({"overflow": "ieee"}, [three, 0x4042, bf16.inf_code]),
        ({"rounding": "rtz", "overflow": "ieee"}, [three, 0x4041, largest]),
    ):
        result = load_block("fp_mul", fmt=bf16, **modes).run(**given)
        assert isinstance(result, np.ndarray)
        assert result.dtype == np.uint16
        assert result.tolist() == want, modes


def test_trace_writes_a_waveform(tmp_path: Path) -> None:
    element = get_format("mxint8", block_size=2)
    block = load_op(
        TOY, {"element": element}, parameters(8, 2), rtl_dir=write_toy(tmp_path), flavour=TRACE
    )
    path = tmp_path / "toy.vcd"
    played = block.play({"a": [[3, 5]], "b": [7]}, record=path)
    assert played.outputs["y"].tolist() == [[21, 35]]
    text = path.read_text()
    assert "$enddefinitions" in text
    assert "out_valid_o" in text
