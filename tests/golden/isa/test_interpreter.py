"""What each instruction does, by golden's operations called another way, and every trap."""

from __future__ import annotations

import copy
import re

import numpy as np
import pytest

from plena_cosim import golden
from plena_cosim.golden import ops
from plena_cosim.golden.isa import assemble, decode, get_revision
from plena_cosim.golden.isa.interpreter import Interpreter
from plena_cosim.golden.isa.machine import Machine
from plena_cosim.golden.isa.transfer import pack
from plena_cosim.golden.isa.trap import Cause, TrapError

from .conftest import MX, some_rows

BF16, FP32 = golden.get_format("bf16"), golden.get_format("fp32")


def bf16(value: float) -> int:
    return int(golden.encode(value, BF16))


def fp32(value: float) -> int:
    return int(golden.encode(value, FP32))


def test_integers_are_modulo_2_32(finished) -> None:
    state = finished("""
        S_LUI_INT gp1, 0xFFFFF      ; 0xFFFFF000
        S_ADDI_INT gp2, gp1, 0xFFF  ; 0xFFFFFFFF
        S_ADD_INT gp3, gp2, gp2
        S_SUB_INT gp4, gp0, gp1
        S_MUL_INT gp5, gp2, gp2
        S_ADDI_INT gp0, gp0, 5
        S_ADDI_INT gp6, gp0, 7
        S_ST_INT gp2, gp6, 24       ; INT_MEM[31]
        S_LD_INT gp7, gp0, 31
    """)
    assert state.gp[:8] == [0, 0xFFFFF000, 2**32 - 1, 2**32 - 2, 0x1000, 1, 7, 2**32 - 1]


def test_shifts_of_the_wide_revision(finished) -> None:
    state = finished(
        """
        S_ADDI_INT gp1, gp0, 0xF00F
        S_SLLI_INT gp2, gp1, 20
        S_SRLI_INT gp3, gp2, 28
        S_ADDI_INT gp4, gp0, 32
        S_SLL_INT gp5, gp1, gp4
        S_SRL_INT gp6, gp1, gp4
        S_SRLI_INT gp7, gp1, 40
        S_ADDI_INT gp31, gp0, 1
        S_SLL_INT gp30, gp1, gp31
    """,
        revision="plena-wide",
    )
    assert state.gp[2:8] == [0xF00F << 20 & 0xFFFFFFFF, 0, 32, 0, 0, 0]
    assert state.gp[30] == 0x1E01E


def test_loops_count_by_themselves(finished) -> None:
    state = finished("""
        C_LOOP_START gp1, 3
        S_ADD_INT gp2, gp2, gp1         ; 3 + 2 + 1
        S_ADDI_INT gp1, gp0, 77         ; what the register holds does not matter
        C_LOOP_START gp3, 2
        S_ADDI_INT gp4, gp4, 1
        C_LOOP_END gp3
        C_LOOP_START gp0, 5
        S_ADDI_INT gp5, gp5, 1
        C_LOOP_END gp0
        C_LOOP_END gp1
    """)
    assert state.gp[:6] == [0, 0, 6, 0, 6, 15]
    assert not state.loops


def test_scalars_round_to_v_and_live_in_r(finished) -> None:
    state = finished("""
        S_LD_FP f1, gp0, 0
        S_LD_FP f2, gp0, 1
        S_ADD_FP f3, f1, f2
        S_SUB_FP f4, f1, f2
        S_MUL_FP f5, f1, f2
        S_MAX_FP f6, f1, f2
        S_EXP_FP f7, f2
        S_ST_FP f7, gp0, 2
        S_RECI_FP f7, f2
        S_ST_FP f7, gp0, 3
        S_SQRT_FP f7, f2
        S_ST_FP f1, gp0, 4
        S_ADD_FP f0, f1, f2
    """, fps=[fp32(1 + 2**-20), fp32(3.0)])  # fmt: skip
    one, three = bf16(1.0), bf16(3.0)  # f1 is read as RN_V of it
    wanted = [
        ops.add(one, three, BF16),
        ops.sub(one, three, BF16),
        ops.mul(one, three, BF16),
        three,
    ]
    assert state.f[0] == 0
    assert state.f[1] == fp32(1 + 2**-20)
    assert state.f[3:7] == [int(ops.cast(code, BF16, FP32)) for code in wanted]
    made = [ops.exp(three, BF16), ops.reciprocal(three, BF16)]
    assert state.fps[2:4].tolist() == [int(ops.cast(code, BF16, FP32)) for code in made]
    assert state.f[7] == int(ops.cast(ops.sqrt(three, BF16), BF16, FP32))
    assert state.fps[4] == fp32(1 + 2**-20)  # copied, not rounded


