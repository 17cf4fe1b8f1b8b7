// SPDX-License-Identifier: Apache-2.0
//
// The code of a real constant: RN(Sig * 2^(Exp - 63)), the top bit of Sig weighing 2^Exp.
//
// Golden twin: golden.codec.encode.
// Contract:   Sig's last bit is set where the constant goes on below it (rounded to odd), so that
//             64 bits are enough for every format. No inputs: synthesis leaves wires.
// Latency:    combinational.
module plena_fp_constant
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt   = Bf16,
  parameter  logic [63:0] Sig   = 64'h8000_0000_0000_0000,
  parameter  int          Exp   = 0,
  localparam fmt_t        F     = minifloat_of(Fmt),
  localparam int unsigned Width = F.width
) (
  output logic [Width-1:0] code_o  // code of the constant
);
  plena_fp_pack #(
    .Fmt(Fmt), .InW(64), .ExpMin(0), .ExpMax(0), .ExpOffset(Exp)
  ) u_pack (
    .sign_i(1'b0), .sig_i(Sig), .exp_i('0), .inf_i(1'b0), .nan_i(1'b0), .code_o
  );
endmodule
