// SPDX-License-Identifier: Apache-2.0
//
// An exact number to the code of any scalar format, rounded once: the way out of every cast.
//
// Golden twin: golden.codec.encode.
// Contract:   the top bit of sig_i weighs 2^(exp_i + ExpOffset).
// Method:     minifloat: plena_normalize, plena_round. Fixed point: align the magnitude to the
//             grid, plena_round_fixed.
// Specials:   see the rounders; inf_i and nan_i override the number.
// Latency:    combinational.
module plena_fp_pack
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt       = Bf16,     // minifloat or fixed point
  parameter  int unsigned InW       = 8,
  parameter  int          ExpMin    = 0,        // smallest and largest exp_i
  parameter  int          ExpMax    = 15,
  parameter  int          ExpOffset = 0,
  parameter  int unsigned MaxLz     = InW - 1,  // see plena_normalize
  parameter  int unsigned Rounding  = RoundNearestEven,
  parameter  bit          Saturate  = 1'b1,
  localparam fmt_t        F         = fmt_of(Fmt),
  localparam int unsigned ExpInW    = signed_width(ExpMin, ExpMax),
  localparam int unsigned Width     = F.width
) (
  input  logic              sign_i,  // sign
  input  logic [InW-1:0]    sig_i,   // magnitude
  input  logic [ExpInW-1:0] exp_i,   // exponent of its top bit - ExpOffset, two's complement
  input  logic              inf_i,   // it is an exact Inf
  input  logic              nan_i,   // it is NaN
  output logic [Width-1:0]  code_o   // rounded code
);
  if (F.exp_w == 0) begin : gen_fixed
    // Places are counted from the units of the code; -1 is the guard bit. The top bit of sig_i
    // lands at place exp_i + Place0. Above LastPlace even its last bit is above the code.
    localparam int          Place0    = ExpOffset + int'(F.man_w);
    localparam int          LastPlace = int'(Width) + int'(InW) - 2;
    localparam int          TopPlace  = max(min(ExpMax + Place0, LastPlace), -1);
    localparam int          RightMin  = TopPlace - Place0 - ExpMax;
    localparam int          RightMax  = TopPlace - Place0 - ExpMin;
    localparam int unsigned RightW    = max(signed_width(RightMin, RightMax), ExpInW);
    localparam int unsigned TopW      = TopPlace + 2;               // places TopPlace .. -1
    localparam int unsigned ShiftW    = $clog2(max(min(RightMax, TopW), 1) + 1);
    localparam int unsigned DataW     = max(InW, TopW);

    logic [RightW-1:0] right;         // two's complement
    logic [ShiftW-1:0] shift;
    logic [Width-1:0]  mag;
    logic              left, over;    // left: the number is above every place
    logic              guard, sticky;

    assign right = RightW'(TopPlace - Place0)
                 - {{(RightW - ExpInW + 1){exp_i[ExpInW-1]}}, exp_i[ExpInW-2:0]};
    assign left  = right[RightW-1];
    assign shift = ShiftW'(right) | {ShiftW{(right >> ShiftW) != '0}};

    plena_shift_sticky #(
      .InW(DataW), .OutW(Width + 1), .ShiftW(ShiftW), .Drop(DataW - TopW)
    ) u_align (
      .data_i({DataW{!left}} & (DataW'(sig_i) << (DataW - InW))), .shift_i(shift),
      .data_o({mag, guard}), .sticky_o(sticky), .over_o(over)
    );

    plena_round_fixed #(
      .Fmt(Fmt), .Rounding(Rounding)
    ) u_round (
      .sign_i, .mag_i(mag), .guard_i(guard), .sticky_i(sticky),
      .over_i(over || (left && sig_i != '0)), .inf_i, .nan_i, .code_o
    );
  end else begin : gen_minifloat
    localparam int          FieldOffset = ExpOffset + F.bias - 1;
    localparam int          FieldMin    = ExpMin + FieldOffset;
    localparam int          FieldMax    = ExpMax + FieldOffset;
    localparam int unsigned FieldW      = signed_width(FieldMin, FieldMax);
    localparam int unsigned SumW        = max(FieldW, ExpInW);
    // A normal number has no more leading zeros than its field above 1.
    localparam int unsigned UsefulLz    = max(min(MaxLz, FieldMax), 0);

    logic [FieldW-1:0] field;  // two's complement

    assign field = FieldW'({{(SumW - ExpInW + 1){exp_i[ExpInW-1]}}, exp_i[ExpInW-2:0]}
                           + SumW'(FieldOffset));

    plena_normalize_round #(
      .Fmt(Fmt), .Rounding(Rounding), .Saturate(Saturate),
      .InW(InW), .ExpMin(FieldMin), .ExpMax(FieldMax), .MaxLz(UsefulLz)
    ) u_round (
      .sign_i, .exp_i(field), .sig_i, .inf_i, .nan_i, .code_o
    );
  end
endmodule