@pytest.mark.parametrize(
    ("text", "function"),
    [
        ("V_ADD_VV gp3, gp1, gp2", lambda x, y, f: ops.add(x, y, BF16)),
        ("V_SUB_VV gp3, gp1, gp2", lambda x, y, f: ops.sub(x, y, BF16)),
        ("V_MUL_VV gp3, gp1, gp2", lambda x, y, f: ops.mul(x, y, BF16)),
        ("V_ADD_VF gp3, gp1, f1", lambda x, y, f: ops.add(x, f, BF16)),
        ("V_SUB_VF gp3, gp1, f1, 0, 0", lambda x, y, f: ops.sub(x, f, BF16)),
        ("V_SUB_VF gp3, gp1, f1, 0, 1", lambda x, y, f: ops.sub(f, x, BF16)),
        ("V_MUL_VF gp3, gp1, f1", lambda x, y, f: ops.mul(x, f, BF16)),
        ("V_MAX_VF gp3, gp1, f1", lambda x, y, f: ops.max(x, f, BF16)),
        ("V_MIN_VF gp3, gp1, f1", lambda x, y, f: ops.min(x, f, BF16)),
        ("V_EXP_V gp3, gp1", lambda x, y, f: ops.exp(x, BF16)),
        ("V_RECI_V gp3, gp1", lambda x, y, f: ops.reciprocal(x, BF16)),
    ],
)
@pytest.mark.parametrize("masked", [0, 1, 2])
def test_vectors(finished, text: str, function, masked: int) -> None:
    x, y = some_rows(2)
    if masked:
        mnemonic, rest = text.split(" ", 1)
        parts = rest.split(", ")
        scalars = {"V_EXP_V": 2, "V_RECI_V": 2}.get(mnemonic, 3)
        text = f"{mnemonic} {', '.join([*parts[:scalars], '1', *parts[scalars + 1 :]])}"
    state = finished(
        f"""
        S_ADDI_INT gp1, gp0, 0
        S_ADDI_INT gp2, gp0, 16
        S_ADDI_INT gp3, gp0, 32
        S_ADDI_INT gp4, gp0, {masked}
        C_SET_V_MASK_REG gp4
        S_LD_FP f1, gp0, 0
        {text}
        """,
        (x, y, some_rows(1, 9)[0]),
        fps=[fp32(0.3)],
    )
    lanes = np.repeat([masked in (0, 1), masked in (0, 2)], 8)
    one = np.full(16, int(ops.cast(fp32(0.3), FP32, BF16)))
    assert (state.vector[2] == np.where(lanes, function(x, y, one), x)).all()
    assert (state.vector[:2] == (x, y)).all()


def test_reductions_go_on_in_r(finished) -> None:
    x, y = some_rows(2, 4)
    state = finished(
        """
        S_ADDI_INT gp1, gp0, 16
        S_LD_FP f1, gp0, 0
        V_RED_SUM f1, gp0
        V_RED_SUM f1, gp1
        V_RED_MAX f2, gp0
        S_ADDI_INT gp2, gp0, 2
        C_SET_V_MASK_REG gp2
        V_RED_SUM f3, gp0, 1
        V_RED_SUM f0, gp0
        """,
        (x, y),
        fps=[fp32(0.1)],
    )
    everything, upper = np.ones((1, 16)), np.repeat([0, 1], 8)[None]
    first = ops.reduce_sum(x[None], everything, [fp32(0.1)], BF16, FP32)
    assert state.f[1] == ops.reduce_sum(y[None], everything, first, BF16, FP32)[0]
    assert state.f[2] == ops.reduce_max(x[None], everything, [0], BF16, FP32)[0]
    assert state.f[3] == ops.reduce_sum(x[None], upper, [0], BF16, FP32)[0]
    assert state.f[0] == 0
    # A sum of rows so is golden's of one long row.
    whole = ops.reduce_rows(
        ops.reduce_sum, np.concatenate([x, y])[None], [fp32(0.1)], BF16, FP32, lanes=16
    )
    assert state.f[1] == whole[0]


