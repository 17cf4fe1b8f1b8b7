// SPDX-License-Identifier: Apache-2.0
//
// plena_mx_dot as a stream: the contract, and every beat adds its own partial to the sum before it.
//
// Method:     plena_stream_props picks any one beat of MXINT blocks; its partial is computed here
//             from plain integers. When the beat is at the output, it must be the saturating sum of
//             that partial and the result taken just before (of 0 if it restarts).
//             The accumulator is an integer, so that a partial needs no rounding: scales below 1
//             are left out by assumed_o.
// Latency:    Latency, that of plena_mx_dot.
module plena_mx_dot_stream_props
  import plena_pkg::*;
#(
  parameter  int unsigned ManW      = 0,  // elements: MXINT of 2 + ManW bits
  parameter  int unsigned BlockSize = 2,
  parameter  int unsigned AccW      = 4,
  parameter  int unsigned Latency   = 3,
  localparam int unsigned ScaleW    = 2,  // codes 0..3 are 2^-1..2^2
  localparam int unsigned Width     = 2 + ManW
) (
  input  logic                             clk_i,        // clock
  input  logic                             rst_ni,       // asynchronous reset
  input  logic                             in_valid_i,   // a beat is offered
  output logic                             in_ready_o,   // and taken
  input  logic [BlockSize-1:0][Width-1:0]  a_codes_i,    // elements, lane by lane
  input  logic                [ScaleW-1:0] a_scale_i,    // scale code
  input  logic [BlockSize-1:0][Width-1:0]  b_codes_i,    // elements, lane by lane
  input  logic                [ScaleW-1:0] b_scale_i,    // scale code
  input  logic                             first_i,      // the sum starts at +0
  output logic                             out_valid_o,  // a result is offered
  input  logic                             out_ready_i,  // and taken
  output logic                [AccW-1:0]   acc_o,        // running sum of the block
  input  logic                             pick_i,       // this beat is followed; free
  output logic                             assumed_o,    // scales are 1 or more
  output logic                             holds_o       // what is to be proven
);
  localparam bit [63:0] Mx = pack_mx(pack_fixed(2, ManW, 1'b0, 1'b1), BlockSize, ScaleW, RuleFloor,
                                     RoundNearestEven);
  localparam int unsigned MostW = 2 * Width + $clog2(BlockSize) + 8;  // no sum here overflows
  localparam logic signed [MostW-1:0] High = MostW'((1 << (AccW - 1)) - 1);
  localparam logic signed [MostW-1:0] Low  = -High - 1;

  function automatic logic signed [MostW-1:0] clip(logic signed [MostW-1:0] number);
    return number > High ? High : number < Low ? Low : number;
  endfunction

  logic                    take, due, contract, first_q, out_taken;
  logic [AccW-1:0]         previous_q;
  logic signed [MostW-1:0] a_number, b_number, previous, acc, dot, next, partial_q;

  always_comb begin
    dot      = '0;
    a_number = '0;
    b_number = '0;
    for (int unsigned lane = 0; lane < BlockSize; lane++) begin
      a_number = {{(MostW - Width){a_codes_i[lane][Width-1]}}, a_codes_i[lane]};
      b_number = {{(MostW - Width){b_codes_i[lane][Width-1]}}, b_codes_i[lane]};
      dot += a_number * b_number;
    end
  end

  plena_mx_dot #(
    .AMx(Mx), .BMx(Mx), .AccFmt(pack_fixed(AccW, 0, 1'b0, 1'b0))
  ) u_dut (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .a_codes_i, .a_scale_i, .b_codes_i, .b_scale_i,
    .first_i, .out_valid_o, .out_ready_i, .acc_o
  );

  plena_stream_props #(
    .Latency(Latency), .Width(AccW), .Elastic(1'b1)
  ) u_props (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_i(in_ready_o), .out_valid_i(out_valid_o), .out_ready_i,
    .payload_i(acc_o), .pick_i, .take_o(take), .due_o(due), .holds_o(contract)
  );

  assign assumed_o = 32'(a_scale_i) + 32'(b_scale_i) >= 2 + 2 * ManW;
  assign out_taken = out_valid_o && out_ready_i;
  assign previous  = {{(MostW - AccW){previous_q[AccW-1]}}, previous_q};
  assign acc       = {{(MostW - AccW){acc_o[AccW-1]}}, acc_o};
  assign next      = clip((first_q ? '0 : previous) + partial_q);

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      first_q    <= 1'b0;
      partial_q  <= '0;
      previous_q <= '0;
    end else begin
      if (take) begin
        first_q   <= first_i;
        partial_q <= clip(dot << (32'(a_scale_i) + 32'(b_scale_i) - 2 - 2 * ManW));
      end
      if (out_taken) previous_q <= acc_o;
    end
  end

  // Between results the sum is what was taken last.
  assign holds_o = contract && (!due || acc == next)
                && (out_valid_o || acc_o == previous_q);
endmodule
