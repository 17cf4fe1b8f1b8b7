// SPDX-License-Identifier: Apache-2.0
//
// MX processing element, output stationary: one pair of elements a beat, a sum of blocks.
//
// Golden twin: golden.ops.mx_pe.
// Method:     a block counter and plena_mx_mac behind one handshake. Beats are counted off in
//             blocks of BlockSize; first_i restarts sum and counter and drops an unfinished block.
// Latency:    3 cycles; one pair a cycle, also across blocks. acc_o is the sum of the complete
//             blocks after each beat. The scales that count are those of a block's last beat.
// Specials:   as plena_mx_dot; one Inf or NaN element makes its whole block's partial NaN.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled. Nothing
//             moves while the output is stalled, not even into gaps.
// Reset:      asynchronous, active low: nothing in flight, no block begun, accumulator +0.
module plena_mx_pe
  import plena_pkg::*;
#(
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam int unsigned BlockSize = A.block_size,
  localparam int unsigned AWidth    = A.elem.width,
  localparam int unsigned BWidth    = B.elem.width,
  localparam int unsigned AccWidth  = Acc.width
) (
  input  logic                 clk_i,        // clock
  input  logic                 rst_ni,       // asynchronous reset
  input  logic                 in_valid_i,   // a beat is offered
  output logic                 in_ready_o,   // and taken
  input  logic [AWidth-1:0]    a_codes_i,    // element
  input  logic [A.scale_w-1:0] a_scale_i,    // its block's scale code
  input  logic [BWidth-1:0]    b_codes_i,    // element
  input  logic [B.scale_w-1:0] b_scale_i,    // its block's scale code
  input  logic                 first_i,      // the sum starts at +0
  output logic                 out_valid_o,  // a result is offered
  input  logic                 out_ready_i,  // and taken
  output logic [AccWidth-1:0]  acc_o         // running sum
);
  localparam int unsigned Latency = 3;

  logic               enable, last;
  logic [Latency-1:0] valid_q;  // of the beats in flight, the oldest on top

  assign enable      = !out_valid_o || out_ready_i;
  assign in_ready_o  = enable;
  assign out_valid_o = valid_q[Latency-1];

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) valid_q <= '0;
    else if (enable) valid_q <= {valid_q[Latency-2:0], in_valid_i};
  end

  plena_block_counter #(
    .BlockSize(BlockSize)
  ) u_counter (
    .clk_i, .rst_ni, .advance_i(in_valid_i && enable), .restart_i(first_i), .last_o(last)
  );

  plena_mx_mac #(
    .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt)
  ) u_mac (
    .clk_i, .rst_ni,
    .enable_i(enable), .valid_i(in_valid_i), .first_i, .last_i(last),
    .a_code_i(a_codes_i), .a_scale_i, .b_code_i(b_codes_i), .b_scale_i, .acc_o
  );
endmodule