@pytest.mark.parametrize("by", [0, 1, 5, 15, 16, 40])
def test_lanes_move_up(finished, by: int) -> None:
    x = some_rows(1)[0]
    setup = f"S_ADDI_INT gp1, gp0, {by}\nS_ADDI_INT gp2, gp0, 16\n"
    state = finished(setup + "V_SHFT_V gp2, gp0, gp1, 0", [x])
    assert state.vector[1].tolist() == [0] * min(by, 16) + x.tolist()[: max(0, 16 - by)]
    for size in (1, 2, 4):
        state = finished(setup + f"V_SHFT_V gp2, gp0, gp1, {size}", [x])
        width = 1 << size
        for lane in range(16):
            group = lane // width * width
            assert state.vector[1, group + (lane - group + by) % width] == x[lane]


def test_a_row_of_scalars(finished) -> None:
    values = [fp32(0.1 * i) for i in range(20)]
    state = finished("S_ADDI_INT gp1, gp0, 32\nS_MAP_V_FP gp1, gp0, 3", fps=values)
    assert (state.vector[2] == ops.cast(values[3:19], FP32, BF16)).all()


def products(x, w, x_mx, w_mx, hw):
    """Return golden's x @ w.T of codes of V and of values, and the bytes of w in HBM."""
    a = golden.quantize(golden.decode(x, BF16), x_mx)
    b = golden.quantize(w, w_mx)
    turned = golden.MxArray(codes=b.codes.T, scales=b.scales.T, mx=w_mx, axis=0)
    return ops.matmul(a, turned, hw), b


def in_hbm(b, at: int, scale: int, hbm) -> None:
    data = pack(b.codes.reshape(-1), b.mx.element.width_bits)
    hbm[at : at + data.size] = data
    hbm[at + scale : at + scale + b.scales.size] = b.scales.reshape(-1)


LINEAR = """
    .equ BYTES, 16 * BITS / 8          ; of a row of a tile
    S_ADDI_INT gp1, gp0, 0x1000
    C_SET_ADDR_REG a1, gp0, gp1
    S_ADDI_INT gp2, gp0, 0x2000
    C_SET_SCALE_REG gp2
    S_ADDI_INT gp3, gp0, 2 * BYTES
    C_SET_STRIDE_REG gp3
    H_PREFETCH_M gp0, gp0, a1, 1, 0
    S_ADDI_INT gp4, gp0, BYTES
    S_ADDI_INT gp5, gp0, 256
    H_PREFETCH_M gp5, gp4, a1, 1, 0
    S_ADDI_INT gp7, gp0, 4 * 16         ; columns 16 … of X
    S_ADDI_INT gp8, gp0, 8 * 16         ; results
    C_LOOP_START gp9, 4
    M_TMM TYPE, gp0, gp6
    S_ADD_INT gp10, gp6, gp5
    M_TMM TYPE, gp7, gp10
    M_MM_WO gp8, gp0, 0
    S_ADDI_INT gp8, gp8, 4
    S_ADDI_INT gp6, gp6, 4 * 16
    C_LOOP_END gp9
"""


@pytest.mark.parametrize("weight", ["mxint4", "mxint8"])
@pytest.mark.parametrize(("type_", "name"), [(0, "mxint8"), (3, "mxint16")])
def test_a_linear_layer_is_goldens_matmul(finished, machine, weight, type_, name) -> None:
    machine = Machine(**{**vars(machine), "weight": MX[weight]})
    x = some_rows(8, 1)  # 4 rows of 32: their first halves, then the others
    w = np.random.default_rng(2).normal(0, 0.1, (16, 32))
    whole = np.concatenate([x[:4], x[4:]], axis=1)
    wanted, b = products(whole, w, MX[name], MX[weight], machine.hardware)
    hbm = np.zeros(1 << 16, np.uint8)
    in_hbm(b, 0x1000, 0x2000, hbm)
    bits = MX[weight].element.width_bits
    text = f".equ BITS, {bits}\n.equ TYPE, {type_}\n{LINEAR}"
    state = finished(text, x, hbm=hbm, machine=machine)
    assert (state.vector[8:12] == wanted).all()
    assert state.sums == [None, None]


