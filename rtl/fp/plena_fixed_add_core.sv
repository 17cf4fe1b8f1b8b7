// Sum of two fixed-point codes of one format, saturating or wrapping; exact but for the overflow.
//
// Golden twin: golden.ops.dot.accumulate for a FixedPoint.
// Latency:    combinational.
module plena_fixed_add_core #(
  parameter int unsigned Width = 32,
  parameter bit          Wrap  = 1'b0
) (
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic [Width-1:0] y_o
);
  logic [Width:0] sum;
  logic           over;

  assign sum  = {a_i[Width-1], a_i} + {b_i[Width-1], b_i};
  assign over = sum[Width] != sum[Width-1];
  assign y_o  = over && !Wrap ? {sum[Width], {(Width - 1){!sum[Width]}}} : sum[Width-1:0];
endmodule
