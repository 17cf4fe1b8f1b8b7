"""Deliberate faults in the RTL: one text each, which the regression must find."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from plena_cosim.sim.sources import RTL_DIR


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One changed piece of RTL text, and the case of the regression that must go red."""

    name: str
    case: str
    file: str
    old: str
    new: str
    stalled: bool = False
    """Only gaps and stalls can show it."""

    def write(self, folder: Path) -> Path:
        """Copy the RTL into `folder` with the change made; `old` must stand there exactly once."""
        rtl = folder / "rtl"
        shutil.copytree(RTL_DIR, rtl)
        path = rtl / self.file
        text = path.read_text(encoding="utf-8")
        count = text.count(self.old)
        assert count == 1, f"{self.name}: {self.old!r} stands {count} times in {self.file}"
        path.write_text(text.replace(self.old, self.new), encoding="utf-8")
        return rtl


def _fault(case: str, file: str, name: str, old: str, new: str, *, stalled: bool = False) -> Mutant:
    block = case.split("-")[0]
    return Mutant(name=f"{block}: {name}", case=case, file=file, old=old, new=new, stalled=stalled)


ADD, MUL, CAST = "fp_add-e4m3-all", "fp_mul-e4m3-all", "fp_cast-bf16-e4m3-all"
ROUND, ROUND_UP = "common/plena_round.sv", "common/plena_round_up.sv"
TO_INT, TO_FP = "fp_to_mx-bf16-mxint8.b8-blocks", "fp_to_mx-bf16-mxfp8_e5m2.b16-blocks"
FROM_INT = "mx_to_fp-mxint8.b8-bf16-blocks"
DOT = "mx_dot-mxint8.b8-mxint4.b8-fp32-blocks"
SCALE = "mx/plena_mx_scale.sv"
SHIFT, STREAM = "common/plena_shift_sticky.sv", "common/plena_stream_reg.sv"

WRONG_TIE = ("wrong tie", "guard_i & (sticky_i | lsb_i)", "guard_i & (sticky_i | !lsb_i)")
DROPPED_STICKY = (
    "sticky bit of an earlier shift step dropped",
    "gen_step[step-1].sticky | (taken & (|prev[Amount-1:0]))",
    "(1'b0 & gen_step[step-1].sticky) | (taken & (|prev[Amount-1:0]))",
)
LOST_CARRY = (
    "carry out of the fraction lost",
    "mag[1] = mag[0] + WideW'(1)",
    "mag[1] = {mag[0][WideW-1:ManW], mag[0][ManW-1:0] + ManW'(1)}",
)
SWAPPED_STALL = ("swapped stall", "!valid_q || out_ready_i", "!valid_q || !out_ready_i")
LOST_BEAT = ("beat lost when stalled", "!valid_q || out_ready_i", "1'b1 || out_ready_i")
PAYLOAD_WITHOUT_VALID = (
    "payload not held while stalled",
    "end else if (in_ready_o) begin\n      valid_q <= in_valid_i;\n      if (in_valid_i) data_q <=",
    "end else begin\n      valid_q <= in_ready_o ? in_valid_i : valid_q;\n      data_q <=",
)

MUTANTS = (
    _fault(ADD, ROUND_UP, *WRONG_TIE),
    _fault(ADD, ROUND, *LOST_CARRY),
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
    _fault(ADD, STREAM, *SWAPPED_STALL, stalled=True),
    _fault(ADD, STREAM, *PAYLOAD_WITHOUT_VALID, stalled=True),
    _fault(MUL, ROUND_UP, *WRONG_TIE),
    _fault(MUL, SHIFT, *DROPPED_STICKY),
    _fault(MUL, ROUND, *LOST_CARRY),
    _fault(
        MUL,
        "fp/plena_fp_mul_core.sv",
        "exponent off by one",
        "- SumW'(Bias)",
        "- SumW'(Bias + 1)",
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
    _fault(MUL, STREAM, *LOST_BEAT, stalled=True),
    _fault(CAST, ROUND_UP, *WRONG_TIE),
    _fault(CAST, SHIFT, *DROPPED_STICKY),
    _fault(CAST, ROUND, *LOST_CARRY),
    _fault(
        CAST,
        "fp/plena_fp_pack.sv",
        "exponent off by one",
        "FieldOffset = ExpOffset + Bias - 1",
        "FieldOffset = ExpOffset + Bias",
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
        "(over && !Wrap))",
        "(over && (Wrap || !Wrap)))",
    ),
    _fault(CAST, STREAM, *SWAPPED_STALL, stalled=True),
    _fault(TO_INT, ROUND_UP, *WRONG_TIE),
    _fault(TO_INT, SHIFT, *DROPPED_STICKY),
    _fault(TO_FP, ROUND, *LOST_CARRY),
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
        "&sig[FracW-1-:ElemFracW+1]",
        "&sig[FracW-1-:ElemFracW]",
    ),
    _fault(
        "fp_to_mx-bf16-mxfp4_e2m1.rceil-blocks",
        SCALE,
        "rceil steps at the largest element itself",
        "sig[FracW-1:0] > FracW'(Limit)",
        "sig[FracW-1:0] >= FracW'(Limit)",
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
    _fault(TO_INT, STREAM, *PAYLOAD_WITHOUT_VALID, stalled=True),
    _fault("mx_to_fp-mxint16.b4-bf16-ieee-blocks", ROUND_UP, *WRONG_TIE),
    _fault("mx_to_fp-mxint16.b4-bf16-ieee-blocks", SHIFT, *DROPPED_STICKY),
    _fault(
        FROM_INT,
        "mx/plena_mx_to_fp_core.sv",
        "NaN scale is a number",
        "HasNan && scale_i == '1",
        "HasNan && scale_i == '1 && scale_i == '0",
    ),
    _fault(
        FROM_INT,
        "mx/plena_mx_to_fp_core.sv",
        "scale off by one",
        "(IsInt ? 1 : -ElemBias) - ScaleBias",
        "(IsInt ? 1 : -ElemBias) - ScaleBias + 1",
    ),
    _fault(
        FROM_INT,
        "mx/plena_mx_to_fp_core.sv",
        "one's complement for two's",
        "sign ? -codes_i[lane]",
        "sign ? ~codes_i[lane]",
    ),
    _fault(FROM_INT, STREAM, *SWAPPED_STALL, stalled=True),
    _fault(DOT, ROUND_UP, *WRONG_TIE),
    _fault(DOT, SHIFT, *DROPPED_STICKY),
    _fault(
        DOT,
        "mx/plena_mx_dot.sv",
        "scale off by one",
        "ALsb + BLsb - ScaleBias",
        "ALsb + BLsb - ScaleBias + 1",
    ),
    _fault(
        DOT,
        "mx/plena_mx_dot.sv",
        "sum not restarted",
        "previous = s2_first ? '0 : acc_o",
        "previous = s2_first && out_ready_i && !out_ready_i ? '0 : acc_o",
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
        "mx/plena_mx_product.sv",
        "negative products one too low",
        "(MagW + 1)'(negative);",
        "(MagW + 1)'(1'b0 & negative);",
    ),
    _fault(DOT, STREAM, *SWAPPED_STALL, stalled=True),
    _fault(DOT, STREAM, *PAYLOAD_WITHOUT_VALID, stalled=True),
)