def test_blocks_down_columns_are_the_other_products(finished, machine) -> None:
    """P · V: values stored in V, quantised along the keys."""
    p, v = some_rows(4, 3), some_rows(16, 4)
    hbm = np.zeros(1 << 16, np.uint8)
    data = pack(v.reshape(-1), 16)
    hbm[: data.size] = data
    state = finished(
        """
        H_PREFETCH_M gp0, gp0, a0, 2 * 1, 8 + 2     ; kv, from V, down
        S_ADDI_INT gp2, gp0, 64
        C_LOOP_START gp1, 4
        M_MM 0, gp3, gp0
        M_MM_WO gp2, gp0, 0
        S_ADDI_INT gp3, gp3, 4 * 16
        S_ADDI_INT gp2, gp2, 4
        C_LOOP_END gp1
        """,
        p,
        hbm=hbm,
    )
    a = golden.quantize(golden.decode(p, BF16), MX["mxint8"])
    b = golden.quantize(golden.decode(v, BF16), MX["mxint8"], axis=0)
    assert (state.vector[4:8] == ops.matmul(a, b, machine.hardware)).all()


@pytest.mark.parametrize("transposed", [True, False])
def test_heads_share_a_slice(finished, machine, transposed: bool) -> None:
    x, w = some_rows(4, 5), np.random.default_rng(6).normal(0, 1, (16, 16))
    hbm = np.zeros(1 << 16, np.uint8)
    b = golden.quantize(w, MX["mxint8"], axis=-1)
    in_hbm(b, 0, 0x2000, hbm)
    down = "0" if transposed else "8"
    op = "M_BTMM 0, gp0, gp1" if transposed else "M_BMM 0, gp1, gp0"
    state = finished(
        f"""
        S_ADDI_INT gp2, gp0, 0x2000
        C_SET_SCALE_REG gp2
        H_PREFETCH_M gp0, gp0, a0, 0, {down} + 1
        S_ADDI_INT gp1, gp0, 4 * 16 + 8              ; offset 4, slice 8
        {op}
        S_ADDI_INT gp3, gp0, 16 * 16 + 8
        M_BMM_WO gp3, 0
        """,
        x,
        hbm=hbm,
    )
    values = b.dequantize()
    part = values[4:8, 8:16].T if transposed else values[8:16, 4:8]
    right = golden.quantize(part, MX["mxint8"], axis=0)
    if not transposed:  # the tile was quantised again, down its columns
        again = golden.quantize(golden.decode(golden.encode(values, BF16), BF16), b.mx, axis=0)
        right = golden.MxArray(
            codes=again.codes[8:16, 4:8], scales=again.scales[1:2, 4:8], mx=b.mx, axis=0
        )
    for head in range(2):
        a = golden.quantize(golden.decode(x[:, 8 * head : 8 * head + 8], BF16), MX["mxint8"])
        wanted = ops.matmul(a, right, machine.hardware)
        found = state.vector[16 + 4 * head : 20 + 4 * head, 8:12]
        assert (found == wanted).all()


def test_write_out_takes_rows_apart(finished) -> None:
    x = some_rows(4, 5)
    state = finished(
        """
        M_TMM 0, gp0, gp0
        S_ADDI_INT gp1, gp0, 3
        M_MM_WO gp0, gp1, 4 * 16 + 8
        """,
        np.concatenate([x, np.full((20, 16), 7)]),
    )
    for row in range(4, 24):
        zeros = (row - 4) % 3 == 0 and row < 16
        assert state.vector[row].tolist() == [7] * 8 + [0 if zeros else 7] * 4 + [7] * 4


@pytest.mark.parametrize("number", [0, 1, 2, 3])
def test_a_store_and_a_prefetch(finished, machine, number: int) -> None:
    x = some_rows(4, 7)
    state = finished(
        f"""
        S_ADDI_INT gp1, gp0, 0x100
        C_SET_ADDR_REG a2, gp0, gp1
        S_ADDI_INT gp2, gp0, 0x1000
        C_SET_SCALE_REG gp2
        S_ADDI_INT gp4, gp0, 64
        C_SET_STRIDE_REG gp4
        H_STORE_V gp0, gp4, a2, 1, {number}
        S_ADDI_INT gp3, gp0, 4 * 16
        H_PREFETCH_V gp3, gp4, a2, 1, {number}
        """,
        x,
    )
    type_ = machine.types(weights=False)[number]
    if number == 2:
        assert (state.vector[4:8] == x).all()
        assert state.hbm[0x140:0x160].tobytes() == x[0].astype("<u2").tobytes()
        return
    kept = golden.quantize(golden.decode(x, BF16), type_)
    assert (state.vector[4:8] == golden.encode(kept.dequantize(), BF16)).all()
    width = type_.element.width_bits
    for row in range(4):
        at = 0x100 + 64 + 64 * row
        assert (state.hbm[at : at + 2 * width] == pack(kept.codes[row], width)).all()
        scales = 0x100 + 0x1000 + (64 + 64 * row) // width
        assert (state.hbm[scales : scales + 2] == kept.scales[row]).all()


