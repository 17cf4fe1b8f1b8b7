"""Every block is clean for a linter and a synthesiser, in formats of every kind."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from plena_cosim.golden import get_format
from plena_cosim.golden.ops import OPS, get_op
from plena_cosim.sim.cases.table import argument_label
from plena_cosim.sim.verilate.rtl_files import RTL_DIR, needed_sources, waivers, without_spaces
from plena_cosim.sim.verilate.sv_literal import sv_literal
from plena_cosim.sim.verilate.toolchain import find_toolchain

from ..op_arguments import usual_arguments

MODULES = sorted(path.stem for path in RTL_DIR.glob("*/*.sv") if not path.stem.endswith("_pkg"))

BF16, FP32, E2M1 = (get_format(name) for name in ("bf16", "fp32", "e2m1"))
MXINT8, MXFP4, MXFP8 = (
    get_format(name, block_size=4) for name in ("mxint8", "mxfp4_e2m1", "mxfp8_e4m3")
)
ROW_OPS = ("softmax", "online_softmax", "rms_norm", "layer_norm")
CONFIGURATIONS: list[tuple[str, dict[str, Any]]] = [
    ("fp_add", {"fmt": BF16}),
    ("fp_add", {"fmt": E2M1}),
    ("fp_mul", {"fmt": get_format("e4m3")}),
    ("fp_mul", {"fmt": get_format("e6m5")}),
    ("fp_cast", {"src": FP32, "dst": get_format("e5m2")}),
    ("fp_cast", {"src": BF16, "dst": get_format("q8.8")}),
    ("fp_to_mx", {"src": BF16, "mx": MXINT8}),
    ("fp_to_mx", {"src": FP32, "mx": get_format("mxfp8_e4m3", block_size=4, scale_rule="even")}),
    ("fp_to_mx", {"src": BF16, "mx": get_format("mxint4", block_size=4, scale_rule="clip")}),
    (
        "fp_to_mx",
        {
            "src": get_format("e3m0"),
            "mx": get_format("mxint4", block_size=4, scale_rule="clip", scale_bits=3),
        },
    ),
    ("mx_to_fp", {"mx": MXFP8, "dst": BF16}),
    ("mx_dot", {"a": MXINT8, "b": MXFP4, "acc": FP32}),
    ("mx_dot", {"a": MXFP8, "b": MXFP8, "acc": get_format("q16.16", wrap=True)}),
    ("mx_pe", {"a": MXINT8, "b": MXFP4, "acc": FP32}),
    ("mx_pe", {"a": MXFP8, "b": MXFP8, "acc": get_format("q8.8")}),
    ("mx_tile", {"a": MXINT8, "b": MXFP4, "acc": BF16, "v": BF16, "rows": 2, "cols": 2}),
    ("mx_mm", {"a": MXINT8, "b": MXFP4, "acc": BF16, "v": BF16, "rows": 1, "cols": 2, "depth": 8}),
    ("mx_mv", {"a": MXFP4, "b": MXFP4, "acc": BF16, "v": E2M1, "cols": 2, "depth": 4}),
    (
        "mx_bmm",
        {"a": MXINT8, "b": MXINT8, "acc": BF16, "v": BF16}
        | {"heads": 2, "rows": 1, "cols": 1, "depth": 4},
    ),
    ("fp_max", {"fmt": E2M1}),
    ("reduce_max", {"src": E2M1, "dst": get_format("e3m2"), "lanes": 3}),
    ("reduce_sum", {"src": BF16, "dst": FP32, "lanes": 5}),
    ("fp_reciprocal", {"fmt": BF16}),
    ("fp_reciprocal", {"fmt": E2M1}),
    ("fp_sqrt", {"fmt": BF16}),
    ("fp_sqrt", {"fmt": get_format("e1m3", bias=-4)}),
    ("fp_rsqrt", {"fmt": BF16}),
    ("fp_rsqrt", {"fmt": get_format("e5m6")}),
    ("fp_exp", {"fmt": BF16}),
    ("fp_exp", {"fmt": get_format("e1m0")}),
    ("fp_exp2", {"fmt": get_format("e5m6", bias=-4)}),
    ("fp_exp2", {"fmt": E2M1}),
    ("fp_sigmoid", {"fmt": BF16}),
    ("fp_sigmoid", {"fmt": get_format("e1m0")}),
    ("fp_sigmoid", {"fmt": get_format("e4m3", bias=40)}),
    ("rope", {"fmt": get_format("e4m3"), "groups": 1, "stride": 2}),
    ("hadamard", {"fmt": get_format("e4m3"), "lanes": 6, "block": 2}),
    *(
        (name, {"fmt": get_format("e4m3"), "red": get_format("e5m6"), "lanes": lanes})
        for name, lanes in (
            ("softmax", 2),
            ("online_softmax", 2),
            ("rms_norm", 3),
            ("layer_norm", 1),
        )
    ),
    (
        "attention_step",
        dict.fromkeys("qkpv", get_format("mxint4", block_size=2))
        | {"acc": get_format("e5m6"), "fmt": get_format("e4m3"), "red": get_format("e5m6")}
        | {"keys": 2, "depth": 2, "cols": 1},
    ),
    ("silu", {"fmt": get_format("e5m2"), "lanes": 1}),
    ("swiglu", {"fmt": get_format("e4m3"), "lanes": 2}),
    ("gelu_sigmoid", {"fmt": get_format("e3m2"), "lanes": 2}),
    ("gelu_tanh", {"fmt": get_format("e4m3"), "lanes": 1}),
]
# Whatever has no line of its own.
CONFIGURATIONS += [
    (name, usual_arguments(op))
    for name, op in OPS.items()
    if name not in {configured for configured, _ in CONFIGURATIONS}
]
# The code of -0 is NaN.
CONFIGURATIONS += [
    (name, {"fmt": get_format("e3m2fnuz")})
    for name in ("fp_add", "fp_mul", "fp_max", "fp_neg", "fp_abs", "fp_reciprocal")
]
CONFIGURATIONS += [
    ("reduce_sum", {"src": E2M1, "dst": get_format("e3m2fnuz"), "lanes": 2}),
    ("mx_to_fp", {"mx": get_format("mxfp8_e4m3fnuz", block_size=2), "dst": BF16}),
]

YOSYS = """
import sys
from pyosys import libyosys as ys
design = ys.Design()
for command in sys.stdin.read().splitlines():
    ys.run_pass(command, design)
