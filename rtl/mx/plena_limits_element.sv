// SPDX-License-Identifier: Apache-2.0
//
// The element of a number, by comparison with the limits of plena_quotient_limits.
//
// Golden twin: golden.ops.fp_to_nvfp4, its last step.
// Method:     bisection: a bit of the code a comparison, the highest first.
// Specials:   the sign is that of x, of zeros too.
// Latency:    combinational.
module plena_limits_element
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt     = Fp32,  // of x; minifloat
  parameter  int unsigned ElemFmt = E2m1,  // minifloat
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam fmt_t        E       = minifloat_of(ElemFmt),
  localparam int unsigned Width   = F.width,
  localparam int unsigned Count   = max_code(E)
) (
  input  logic           [Width-1:0] x_i,       // finite number
  input  logic [Count:1][Width-2:0]  limits_i,  // by code
  output logic         [E.width-1:0] code_o     // element
);
  localparam int unsigned MagW = E.width - 1;

  // No number is above what stands for codes beyond the largest, if there are any.
  logic [(1<<MagW)-1:0][Width-2:0] limits;

  for (genvar k = 0; k < 1 << MagW; k++) begin : gen_limit
    if (k >= 1 && k <= Count) begin : gen_code
      assign limits[k] = limits_i[k];
    end else begin : gen_none
      assign limits[k] = '1;
    end
  end

  always_comb begin
    logic [MagW-1:0] mag;
    mag = '0;
    for (int unsigned place = 0; place < MagW; place++) begin
      logic [MagW-1:0] trial;
      trial = mag | (MagW'(1) << (MagW - 1 - place));
      if (x_i[Width-2:0] > limits[trial]) mag = trial;
    end
    code_o = {x_i[Width-1], mag};
  end
endmodule