def test_without_the_flag_rows_lie_one_behind_the_other(finished) -> None:
    x = some_rows(4, 8)
    state = finished(
        """
        S_ADDI_INT gp1, gp0, 100
        C_SET_STRIDE_REG gp1
        H_STORE_V gp0, gp0, a0, 0, 2
        """,
        x,
    )
    assert state.hbm[:128].tobytes() == x.astype("<u2").tobytes()


def test_blocks_must_divide_heads(started, machine) -> None:
    long = {name: golden.get_format("mxint8", block_size=16) for name in ("activation", "weight")}
    made = started("M_BTMM 0, gp0, gp0", machine=Machine(**{**vars(machine), **long}))
    with pytest.raises(TrapError, match="blocks of 16 do not divide HLEN = 8") as caught:
        made.step()
    assert caught.value.cause is Cause.BLOCKS


def test_requantised_weights(finished, machine) -> None:
    given = {**vars(machine), "m_mm_requantise": True}
    state = finished("H_PREFETCH_M gp0, gp0, a0, 0, 0", machine=Machine(**given))
    assert state.tiles[0].down
    assert not finished("H_PREFETCH_M gp0, gp0, a0, 0, 0").tiles[0].down


SETUP = """
    S_ADDI_INT gp1, gp0, 8
    S_LUI_INT gp2, 0xFFFFF
    S_ADDI_INT gp3, gp0, 64 * 16
    C_LOOP_START gp4, 1
    M_TMM 0, gp0, gp0
    S_ADDI_INT gp5, gp0, 256
    H_PREFETCH_M gp5, gp0, a0, 0, 8
"""
TRAPS = [
    ("V_ADD_VV gp0, gp1, gp0", Cause.MISALIGNED, "vector address 8 is no multiple of VLEN = 16"),
    ("V_EXP_V gp3, gp0", Cause.RANGE, "vector rows 64 to 64; there are 64"),
    ("S_LD_INT gp6, gp0, 32", Cause.RANGE, "INT_MEM 32 to 32; there are 32"),
    ("S_ST_INT gp6, gp2, 1", Cause.RANGE, "INT_MEM 4294963201 to"),
    ("S_ST_FP f1, gp3, 0", Cause.RANGE, "FP_MEM 1024 to 1024; there are 64"),
    ("S_MAP_V_FP gp0, gp0, 49", Cause.RANGE, "FP_MEM 49 to 64; there are 64"),
    ("V_SHFT_V gp0, gp0, gp1, 5", Cause.RANGE, "groups of 32 lanes; a row has 16"),
    ("C_LOOP_START gp6, 0", Cause.LOOP, "a loop of 0 passes"),
    ("C_LOOP_START gp6, 1\n" * 4, Cause.LOOP, "more than 4 loops within each other"),
    ("C_LOOP_END gp6", Cause.LOOP, "the innermost loop counts in gp4"),
    ("C_LOOP_END gp4\nC_LOOP_END gp4", Cause.LOOP, "no loop has begun"),
    ("M_BMM_WO gp0, 0", Cause.EMPTY, "nothing has been accumulated since the last write-out"),
    ("M_MM_WO gp0, gp0, 2", Cause.MISALIGNED, "lane 2 is no multiple of BLEN = 4"),
    ("M_MM_WO gp0, gp0, 61 * 16", Cause.RANGE, "vector rows 61 to 64; there are 64"),
    ("M_TMM 2, gp0, gp0", Cause.TYPE, "type 2 is bf16; need an MX format"),
    ("M_TMM 4, gp0, gp0", Cause.TYPE, "type 4; the machine has types 0 to 3"),
    ("M_TMM 0, gp0, gp1", Cause.MISALIGNED, "8 in tile 0: offsets are multiples of 4 rows of 16"),
    ("M_BTMM 0, gp0, gp6", Cause.MISALIGNED, "4 in tile 0: .* slices of HLEN = 8"),
    ("M_TMM 0, gp0, gp3", Cause.RANGE, "tile 4; there are 4"),
    ("M_MM 0, gp0, gp0", Cause.BLOCKS, "tile 0 has blocks along rows; need the other way"),
    ("M_TMM 0, gp0, gp5", Cause.BLOCKS, "tile 1 has blocks down columns; need the other way"),
    ("H_PREFETCH_M gp1, gp0, a0, 0, 0", Cause.MISALIGNED, "tile address 8 is no multiple of"),
    ("H_PREFETCH_M gp3, gp0, a0, 0, 0", Cause.RANGE, "tile 4; there are 4"),
    ("H_PREFETCH_M gp0, gp0, a0, 0, 2", Cause.TYPE, "type 2 is bf16; need an MX format"),
    ("H_PREFETCH_M gp0, gp0, a0, 4, 0", Cause.TYPE, "type 2 is bf16; need an MX format"),
    ("H_PREFETCH_V gp0, gp2, a0, 0, 2", Cause.RANGE, "rows at bytes 4294963200"),
    ("H_STORE_V gp3, gp0, a0, 0, 2", Cause.RANGE, "vector rows 64 to 67; there are 64"),
    ("H_STORE_V gp0, gp7, a0, 0, 0", Cause.MISALIGNED, "offset 4 is no multiple of 8"),
    ("H_STORE_V gp0, gp0, a0, 0, 7", Cause.TYPE, "type 7; the machine has types 0 to 3"),
    ("V_PS_V gp0, gp0, gp0", Cause.ILLEGAL, "is not executed here"),
    ("", Cause.END, "the program ends without C_BREAK"),
]


