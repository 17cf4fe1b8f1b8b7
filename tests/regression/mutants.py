"""Deliberate faults in the RTL: one text each, which the regression must find."""

from __future__ import annotations

from dataclasses import dataclass

from plena_cosim.golden.ops.registry import OPS
from plena_cosim.sim.cases.table import select_cases
from plena_cosim.sim.formal.proofs import (
    LOST_BEAT,
    LOST_CARRY,
    PAYLOAD_NOT_HELD,
    ROUND,
    SIGNED_ZERO,
    SWAPPED_STALL,
    WRONG_TIE,
    ignored_stall,
)
from plena_cosim.sim.verilate.fault import Fault


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """A fault in the RTL, and the case of the regression that must go red."""

    case: str
    fault: Fault
    stalled: bool = False
    """Only gaps and stalls can show it."""

    @property
    def name(self) -> str:
        """The block and what is wrong."""
        return f"{self.case.split('-')[0]}: {self.fault.name}"


def _fault(case: str, file: str, name: str, old: str, new: str, *, stalled: bool = False) -> Mutant:
    return Mutant(case=case, fault=Fault(file, old, new, name), stalled=stalled)


ADD, MUL, CAST = "fp_add-e4m3-all", "fp_mul-e4m3-all", "fp_cast-bf16-e4m3-all"
TO_INT, TO_FP = "fp_to_mx-bf16-mxint8.b8-blocks", "fp_to_mx-bf16-mxfp8_e5m2.b16-blocks"
FROM_INT = "mx_to_fp-mxint8.b8-bf16-blocks"
DOT = "mx_dot-mxint8.b8-mxint4.b8-fp32-blocks"
PE = "mx_pe-mxint8.b8-mxint4.b8-fp32-blocks"
TILE = "mx_tile-mxint8.b4-mxint4.b4-fp32-bf16-rows2-cols3-slices"
MM = "mx_mm-mxint8.b4-mxint4.b4-fp32-bf16-rows2-cols3-depth8-slices"
MV = "mx_mv-mxint8.b4-mxint4.b4-fp32-bf16-cols8-depth8-slices"
BMM = "mx_bmm-mxint8.b4-mxint4.b4-fp32-bf16-heads2-rows2-cols3-depth8-slices"
ROPE = "rope-bf16-groups1-stride4-vectors"
HADAMARD = "hadamard-bf16-lanes8-vectors"
SILU = "silu-e4m3-lanes2-vectors"
SOFTMAX = "softmax-e6m5-fp32-lanes3-vectors"
ONLINE = "online_softmax-e6m5-fp32-lanes3-vectors"
ATTENTION = "attention_step-" + "mxfp4_e2m1.b2-" * 4 + "fp16-e4m3-e5m6-keys4-depth2-cols2-blocks"
RMS_NORM = "rms_norm-e6m5-fp32-lanes3-vectors"
LAYER_NORM = "layer_norm-e6m5-fp32-lanes3-vectors"
SCALE = "mx/plena_mx_scale.sv"
RECIPROCAL, SQRT, RSQRT = "fp_reciprocal-e4m3-all", "fp_sqrt-e4m3-all", "fp_rsqrt-e4m3-all"
EXP, SIGMOID = "fp_exp-bf16-all", "fp_sigmoid-e4m3-all"
PARTIAL, ACCUMULATE = "mx/plena_mx_partial_core.sv", "mx/plena_mx_accumulate_core.sv"
COUNTER, MAC = "matrix/plena_block_counter.sv", "matrix/plena_mx_mac.sv"
SYSTOLIC, MATMUL = "matrix/plena_mx_tile.sv", "matrix/plena_mx_matmul.sv"
SHIFT = "common/plena_shift_sticky.sv"

DROPPED_STICKY = Fault(
    SHIFT,
    "gen_step[step-1].sticky | (taken & (|prev[Amount-1:0]))",
    "(1'b0 & gen_step[step-1].sticky) | (taken & (|prev[Amount-1:0]))",
    "sticky bit of an earlier shift step dropped",
)

