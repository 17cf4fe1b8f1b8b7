// Stream of exact quotients, cut once: quot_o = floor(num_i * 2^QuotW / den_i).
//
// Method:     plena_divide twice, a register after each half. side_i travels along.
// Contract:   num_i < den_i; sticky_o: the quotient goes on below quot_o.
// Latency:    2 cycles; one quotient a cycle.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_divide_stream #(
  parameter int unsigned Width = 8,   // of the divisor
  parameter int unsigned QuotW = 8,   // at least 2
  parameter int unsigned SideW = 8
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] num_i,
  input  logic [Width-1:0] den_i,
  input  logic [SideW-1:0] side_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [QuotW-1:0] quot_o,
  output logic             sticky_o,
  output logic [SideW-1:0] side_o
);
  localparam int unsigned HighW = QuotW / 2;
  localparam int unsigned LowW  = QuotW - HighW;

  logic             s1_valid, s1_ready;
  logic [HighW-1:0] high, s1_high;
  logic [LowW-1:0]  low;
  logic [Width-1:0] rem, s1_rem, s1_den, last_rem;
  logic [SideW-1:0] s1_side;

  plena_divide #(
    .Width(Width), .QuotW(HighW)
  ) u_high (
    .num_i, .den_i, .quot_o(high), .rem_o(rem)
  );

  plena_stream_reg #(
    .Width(SideW + HighW + 2 * Width)
  ) u_stage1 (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({side_i, high, rem, den_i}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready), .out_data_o({s1_side, s1_high, s1_rem, s1_den})
  );

  plena_divide #(
    .Width(Width), .QuotW(LowW)
  ) u_low (
    .num_i(s1_rem), .den_i(s1_den), .quot_o(low), .rem_o(last_rem)
  );

  plena_stream_reg #(
    .Width(SideW + QuotW + 1)
  ) u_stage2 (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .in_data_i({s1_side, s1_high, low, last_rem != '0}),
    .out_valid_o, .out_ready_i, .out_data_o({side_o, quot_o, sticky_o})
  );
endmodule
