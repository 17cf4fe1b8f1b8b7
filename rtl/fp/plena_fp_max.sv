// Stream of the larger of two codes of one minifloat.
//
// Golden twin: golden.ops.max.
// Method:     plena_fp_max_core, then one register.
// Latency:    1 cycle; one result a cycle.
// Specials:   see plena_fp_max_core.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_max
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
  output logic [Width-1:0] y_o
);
  localparam int unsigned Latency = 1;

  if (!is_minifloat(ExpW, ManW, Bias, Specials)) begin : gen_illegal
    $fatal(1, "plena_fp_max: no minifloat has ExpW=%0d ManW=%0d Bias=%0d Specials=%0d",
           ExpW, ManW, Bias, Specials);
  end

  logic [Width-1:0] y;

  plena_fp_max_core #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials), .Smallest(1'b0)
  ) u_core (
    .a_i, .b_i, .y_o(y)
  );

  plena_stream_reg #(
    .Width(Width)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