LISTED = (
    Mutant(case=ADD, fault=WRONG_TIE),
    Mutant(case=ADD, fault=LOST_CARRY),
    _fault(
        ADD,
        "fp/plena_fp_add_core.sv",
        "sticky bit dropped",
        "{1'b0, aligned, below}",
        "{1'b0, aligned, 1'b0 & below}",
    ),
    _fault(
        ADD,
        "fp/plena_fp_add_core.sv",
        "two's complement without the one",
        ".carry_i(subtract)",
        ".carry_i(1'b0 & subtract)",
    ),
    _fault(
        ADD,
        "fp/plena_fp_add_core.sv",
        "exact zero with the wrong sign",
        "Rounding == RoundDown : swap",
        "Rounding != RoundDown : swap",
    ),
    _fault(
        "fp_add-e5m2-all",
        "fp/plena_fp_add_core.sv",
        "Inf - Inf is not NaN",
        "(a_inf && b_inf && subtract)",
        "(a_inf && b_inf && subtract && 1'b0)",
    ),
    _fault(
        "fp_add-e5m2-all",
        "fp/plena_fp_add_core.sv",
        "distance of the exponents the wrong way round",
        "swap ? b_above_a : a_above_b",
        "swap ? a_above_b : b_above_a",
    ),
    _fault(
        ADD,
        "common/plena_select_add.sv",
        "upper half chosen by the wrong carry",
        "{low_with[HalfW] ?",
        "{low_with[HalfW] && low_without[HalfW] ?",
    ),
    _fault(
        ADD,
        "common/plena_normalize.sv",
        "normalises below the smallest binade",
        "limit[Places-1-place] = exp_i == ExpInW'(place)",
        "limit[Places-1-place] = exp_i == ExpInW'(place) && place < 1",
    ),
    _fault(
        "fp_add-e4m3-rdown-ieee-all",
        ROUND,
        "rounding up to the largest code overflows",
        "mag[0] >= WideW'(MaxCode)",
        "mag[0] >= WideW'(MaxCode - 1)",
    ),
    Mutant(case=ADD, fault=SWAPPED_STALL, stalled=True),
    Mutant(case=ADD, fault=PAYLOAD_NOT_HELD, stalled=True),
    Mutant(case=MUL, fault=WRONG_TIE),
    Mutant(case=MUL, fault=DROPPED_STICKY),
    Mutant(case=MUL, fault=LOST_CARRY),
    _fault(
        MUL,
        "fp/plena_fp_mul_core.sv",
        "exponent off by one",
        "- SumW'(F.bias)",
        "- SumW'(F.bias + 1)",
    ),
    _fault(
        "fp_mul-e5m2-all",
        "fp/plena_fp_mul_core.sv",
        "0 * Inf is not NaN",
        "(a_inf && b_sig == '0)",
        "(a_inf && b_sig == '1)",
    ),
    _fault(
        "fp_mul-e5m2-ieee-all",
        ROUND,
        "saturates where it must not",
        "stays_finite = Saturate ||",
        "stays_finite = !Saturate ||",
    ),
    Mutant(case=MUL, fault=LOST_BEAT, stalled=True),
    Mutant(case=CAST, fault=WRONG_TIE),
    Mutant(case=CAST, fault=DROPPED_STICKY),
    Mutant(case=CAST, fault=LOST_CARRY),
    _fault(
        CAST,
        "fp/plena_fp_pack.sv",
        "exponent off by one",
        "FieldOffset = ExpOffset + F.bias - 1",
        "FieldOffset = ExpOffset + F.bias",
    ),
    _fault(
        "fp_cast-bf16-q2.6-all",
        "common/plena_round_fixed.sv",
        "rounding up past the largest value does not saturate",
        "(mag_i == Highest && up && !has_lowest)",
        "(mag_i == Highest && up && has_lowest)",
    ),
    _fault(
        "fp_cast-bf16-q8.8wrap-all",
        "common/plena_round_fixed.sv",
        "wraps no more",
        "(over && !F.wrap)",
        "(over && (F.wrap || !F.wrap))",
    ),
    Mutant(case=CAST, fault=SWAPPED_STALL, stalled=True),
    Mutant(case=TO_INT, fault=WRONG_TIE),
    Mutant(case=TO_INT, fault=DROPPED_STICKY),
    Mutant(case=TO_FP, fault=LOST_CARRY),
    _fault(
        TO_INT,
        SCALE,
        "scale off by one",
        "+ CodeW'(CodeOffset)",
        "+ CodeW'(CodeOffset + 1)",
    ),
    _fault(
        "fp_to_mx-bf16-mxint4.even-blocks",
        SCALE,
        "even carries at one bit too few",
        "&sig[FracW-1-:M.elem.man_w+1]",
        "&sig[FracW-1-:M.elem.man_w]",
    ),
    _fault(
        "fp_to_mx-bf16-mxfp4_e2m1.rceil-blocks",
        SCALE,
        "rceil steps at the largest element itself",
        "sig[FracW-1:0] > FracW'(Limit)",
        "sig[FracW-1:0] >= FracW'(Limit)",
    ),
    _fault(
        "fp_to_mx-bf16-mxint4.clip-blocks",
        SCALE,
        "clip spares 3/16 too",
        "sig[FracW-1:0] >= FracW'(ClipFrom)",
        "sig[FracW-1:0] > FracW'(ClipFrom)",
    ),
    _fault(
        "fp_to_mx-fp32-mxint8.ceil-blocks",
        SCALE,
        "ceil ignores the last fraction bit",
        "bump = sig[FracW-1:0] != '0;",
        "bump = sig[FracW-1:1] != '0;",
    ),
    _fault(
        "fp_to_mx-bf16-mxint4.b16.s4-blocks",
        SCALE,
        "scale not clamped at its largest",
        "code > CodeW'(CodeMax)",
        "code > CodeW'(CodeMax + 1)",
    ),
    _fault(
        TO_INT,
        "mx/plena_fp_to_mx_core.sv",
        "Inf in a block is not special",
        "special[lane]   = inf[lane] || nan[lane]",
        "special[lane]   = (inf[lane] && 1'b0) || nan[lane]",
    ),
    _fault(
        TO_FP,
        "mx/plena_fp_to_mx_core.sv",
        "all-zero block keeps its signs",
        "(!IsInt && (nonzero & ~special) == '0)",
        "(IsInt && (nonzero & ~special) == '0)",
    ),
    Mutant(case=TO_INT, fault=PAYLOAD_NOT_HELD, stalled=True),
    Mutant(case="mx_to_fp-mxint16.b4-bf16-ieee-blocks", fault=WRONG_TIE),
    Mutant(case="mx_to_fp-mxint16.b4-bf16-ieee-blocks", fault=DROPPED_STICKY),
    _fault(
        FROM_INT,
        "mx/plena_mx_to_fp_core.sv",
        "NaN scale is a number",
        "has_scale_nan(M) && scale_i == '1",
        "has_scale_nan(M) && scale_i == '1 && scale_i == '0",
    ),
    _fault(
        FROM_INT,
        "mx/plena_mx_to_fp_core.sv",
        "scale off by one",
        "(IsInt ? 1 : -M.elem.bias) - scale_bias(M)",
        "(IsInt ? 1 : -M.elem.bias) - scale_bias(M) + 1",
    ),
    _fault(
        FROM_INT,
        "mx/plena_mx_to_fp_core.sv",
        "one's complement for two's",
        "sign ? -codes_i[lane]",
        "sign ? ~codes_i[lane]",
    ),
    Mutant(case=FROM_INT, fault=SWAPPED_STALL, stalled=True),
    _fault(
        "mx_requantize-mxint8.b8-mxint4.b8-blocks",
        "mx/plena_mx_requantize_core.sv",
        "values in half the range",
        "ScaleLow + 3);",
        "ScaleLow + 3) - 1;",
    ),
    _fault(
        "mx_requantize-mxint8.b8-mxint4.b8-blocks",
        "mx/plena_mx_requantize_core.sv",
        "last bit of an element lost",
        "ManW = max(Src.elem.man_w, 1);",
        "ManW = max(Src.elem.man_w - 1, 1);",
    ),
    Mutant(case="mx_requantize-mxint8.b8-mxint4.b8-blocks", fault=SWAPPED_STALL, stalled=True),
    _fault(
        "hbm_store-fp16-mxint6.b3.s5-blocks",
        "mx/plena_hbm_store.sv",
        "scale before the elements",
        "{8'(scale), (ElemBytes * 8)'(codes)}",
        "{(ElemBytes * 8)'(codes), 8'(scale)}",
    ),
    _fault(
        "hbm_load-mxint6.b3.s5-fp16-ieee-blocks",
        "mx/plena_hbm_load.sv",
        "elements read from the top of their bytes",
        "elements[BlockSize*ElemWidth-1:0]",
        "elements[8*ElemBytes-1-:BlockSize*ElemWidth]",
    ),
    Mutant(case=DOT, fault=WRONG_TIE),
    Mutant(case=DOT, fault=DROPPED_STICKY),
    _fault(
        DOT,
        PARTIAL,
        "scale off by one",
        "ALsb + BLsb - ScaleBias",
        "ALsb + BLsb - ScaleBias + 1",
    ),
    _fault(
        DOT,
        ACCUMULATE,
        "sum not restarted",
        "previous = first_i ? '0 : acc_i",
        "previous = first_i && !last_i ? '0 : acc_i",
    ),
    _fault(
        DOT,
        "mx/plena_mx_dot.sv",
        "NaN scale of b is a number",
        "a_scale_nan || b_scale_nan,",
        "a_scale_nan || (b_scale_nan && a_scale_nan),",
    ),
    _fault(
        "mx_dot-mxfp8_e5m2.b8-mxfp8_e5m2.b8-fp32-blocks",
        "mx/plena_mx_element.sv",
        "Inf and NaN elements are numbers",
        "special_o = inf || nan",
        "special_o = inf && nan",
    ),
    _fault(
        "mx_dot-mxfp8_e5m2.b8-mxfp8_e5m2.b8-fp32-blocks",
        "common/plena_sum_tree.sv",
        "carry of a full adder lost",
        "((x & y) | ((x ^ y) & z))",
        "(x & y)",
    ),
    _fault(
        DOT,
        "mx/plena_mx_dot_core.sv",
        "offset of the lanes not taken back whole",
        ".Constant(-Offset)",
        ".Constant(SumW'(1) - Offset)",
    ),
    _fault(
        "mx_dot-mxfp8_e5m2.b8-mxfp8_e5m2.b8-fp32-blocks",
        "mx/plena_mx_product.sv",
        "negative products one too low",
        "(MagW + 1)'(negative);",
        "(MagW + 1)'(1'b0 & negative);",
    ),
    Mutant(case=DOT, fault=SWAPPED_STALL, stalled=True),
    Mutant(case=DOT, fault=PAYLOAD_NOT_HELD, stalled=True),
    _fault(
        "fp_sub-e4m3-all",
        "fp/plena_fp_sub.sv",
        "adds",
        "{!b_i[Width-1], b_i[Width-2:0]}",
        "{b_i[Width-1], b_i[Width-2:0]}",
    ),
    _fault(
        "fp_sub-e4m3fnuz-all",
        "fp/plena_fp_sub.sv",
        "zero with its sign flipped is NaN",
        ".BFlipped(1'b1)",
        ".BFlipped(1'b0)",
    ),
    _fault(
        "fp_sub-e4m3-all",
        "fp/plena_fp_add_core.sv",
        "guard bits of the smaller operand lost",
        ".data_i({lesser_sig, 2'b00})",
        ".data_i({2'b00, lesser_sig})",
    ),
    _fault(
        "fp_max-e4m3-all",
        "fp/plena_fp_max_core.sv",
        "two NaN give a number",
        "if (a_nan && b_nan) ",
        "if (a_nan && b_nan && 1'b0) ",
    ),
    _fault(
        "fp_min-e4m3-all",
        "fp/plena_fp_order.sv",
        "negative codes in the wrong order",
        "a_i[Width-2:0] ^ {(Width - 1){a_i[Width-1]}}",
        "a_i[Width-2:0] ^ {(Width - 1){1'b0}}",
    ),
    _fault(
        "fp_neg-e4m3-all",
        "fp/plena_fp_neg_core.sv",
        "keeps the sign",
        "!a_i[Width-1]",
        "a_i[Width-1]",
    ),
    _fault("fp_abs-e4m3-all", "fp/plena_fp_abs.sv", "sets the sign", "{sign, a_i", "{!sign, a_i"),
    _fault(
        "fp_neg-e4m3fnuz-all",
        "fp/plena_fp_neg_core.sv",
        "zero becomes the NaN in the place of -0",
        "a_i[Width-1] ^ (a_i[Width-2:0] != '0)",
        "a_i[Width-1] ^ (a_i[Width-2:0] == '0)",
    ),
    _fault(
        "fp_abs-e4m3fnuz-all",
        "fp/plena_fp_abs.sv",
        "the NaN in the place of -0 becomes zero",
        "= F.specials == SpecialsFnuz && ",
        "= F.specials != SpecialsFnuz && ",
    ),
    _fault(
        "fp_max-e4m3fnuz-all",
        "fp/plena_fp_order.sv",
        "the NaN in the place of -0 is a number",
        "b_nan_o = b_i == Width'(nan_code(F))",
        "b_nan_o = b_i == Width'(max_code(F))",
    ),
    Mutant(case="fp_mul-e4m3fnuz-all", fault=SIGNED_ZERO),
    _fault(
        "fp_mul-e4m3fnuz-all",
        "fp/plena_fp_unpack.sv",
        "the NaN in the place of -0 is a zero",
        "Flipped ? 0 : nan_code(F)",
        "Flipped ? 0 : max_code(F)",
    ),
    _fault(
        "fp_add-e5m2fnuz-rdown-ieee-all",
        ROUND,
        "a NaN of an overflow without its bit",
        "|| F.specials == SpecialsFnuz",
        "|| F.specials == SpecialsIeee",
    ),
    _fault(
        "fp_compare-e4m3-all",
        "fp/plena_fp_compare.sv",
        "-0 is below +0",
        "below && !zeros && !unordered",
        "below && !unordered",
    ),
    Mutant(case="fp_compare-e4m3-all", fault=SWAPPED_STALL, stalled=True),
    _fault(
        "reduce_sum-bf16-bf16-lanes8-vectors",
        "vector/plena_reduce.sv",
        "masked lane is +0",
        "Largest ? Loser : Zero",
        "Largest ? Loser : ~Sign & Zero",
    ),
    _fault(
        "reduce_sum-e5m2fnuz-e4m3fnuz-lanes3-vectors",
        "vector/plena_reduce.sv",
        "masked lane is the NaN in the place of -0",
        "SpecialsFnuz ? '0 : Sign",
        "SpecialsFnuz ? Sign : '0",
    ),
    _fault(
        "reduce_sum-fp16-fp32-lanes5-vectors",
        "vector/plena_reduce.sv",
        "lane without a neighbour lost",
        "assign next[n] = gen_level[level-1].node[2*n];",
        "assign next[n] = gen_level[level-1].node[2*n] & Identity;",
    ),
    _fault(
        "reduce_sum-bf16-bf16-lanes8-vectors",
        "vector/plena_reduce.sv",
        "seed of a later vector",
        ".in_data_i({gen_level[level-1].seed, next})",
        ".in_data_i({gen_level[level-1].seed & seed_i, next})",
    ),
    _fault(
        "reduce_max-bf16-bf16-lanes8-vectors",
        "vector/plena_reduce.sv",
        "mask ignored",
        "mask_i[lane] ? code : Identity",
        "mask_i[lane] || Largest ? code : Identity",
    ),
    Mutant(case="reduce_max-bf16-bf16-lanes8-vectors", fault=SWAPPED_STALL, stalled=True),
    _fault(
        "fp_reciprocal-e5m6-rup-all",
        "common/plena_divide_stream.sv",
        "remainder ignored",
        "gen_stage[Stages].rem != '0",
        "gen_stage[Stages].rem != '0 && out_valid_o != out_valid_o",
    ),
    _fault(
        RECIPROCAL,
        "common/plena_divide.sv",
        "restored when it must not be",
        "!left[Width+1];\n      rem_o = left[Width+1]",
        "!left[Width+1];\n      rem_o = !left[Width+1]",
    ),
    _fault(
        "fp_reciprocal-bf16-all",
        "fp/plena_fp_reciprocal.sv",
        "Inf is a number",
        "{(QuotW + 1){!q_inf}}",
        "{(QuotW + 1){!q_inf || q_inf}}",
    ),
    Mutant(case=RECIPROCAL, fault=SWAPPED_STALL, stalled=True),
    _fault(
        SQRT,
        "fp/plena_fp_sqrt.sv",
        "even exponents lend a 2",
        "whole[0] ? {sig, 1'b0}",
        "!whole[0] ? {sig, 1'b0}",
    ),
    _fault(
        SQRT,
        "fp/plena_fp_sqrt.sv",
        "root of a negative number is not NaN",
        "nan || (sign && !zero), sticky",
        "nan || (sign && !zero && zero), sticky",
    ),
    _fault(
        SQRT,
        "common/plena_square_root.sv",
        "4 * root without the one",
        "- {1'b0, root_o, 2'b01}",
        "- {1'b0, root_o, 2'b00}",
    ),
    _fault(
        "fp_rsqrt-e5m6-rup-all",
        "fp/plena_fp_rsqrt.sv",
        "one remainder is not enough",
        "(sticky || q_sticky)",
        "(sticky && q_sticky)",
    ),
    _fault(
        RSQRT,
        "fp/plena_fp_rsqrt.sv",
        "exponent off by one",
        ".ExpOffset(1)",
        ".ExpOffset(0)",
    ),
    _fault(
        "fp_rsqrt-bf16-all",
        "fp/plena_fp_rsqrt.sv",
        "zero does not give Inf",
        ".inf_i(r_zero)",
        ".inf_i(r_zero && !r_zero)",
    ),
    _fault(
        "fp_rsqrt-bf16-all",
        "fp/plena_fp_unpack_normal.sv",
        "exponent of a subnormal not lowered",
        "- ExpOutW'(zeros)",
        "- ExpOutW'(zeros >> IndexW)",
    ),
    _fault(
        EXP,
        "gen/plena_exp2_pkg.sv",
        "one bit of a table",
        "6'd32: entry = 60'h6a09e667f3bcc90;",
        "6'd32: entry = 60'h6b09e667f3bcc90;",
    ),
    _fault(
        EXP,
        "common/plena_exp2_fraction.sv",
        "product of table and rest halved",
        "W'(product >> FactorW)",
        "W'(product >> (FactorW + 1))",
    ),
    _fault(
        "fp_exp-bf16-rup-ieee-all",
        "fp/plena_fp_exp.sv",
        "sticky bit dropped",
        "{sig, !exact}",
        "{sig, !exact && exact}",
    ),
    _fault(
        "fp_exp-bf16-rup-ieee-all",
        "fp/plena_fp_exp.sv",
        "-Inf is a number",
        "{!inf}",
        "{!inf || inf}",
    ),
    _fault(
        EXP,
        "fp/plena_fp_exp2_argument.sv",
        "large arguments not clamped",
        "down[FieldW-1] || over",
        "(down[FieldW-1] && over) || over",
    ),
    Mutant(case=EXP, fault=PAYLOAD_NOT_HELD, stalled=True),
    _fault(
        "fp_exp2-e5m6-rtz-all",
        "fp/plena_fp_exp2_argument.sv",
        "one's complement for two's where nothing was cut",
        "+ (OutW + 1)'(exact_o)",
        "+ (OutW + 1)'(exact_o && !exact_o)",
    ),
    _fault(
        "fp_exp2-bf16-rup-ieee-all",
        "fp/plena_fp_exp2_argument.sv",
        "what was cut is forgotten",
        ": !sticky && !beyond",
        ": (!sticky || sticky) && !beyond",
    ),
    _fault(
        "fp_exp2-bf16-all",
        "fp/plena_fp_exp2.sv",
        "-Inf gives Inf",
        "inf_i(inf && !sign)",
        "inf_i(inf && sign)",
    ),
    _fault(
        "fp_sigmoid-e5m6-rtz-all",
        "fp/plena_fp_sigmoid.sv",
        "small E vanishes",
        "e_fixed | OneW'(1)",
        "e_fixed | OneW'(0)",
    ),
    _fault(
        SIGMOID,
        "fp/plena_fp_sigmoid.sv",
        "two's complement for one's",
        "shift_i(~e_exp[WholeW-1:0])",
        "shift_i(-e_exp[WholeW-1:0])",
    ),
    _fault(
        SIGMOID,
        "fp/plena_fp_sigmoid.sv",
        "zero gives 1",
        "{(WholeW + 1){q_zero}}",
        "{(WholeW + 1){q_zero && !q_zero}}",
    ),
    _fault(
        PE,
        COUNTER,
        "block ends an element early",
        "count == CountW'(BlockSize - 1)",
        "count == CountW'(BlockSize - 2)",
    ),
    _fault(
        PE,
        MAC,
        "unfinished block kept when a sum begins",
        "begins    = first_i || !open_q",
        "begins    = !open_q",
    ),
    _fault(
        PE,
        MAC,
        "scales of the block's first pair",
        "scale_q     <= ScaleSumW'(a_scale_i)",
        "if (begins) scale_q <= ScaleSumW'(a_scale_i)",
    ),
    _fault(
        PE,
        ACCUMULATE,
        "unfinished block added",
        "acc_o    = last_i ? next : previous",
        "acc_o    = last_i || !last_i ? next : previous",
    ),
    _fault(
        "mx_pe-mxfp8_e5m2.b8-mxfp8_e4m3.b8-q16.16-blocks",
        MAC,
        "special element forgotten by the end of its block",
        "(!begins && special_q) || special",
        "(!begins && special_q && special) || special",
    ),
    _fault(
        PE,
        "matrix/plena_mx_pe.sv",
        "gaps are counted",
        "advance_i(in_valid_i && enable)",
        "advance_i(enable)",
        stalled=True,
    ),
    _fault(
        PE,
        "matrix/plena_mx_pe.sv",
        "moves on while stalled",
        "enable      = !out_valid_o || out_ready_i",
        "enable      = !out_valid_o || out_ready_i || in_valid_i",
        stalled=True,
    ),
    _fault(TILE, SYSTOLIC, "rows not skewed", ".Width(RowW), .Depth(i)", ".Width(RowW), .Depth(0)"),
    _fault(
        TILE,
        SYSTOLIC,
        "a lane's result a step late",
        "Rows + Cols - 1 - i - j",
        "Rows + Cols - 1 - i - j + (i == 1 && j == 1 ? 1 : 0)",
    ),
    _fault(
        TILE,
        SYSTOLIC,
        "scale of another column",
        "{b_scale_i[j], b_codes_i[j]}",
        "{b_scale_i[Cols-1-j], b_codes_i[j]}",
    ),
    _fault(
        TILE,
        SYSTOLIC,
        "operands move on while stalled",
        ".enable_i(enable), .data_i(row[i][j-1])",
        ".enable_i(1'b1), .data_i(row[i][j-1])",
        stalled=True,
    ),
    _fault(
        TILE,
        SYSTOLIC,
        "gaps give results",
        "data_i(in_valid_i && write_i)",
        "data_i(write_i)",
        stalled=True,
    ),
    _fault(
        MM,
        MATMUL,
        "transposed matrix read in the other order",
        "? b_codes_i[(head*Cols+column)*Depth+k]",
        "? b_codes_i[(head*Depth+k)*Cols+column]",
    ),
    _fault(
        MM,
        MATMUL,
        "scale of the next block",
        "if (last_of_block) begin",
        "if (last_of_block || step_q == '0) begin",
    ),
    _fault(
        MM,
        MATMUL,
        "sums not cleared",
        "first_i(first_q && step_q == '0)",
        "first_i(first_q && step_q == '1)",
    ),
    _fault(
        MM,
        MATMUL,
        "steps on while stalled",
        "step        = busy_q && (&tile_ready)",
        "step        = busy_q",
        stalled=True,
    ),
    _fault(
        MV,
        MATMUL,
        "every step begins a sum",
        "first_i(first_q && step_q == '0)",
        "first_i(first_q)",
    ),
    _fault(
        MV,
        MATMUL,
        "written with the first step",
        "write_i(write_q && last_step)",
        "write_i(write_q && step_q == '0)",
    ),
    _fault(
        BMM,
        MATMUL,
        "every head has the first one's rows",
        "a_now[i]       = a_q[head][i][0]",
        "a_now[i]       = a_q[0][i][0]",
    ),
    _fault(
        BMM,
        MATMUL,
        "scales of the first head",
        "b_scale_i[(head*Blocks+k)*Cols+column]",
        "b_scale_i[k*Cols+column]",
    ),
    # composites
    _fault(
        ROPE,
        "vector/plena_rope.sv",
        "second of a pair negated",
        "{First, (Width - 1)'(0)}",
        "{!First, (Width - 1)'(0)}",
    ),
    _fault(
        "rope-e4m3fnuz-groups1-stride1-vectors",
        "vector/plena_rope.sv",
        "zero with its sign flipped is NaN",
        ".AFlipped(First)",
        ".AFlipped(!First)",
    ),
    _fault(
        ROPE,
        "vector/plena_rope.sv",
        "sine with the wrong lane",
        ".b_i(sin_i[lane])",
        ".b_i(sin_i[Partner])",
    ),
    _fault(
        HADAMARD,
        "vector/plena_hadamard.sv",
        "gain of the next stage",
        ".Exp(-int'((Stages + 1) / 2))",
        ".Exp(-int'(Stages / 2))",
    ),
    _fault(
        HADAMARD,
        "vector/plena_hadamard.sv",
        "sum for difference",
        "Low+Distance] ^ {Upper, (Width - 1)'(0)}",
        "Low+Distance] ^ {1'b0, (Width - 1)'(Upper)}",
    ),
    Mutant(case=HADAMARD, fault=SWAPPED_STALL, stalled=True),
    _fault(
        SILU,
        "vector/plena_silu.sv",
        "argument not negated",
        ".a_i(negated)",
        ".a_i(negated ^ {Lanes{1'b1, (Width - 1)'(0)}})",
    ),
    _fault(
        SILU,
        "vector/plena_function_lanes.sv",
        "side data a cycle early",
        ".Depth(function_latency(Function))",
        ".Depth(function_latency(Function) - 1)",
    ),
    _fault(
        SOFTMAX,
        "vector/plena_softmax.sv",
        "masked lanes are not zero",
        "product & {Width{s5_mask[lane]}}",
        "product & {Width{s5_mask[lane] | !s5_mask[lane]}}",
    ),
    _fault(
        SOFTMAX,
        "vector/plena_reduce_row.sv",
        "seeds of sum and maximum swapped",
        "Largest ? {1'b1, (RedWidth",
        "!Largest ? {1'b1, (RedWidth",
    ),
    _fault(
        ONLINE,
        "vector/plena_online_softmax.sv",
        "sum not restarted",
        "s5_first ? '0 : l_o",
        "s5_first && !s5_first ? '0 : l_o",
    ),
    _fault(
        ONLINE,
        "vector/plena_online_softmax.sv",
        "maximum not restarted",
        "s1_first ? Lowest : s2_m",
        "s1_first && !s1_first ? Lowest : s2_m",
    ),
    _fault(
        ONLINE,
        "vector/plena_online_softmax.sv",
        "maximum starts at zero after reset",
        "localparam logic [Width-1:0] Lowest = {1'b1, (Width",
        "localparam logic [Width-1:0] Lowest = {1'b0, (Width",
    ),
    Mutant(case=ONLINE, fault=PAYLOAD_NOT_HELD, stalled=True),
    _fault(
        ATTENTION,
        "vector/plena_attention_step.sv",
        "output not restarted",
        "s5_first ? '0 : s6_o[col]",
        "s5_first && !s5_first ? '0 : s6_o[col]",
    ),
    _fault(
        ATTENTION,
        "vector/plena_attention_step.sv",
        "correction of a later beat",
        ".b_i(s5_c), .y_o(shrunk[col])",
        ".b_i(s4_valid ? s4_c : s5_c), .y_o(shrunk[col])",
    ),
    _fault(
        ATTENTION,
        "vector/plena_attention_step.sv",
        "a result for every beat",
        ".in_valid_i(s6_valid && s6_last)",
        ".in_valid_i(s6_valid)",
    ),
    _fault(
        ATTENTION,
        "vector/plena_attention_step.sv",
        "flags a cycle early",
        ".Depth(online_softmax_latency(Keys))",
        ".Depth(online_softmax_latency(Keys) - 1)",
    ),
    _fault(
        ATTENTION,
        "common/plena_pkg.sv",
        "1 / sqrt(n) half as large",
        "return ($clog2(n) + 1) / 2;",
        "return ($clog2(n) + 1) / 2 + 1;",
    ),
    _fault(
        ATTENTION,
        "matrix/plena_mx_dot_lanes.sv",
        "only the last block counts",
        ".first_i(block == 0), .last_i(1'b1)",
        ".first_i(1'b1), .last_i(1'b1)",
    ),
    Mutant(case=ATTENTION, fault=PAYLOAD_NOT_HELD, stalled=True),
    _fault(
        RMS_NORM,
        "common/plena_pkg.sv",
        "1 / (n + 1) for 1 / n",
        "64'(numerator / 128'(n)) | ",
        "64'(numerator / 128'(n + 1)) | ",
    ),
    _fault(
        RMS_NORM,
        "vector/plena_rms_norm.sv",
        "gain of another lane",
        "s7_gamma[lane]",
        "s7_gamma[Lanes-1-lane]",
    ),
    _fault(
        LAYER_NORM,
        "vector/plena_layer_norm.sv",
        "mean added",
        "s2_mean ^ {1'b1,",
        "s2_mean ^ {1'b0,",
    ),
    _fault(
        LAYER_NORM,
        "vector/plena_layer_norm.sv",
        "beta a cycle late",
        ".Depth(rms_norm_latency(Lanes))",
        ".Depth(rms_norm_latency(Lanes) + 1)",
    ),
    _fault(
        "swiglu-e4m3-lanes2-vectors",
        "vector/plena_swiglu.sv",
        "up of another lane",
        ".b_i(s1_up[lane])",
        ".b_i(s1_up[Lanes-1-lane])",
    ),
    _fault(
        "gelu_sigmoid-bf16-lanes4-vectors",
        "vector/plena_gelu_sigmoid.sv",
        "1.7 for 1.702",
        "64'hD9DB_22D0_E560_4189",
        "64'hD899_9999_9999_9999",
    ),
    _fault(
        "gelu_tanh-e4m3-lanes2-vectors",
        "vector/plena_gelu_tanh.sv",
        "fourth power for cube",
        ".a_i(s1_square[lane]), .b_i(s1_x[lane])",
        ".a_i(s1_square[lane]), .b_i(s1_square[lane])",
    ),
    _fault(
        "gelu_tanh-e4m3-lanes2-vectors",
        "fp/plena_fp_constant.sv",
        "constant half as large",
        ".ExpOffset(Exp)",
        ".ExpOffset(Exp - 1)",
    ),
)

_MISSING = set(OPS) - {mutant.case.split("-")[0] for mutant in LISTED}
MUTANTS = (
    *LISTED,
    *(
        Mutant(case=select_cases(op.name)[0].id, fault=ignored_stall(op.module), stalled=True)
        for op in OPS.values()
        if op.name in _MISSING
    ),
)
"""Those of the list, and for a block without any the one fault that is known of every block."""
