// A minifloat code in its parts, subnormals with their leading one moved up.
//
// Golden twin: golden.codec.decode.
// Contract:   value = (-1)^sign_o * sig_o * 2^(exp_o - Bias - ManW); the top bit of sig_o is set.
// Method:     plena_fp_unpack, then a shift by the leading zeros.
// Specials:   zero_o, inf_o, nan_o; sig_o and exp_o mean nothing there.
// Latency:    combinational.
module plena_fp_unpack_normal
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 4,
  parameter  int unsigned ManW     = 3,
  parameter  int unsigned Specials = SpecialsOcpNan,
  localparam int          ExpMin   = 1 - int'(ManW),              // smallest and largest exp_o
  localparam int          ExpMax   = (1 << ExpW) - 1,
  localparam int unsigned ExpOutW  = signed_width(ExpMin, ExpMax)
) (
  input  logic [ExpW+ManW:0]  code_i,
  output logic                sign_o,
  output logic [ExpOutW-1:0]  exp_o,  // two's complement
  output logic [ManW:0]       sig_o,
  output logic                zero_o,
  output logic                inf_o,
  output logic                nan_o
);
  localparam int unsigned IndexW = $clog2(max(ManW + 1, 2));
  localparam int unsigned Places = 1 << IndexW;

  logic [ExpW-1:0]   exp;
  logic [ManW:0]     sig;
  logic [IndexW-1:0] index, zeros;

  plena_fp_unpack #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
  ) u_unpack (
    .code_i, .sign_o, .exp_o(exp), .sig_o(sig), .inf_o, .nan_o
  );
  plena_lead_one #(
    .Width(Places)
  ) u_lead_one (
    .data_i(Places'(sig) << (Places - ManW - 1)), .index_o(index)
  );

  assign zeros  = ~index;             // Places - 1 - index
  assign exp_o  = ExpOutW'(exp) - ExpOutW'(zeros);
  assign sig_o  = sig << zeros;
  assign zero_o = sig == '0;
endmodule
