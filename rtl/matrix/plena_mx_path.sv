// SPDX-License-Identifier: Apache-2.0
//
// The rounding path of the matrix unit: serves so many lanes in turn, a lane a cycle.
//
// Golden twin: golden.ops.dot.round_partial and accumulate, then cast.
// Contract:   valid_i brings what lane slot_i has summed. Its accumulator becomes
//             RN_acc(acc + RN_acc(sum * 2^scale)) if complete_i, from +0 if first_i; else it stays,
//             or becomes +0. y_o is that, cast once to the vector format.
// Method:     partial | add | cast, a register before each, and if Stages is 2 one inside partial
//             and add, before rounding; the accumulators are a memory of one read and one write a
//             cycle. A lane comes back no sooner than after all others, Slots cycles after it was
//             read; what it has become is there to be read after Stages + 1.
// Latency:    y_o shows 1 + 2 * Stages cycles after valid_i; a lane a cycle.
// Specials:   as plena_mx_dot; the cast saturates.
// Reset:      asynchronous, active low: nothing in flight. Accumulators have none: first_i.
module plena_mx_path
  import plena_pkg::*;
#(
  parameter  int unsigned Slots     = 32,
  parameter  bit [63:0]   AMx       = pack_mxint(8, 32),
  parameter  bit [63:0]   BMx       = pack_mxint(8, 32),
  parameter  int unsigned AccFmt    = Fp32,  // of sums; minifloat or fixed point
  parameter  int unsigned VFmt      = Bf16,  // of results; minifloat or fixed point
  parameter  int unsigned Stages    = 1,     // steps of partial and of add
  localparam mx_t         A         = mx_of(AMx),
  localparam mx_t         B         = mx_of(BMx),
  localparam fmt_t        Acc       = fmt_of(AccFmt),
  localparam fmt_t        V         = fmt_of(VFmt),
  localparam int unsigned SumW      = mx_dot_width(A, B),
  localparam int unsigned ScaleSumW = scale_sum_width(A, B),
  localparam int unsigned SlotW     = max($clog2(Slots), 1),
  localparam int unsigned VWidth    = V.width
) (
  input  logic                 clk_i,       // clock
  input  logic                 rst_ni,      // asynchronous reset
  input  logic                 valid_i,     // a lane's sum
  input  logic [SlotW-1:0]     slot_i,      // which lane
  input  logic                 first_i,     // its accumulator starts at +0
  input  logic                 complete_i,  // the sum is that of a whole block
  input  logic [SumW-1:0]      sum_i,       // exact block dot, two's complement
  input  logic [ScaleSumW-1:0] scale_i,     // sum of both scale codes
  input  logic                 nan_i,       // an element or a scale is NaN
  output logic [VWidth-1:0]    y_o          // the lane's sum of blocks
);
  if (Stages != 1 && Stages != 2) begin : gen_illegal_stages
    $fatal(1, "plena_mx_path: Stages=%0d, must be 1 or 2", Stages);
  end
  if (Stages > 1 && Slots < Stages + 1) begin : gen_illegal_slots
    $fatal(1, "plena_mx_path: Slots=%0d lanes in turn with Stages=%0d, must be at least %0d: ",
           Slots, Stages, Stages + 1, "a sum is written before it is read again");
  end

  localparam int unsigned AccWidth = Acc.width;

  logic                 s1_valid_q, s1_first_q, s1_complete_q, s1_nan_q;
  logic [SlotW-1:0]     s1_slot_q, s2_slot_q;
  logic [SumW-1:0]      s1_sum_q;
  logic [ScaleSumW-1:0] s1_scale_q;
  logic                 round_valid, round_first, round_complete;
  logic [SlotW-1:0]     round_slot, write_slot;
  logic                 s2_valid_q, s2_first_q, s2_complete_q, write_valid;
  logic [AccWidth-1:0]  partial, s2_partial_q, previous, next, acc_q;
  logic [AccWidth-1:0]  memory_q [Slots];

  if (Stages == 1) begin : gen_step
    plena_mx_partial_core #(
      .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt)
    ) u_partial (
      .sum_i(s1_sum_q), .scale_i(s1_scale_q), .nan_i(s1_nan_q), .partial_o(partial)
    );

    plena_mx_accumulate_core #(
      .Fmt(AccFmt)
    ) u_accumulate (
      .acc_i(previous), .partial_i(s2_partial_q), .first_i(s2_first_q), .last_i(s2_complete_q),
      .acc_o(next)
    );

    assign {round_valid, round_first, round_complete} = {s1_valid_q, s1_first_q, s1_complete_q};
    assign {write_valid, write_slot} = {s2_valid_q, s2_slot_q};
    assign round_slot = s1_slot_q;
  end else begin : gen_steps
    plena_mx_partial_staged #(
      .AMx(AMx), .BMx(BMx), .AccFmt(AccFmt)
    ) u_partial (
      .clk_i, .enable_i(s1_valid_q),
      .sum_i(s1_sum_q), .scale_i(s1_scale_q), .nan_i(s1_nan_q), .partial_o(partial)
    );
    plena_delay_line #(
      .Width(3 + SlotW), .Depth(1)
    ) u_partial_of (
      .clk_i, .rst_ni, .enable_i(1'b1),
      .data_i({s1_valid_q, s1_first_q, s1_complete_q, s1_slot_q}),
      .data_o({round_valid, round_first, round_complete, round_slot})
    );

    plena_mx_accumulate_staged #(
      .Fmt(AccFmt)
    ) u_accumulate (
      .clk_i, .enable_i(s2_valid_q), .acc_i(previous), .partial_i(s2_partial_q),
      .first_i(s2_first_q), .last_i(s2_complete_q), .acc_o(next)
    );
    plena_delay_line #(
      .Width(1 + SlotW), .Depth(1)
    ) u_sum_of (
      .clk_i, .rst_ni, .enable_i(1'b1),
      .data_i({s2_valid_q, s2_slot_q}), .data_o({write_valid, write_slot})
    );
  end

  plena_fp_cast_core #(
    .SrcFmt(AccFmt), .DstFmt(VFmt)
  ) u_cast (
    .a_i(acc_q), .y_o
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) begin
      s1_valid_q <= 1'b0;
      s2_valid_q <= 1'b0;
    end else begin
      s1_valid_q <= valid_i;
      s2_valid_q <= round_valid;
    end
  end

  always_ff @(posedge clk_i) begin
    if (valid_i) begin
      s1_slot_q     <= slot_i;
      s1_first_q    <= first_i;
      s1_complete_q <= complete_i;
      s1_sum_q      <= sum_i;
      s1_scale_q    <= scale_i;
      s1_nan_q      <= nan_i;
    end
    if (round_valid) begin
      s2_slot_q     <= round_slot;
      s2_first_q    <= round_first;
      s2_complete_q <= round_complete;
      s2_partial_q  <= partial;
    end
    if (write_valid) begin
      memory_q[write_slot] <= next;
      acc_q                <= next;
    end
  end

  if (Slots == 1) begin : gen_one
    assign previous = acc_q;

    logic unused_memory;
    assign unused_memory = ^memory_q[0];
  end else begin : gen_many
    // Read a cycle ahead: the memory is not on the adder's path.
    logic [AccWidth-1:0] s2_previous_q;
    always_ff @(posedge clk_i) if (round_valid) s2_previous_q <= memory_q[round_slot];
    assign previous = s2_previous_q;
  end
endmodule