"""


def configuration_id(configuration: tuple[str, dict[str, Any]]) -> str:
    name, formats = configuration
    return "-".join([name, *(argument_label(key, given) for key, given in formats.items())])


@pytest.mark.parametrize("module", MODULES)
def test_every_module_alone_passes_lint_with_all_warnings(module: str) -> None:
    tools = find_toolchain()
    files = [*waivers(RTL_DIR), *needed_sources(module, RTL_DIR)]
    done = subprocess.run(
        [*tools.verilator, "--lint-only", "-Wall", "--no-timing", "--top-module", module, *files],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("configuration", CONFIGURATIONS, ids=configuration_id)
def test_block_synthesises_without_warning_or_latch(
    configuration: tuple[str, dict[str, Any]], tmp_path: Path
) -> None:
    name, formats = configuration
    op = get_op(name)
    values = op.sv_parameters(**formats).items()
    parameters = " ".join(f"-G {key}={sv_literal(value)}" for key, value in values)
    files = without_spaces(needed_sources(op.module, RTL_DIR), tmp_path)
    sources = " ".join(map(str, files))
    netlist = tmp_path / "netlist.v"
    script = [
        f"read_slang --top {op.module} {parameters} {sources}",
        "synth -flatten -noabc",
        "check -assert",
        "select -assert-none t:$_DLATCH* t:$dlatch*",
        "select -assert-min 1 t:*DFF*",
        f"write_verilog {netlist}",
    ]
    done = subprocess.run(
        [sys.executable, "-c", YOSYS],
        input="\n".join(script),
        capture_output=True,
        text=True,
        check=False,
    )
    log = done.stdout + done.stderr
    assert done.returncode == 0, log[-2000:]
    warned = [line for line in log.splitlines() if "warning" in line.lower()]
    assert warned == ["Build succeeded: 0 errors, 0 warnings"]
    assert netlist.is_file()
