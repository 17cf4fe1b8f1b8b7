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
  parameter  int unsigned AExpW       = 0,              // 0: MXINT of 2 + AManW bits
  parameter  int unsigned AManW       = 6,
  parameter  int          ABias       = 0,
  parameter  int unsigned ASpecials   = SpecialsNone,
  parameter  int unsigned AScaleW     = 8,
  parameter  int unsigned BExpW       = 0,
  parameter  int unsigned BManW       = 6,
  parameter  int          BBias       = 0,
  parameter  int unsigned BSpecials   = SpecialsNone,
  parameter  int unsigned BScaleW     = 8,
  parameter  int unsigned BlockSize   = 32,
  parameter  int unsigned AccExpW     = 8,              // 0: fixed point, AccIntW.AccManW bits
  parameter  int unsigned AccManW     = 23,
  parameter  int          AccBias     = 127,
  parameter  int unsigned AccSpecials = SpecialsIeee,
  parameter  int unsigned AccIntW     = 2,
  parameter  bit          AccWrap     = 1'b0,
  localparam int unsigned AWidth      = AExpW == 0 ? 2 + AManW : 1 + AExpW + AManW,
  localparam int unsigned BWidth      = BExpW == 0 ? 2 + BManW : 1 + BExpW + BManW,
  localparam int unsigned AccWidth    = AccExpW == 0 ? AccIntW + AccManW : 1 + AccExpW + AccManW
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                in_valid_i,
  output logic                in_ready_o,
  input  logic [AWidth-1:0]   a_codes_i,
  input  logic [AScaleW-1:0]  a_scale_i,
  input  logic [BWidth-1:0]   b_codes_i,
  input  logic [BScaleW-1:0]  b_scale_i,
  input  logic                first_i,
  output logic                out_valid_o,
  input  logic                out_ready_i,
  output logic [AccWidth-1:0] acc_o
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
    .AExpW(AExpW), .AManW(AManW), .ABias(ABias), .ASpecials(ASpecials), .AScaleW(AScaleW),
    .BExpW(BExpW), .BManW(BManW), .BBias(BBias), .BSpecials(BSpecials), .BScaleW(BScaleW),
    .BlockSize(BlockSize),
    .AccExpW(AccExpW), .AccManW(AccManW), .AccBias(AccBias), .AccSpecials(AccSpecials),
    .AccIntW(AccIntW), .AccWrap(AccWrap)
  ) u_mac (
    .clk_i, .rst_ni,
    .enable_i(enable), .valid_i(in_valid_i), .first_i, .last_i(last),
    .a_code_i(a_codes_i), .a_scale_i, .b_code_i(b_codes_i), .b_scale_i, .acc_o
  );
endmodule
