// Whether one minifloat code comes before another, -0 just before +0, and which are NaN.
//
// Golden twin: golden.ops.max, which orders codes so.
// Contract:   less_o means nothing if either is NaN.
// Latency:    combinational.
module plena_fp_order
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 8,
  parameter  int unsigned ManW     = 7,
  parameter  int unsigned Specials = SpecialsIeee,
  localparam int unsigned Width    = 1 + ExpW + ManW
) (
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic             a_nan_o,
  output logic             b_nan_o,
  output logic             less_o
);
  if (Specials == SpecialsNone) begin : gen_no_nan
    assign {a_nan_o, b_nan_o} = '0;
  end else begin : gen_nan
    // Magnitudes above the last number, which is Inf where there is one.
    localparam logic [Width-2:0] Last = (Width - 1)'(max_code(ExpW, ManW, Specials)
                                                    + (Specials == SpecialsIeee ? 1 : 0));
    assign a_nan_o = a_i[Width-2:0] > Last;
    assign b_nan_o = b_i[Width-2:0] > Last;
  end
  assign less_o  = {!a_i[Width-1], a_i[Width-2:0] ^ {(Width - 1){a_i[Width-1]}}}
                 < {!b_i[Width-1], b_i[Width-2:0] ^ {(Width - 1){b_i[Width-1]}}};
endmodule