def snapshot(state):
    found = copy.deepcopy(state)
    return {key: getattr(found, key) for key in vars(found)}


@pytest.mark.parametrize(("text", "cause", "message"), TRAPS)
def test_a_trap_changes_nothing(started, text: str, cause: Cause, message: str) -> None:
    more = "S_ADDI_INT gp6, gp0, 4\nS_ADDI_INT gp7, gp0, 4\n"
    made = started(f"{SETUP}{more}{text}", some_rows(4))
    caught = None
    while caught is None:
        before = snapshot(made.state)
        try:
            made.step()
        except TrapError as trap:
            caught = trap
    assert caught.cause is cause
    assert re.search(message, str(caught))
    assert caught.pc == made.state.pc == before["pc"]
    for key, value in snapshot(made.state).items():
        np.testing.assert_equal(value, before[key])


def test_words_that_are_none_trap(machine) -> None:
    made = Interpreter(machine, [0x0000003F])
    with pytest.raises(TrapError, match="opcode 0x3f") as caught:
        made.step()
    assert (caught.value.cause, caught.value.pc) == (Cause.ILLEGAL, 0)


def test_a_program_that_does_not_fit(machine) -> None:
    room = machine.memories.program_words
    with pytest.raises(TrapError, match="there is room for"):
        Interpreter(machine, [0x34] * (room + 1))


def test_every_instruction_of_tiers_1_and_2_is_executed(machine) -> None:
    for name in ("plena", "plena-wide"):
        revision = get_revision(name)
        for row in revision.operations.values():
            operands = ", ".join("0" if op.kind != "size" else "1" for op in row.operands)
            word = assemble(f"{row.name} {operands}", revision).words[0]
            assert decode(revision, word).operation is row
            made = Interpreter(machine, [word], revision=revision)
            try:
                made.step()
            except TrapError as trap:
                illegal = trap.cause is Cause.ILLEGAL
                assert illegal == (row.tier == 3), row.name
            else:
                assert row.tier < 3, row.name


def test_steps_say_what_was_written(started) -> None:
    made = started("S_ADDI_INT gp1, gp0, 5\nC_SET_ADDR_REG a1, gp1, gp1\nC_BREAK")
    steps = list(made.run())
    assert [(s.pc, str(s.instruction)) for s in steps] == [
        (0, "S_ADDI_INT gp1, gp0, 5"),
        (1, "C_SET_ADDR_REG a1, gp1, gp1"),
        (2, "C_BREAK"),
    ]
    assert [list(s.writes) for s in steps] == [
        [("gp", 1, 5), ("pc", 0, 1)],
        [("a", 1, 5 * 2**32 + 5), ("pc", 0, 2)],
        [("halted", 0, True)],
    ]
