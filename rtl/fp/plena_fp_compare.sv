// Stream of comparisons of two codes of one minifloat: less, equal, unordered (or none: greater).
//
// Golden twin: golden.ops.compare.
// Method:     plena_fp_order and equality, then one register.
// Latency:    1 cycle; one result a cycle.
// Specials:   by value: -0 equals +0, Inf equals Inf; a NaN is unordered with everything.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_compare
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 8,
  parameter  int unsigned ManW     = 7,
  parameter  int          Bias     = 127,
  parameter  int unsigned Specials = SpecialsIeee,
  localparam int unsigned Width    = 1 + ExpW + ManW
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic             less_o,
  output logic             equal_o,
  output logic             unordered_o
);
  localparam int unsigned Latency = 1;

  if (!is_minifloat(ExpW, ManW, Bias, Specials)) begin : gen_illegal
    $fatal(1, "plena_fp_compare: no minifloat has ExpW=%0d ManW=%0d Bias=%0d Specials=%0d",
           ExpW, ManW, Bias, Specials);
  end

  logic a_nan, b_nan, below, zeros, same, unordered;

  plena_fp_order #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
  ) u_order (
    .a_i, .b_i, .a_nan_o(a_nan), .b_nan_o(b_nan), .less_o(below)
  );

  assign zeros     = a_i[Width-2:0] == '0 && b_i[Width-2:0] == '0;
  assign same      = a_i == b_i || zeros;
  assign unordered = a_nan || b_nan;

  plena_stream_reg #(
    .Width(3)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o,
    .in_data_i({below && !zeros && !unordered, same && !unordered, unordered}),
    .out_valid_o, .out_ready_i, .out_data_o({less_o, equal_o, unordered_o})
  );
endmodule
