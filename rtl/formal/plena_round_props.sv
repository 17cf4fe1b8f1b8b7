// plena_round (with plena_round_up) against what rounding means.
//
// Method:     the number is sig_i and two places below it, shifted to its binade; the guard is
//             worth half a last place and the sticky bit, which is any amount below that, a quarter:
//             no amount strictly between two candidates or halves decides otherwise.
// Specials:   inf_i and nan_i as the header of plena_round says, written out case by case.
// Latency:    combinational.
module plena_round_props
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 4,
  parameter  int unsigned ManW     = 3,
  parameter  int unsigned Specials = SpecialsOcpNan,
  parameter  int unsigned Rounding = RoundNearestEven,
  parameter  bit          Saturate = 1'b1,
  localparam int unsigned ExpInW   = ExpW + 1,
  localparam int unsigned MagW     = ExpW + ManW
) (
  input  logic              sign_i,
  input  logic [ExpInW-1:0] exp_i,
  input  logic [ManW:0]     sig_i,
  input  logic              guard_i,
  input  logic              sticky_i,
  input  logic              inf_i,
  input  logic              nan_i,
  input  logic [MagW-1:0]   other_i,
  output logic [MagW:0]     code_o,
  output logic              assumed_o,  // the contract of the inputs
  output logic              holds_o
);
  localparam int unsigned   DropW   = 2;
  localparam int unsigned   ExactW  = ManW + 1 + DropW + (1 << ExpInW);
  localparam logic [MagW:0] Largest = (MagW + 1)'(max_code(ExpW, ManW, Specials));
  localparam logic [MagW:0] Nan     = (MagW + 1)'(nan_code(ExpW, ManW, Specials));
  localparam logic [MagW:0] Inf     = (MagW + 1)'(((1 << ExpW) - 1) << ManW);
  localparam logic [MagW:0] Sign    = (MagW + 1)'(1 << MagW);

  logic [ExactW-1:0] exact;
  logic              nearest;

  plena_round #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials), .Rounding(Rounding), .Saturate(Saturate),
    .ExpInW(ExpInW)
  ) u_dut (
    .sign_i, .exp_i, .sig_i, .guard_i, .sticky_i, .inf_i, .nan_i, .code_o
  );

  assign exact     = ExactW'({sig_i, guard_i, sticky_i}) << exp_i;
  assign assumed_o = sig_i[ManW] || exp_i == '0;

  plena_nearest_props #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials), .Rounding(Rounding), .Saturate(Saturate),
    .DropW(DropW), .ExactW(ExactW)
  ) u_nearest (
    .sign_i, .exact_i(exact), .code_i(code_o), .other_i, .holds_o(nearest)
  );

  always_comb begin
    if (nan_i) begin
      holds_o = code_o == Nan;
    end else if (!inf_i) begin
      holds_o = nearest;
    end else if (Specials == SpecialsIeee) begin
      holds_o = code_o == (sign_i ? Inf | Sign : Inf);
    end else if (Specials == SpecialsOcpNan && !Saturate) begin
      holds_o = code_o == Nan;
    end else begin
      holds_o = code_o == (sign_i ? Largest | Sign : Largest);
    end
  end
endmodule
