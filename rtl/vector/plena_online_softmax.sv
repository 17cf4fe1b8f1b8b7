// SPDX-License-Identifier: Apache-2.0
//
// Online softmax: one block of a row a beat, with a running maximum m and a running sum l.
//
// Golden twin: golden.ops.online_softmax.
// Method:     maximum of the block | m' = max(m, it) | differences | c = exp(m - m') and
//             p = exp(x - m') | sum of p | l' = l * c + it. Each state is kept by the register
//             after it: m with the bits of the lowest value flipped, so that reset starts there.
//             first_i restarts both before its beat; they move only with accepted beats. Lane 0 is
//             in the least significant bits; a masked lane takes no part and its p is +0.
// Latency:    online_softmax_latency(Lanes) = 14 + 2 clog2(Lanes) cycles; one block a cycle, also
//             into one row.
// Specials:   -Inf gives p = +0, and a block of nothing else leaves m and l as they were; +Inf or
//             NaN makes its p NaN, and l until the next first_i.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight, m the lowest finite value, l +0.
module plena_online_softmax
  import plena_pkg::*;
#(
  parameter  int unsigned Fmt    = Bf16,
  parameter  int unsigned RedFmt = Fp32,  // of sums and maxima
  parameter  int unsigned Lanes  = 8,
  localparam fmt_t        F      = minifloat_of(Fmt),
  localparam int unsigned Width  = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Lanes-1:0][Width-1:0] x_i,          // block of a row, lane 0 lowest
  input  logic            [Lanes-1:0] mask_i,       // lanes that take part
  input  logic                        first_i,      // first block of a row
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Lanes-1:0][Width-1:0] p_o,          // exp(x - m)
  output logic            [Width-1:0] c_o,          // exp(m before - m)
  output logic            [Width-1:0] l_o,          // running sum of p
  output logic            [Width-1:0] m_o           // running maximum
);
  localparam int unsigned Latency = online_softmax_latency(Lanes);

  if (!is_minifloat(Fmt) || Width > 16) begin : gen_illegal_format
    $fatal(1, "plena_online_softmax: no minifloat of up to 16 bits: Fmt=%s", fmt_text(Fmt));
  end
  if (!is_minifloat(RedFmt)) begin : gen_illegal_red
    $fatal(1, "plena_online_softmax: no minifloat: RedFmt=%s", fmt_text(RedFmt));
  end
  if (Lanes == 0) begin : gen_illegal_lanes
    $fatal(1, "plena_online_softmax: Lanes=%0d must be at least 1", Lanes);
  end

  localparam logic [Width-1:0] Lowest = {1'b1, (Width - 1)'(max_code(F))};

  logic [Lanes-1:0][Width-1:0] s1_x, s2_x, d, s3_d, e, p, s5_p;
  logic [Lanes-1:0]            s1_mask, s2_mask, s3_mask, s4_mask;
  logic            [Width-1:0] s1_largest, old_m, m, s2_old_m, s2_m, s3_m, s4_m, s5_m;
  logic            [Width-1:0] shrink, s3_shrink, c, s5_c, s5_total, previous, product, total;
  logic [Width-1:0]            s2_m_flipped;
  logic                        s1_first, s2_first, s3_first, s4_first, s5_first;
  logic s1_valid, s1_ready, s2_valid, s2_ready, s3_valid, s3_ready, s4_valid, s4_ready, s5_valid;
  logic s5_ready;

  plena_reduce_row #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Lanes), .Largest(1'b1), .SideW(Lanes * (Width + 1) + 1)
  ) u_max (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .x_i, .mask_i, .side_i({x_i, mask_i, first_i}),
    .out_valid_o(s1_valid), .out_ready_i(s1_ready),
    .y_o(s1_largest), .side_o({s1_x, s1_mask, s1_first})
  );

  assign s2_m  = s2_m_flipped ^ Lowest;
  assign old_m = s1_first ? Lowest : s2_m;

  plena_fp_max_core #(
    .Fmt(Fmt)
  ) u_running_max (
    .a_i(old_m), .b_i(s1_largest), .y_o(m)
  );

  plena_stream_reg #(
    .Width(Lanes * (Width + 1) + 1 + 2 * Width)
  ) u_m (
    .clk_i, .rst_ni,
    .in_valid_i(s1_valid), .in_ready_o(s1_ready),
    .in_data_i({s1_x, s1_mask, s1_first, old_m, m ^ Lowest}),
    .out_valid_o(s2_valid), .out_ready_i(s2_ready),
    .out_data_o({s2_x, s2_mask, s2_first, s2_old_m, s2_m_flipped})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_sub
    plena_fp_add_core #(
      .Fmt(Fmt), .BFlipped(1'b1)
    ) u_sub (
      .a_i(s2_x[lane]), .b_i(s2_m ^ {1'b1, (Width - 1)'(0)}), .y_o(d[lane])
    );
  end

  plena_fp_add_core #(
    .Fmt(Fmt), .BFlipped(1'b1)
  ) u_shrink (
    .a_i(s2_old_m), .b_i(s2_m ^ {1'b1, (Width - 1)'(0)}), .y_o(shrink)
  );

  plena_stream_reg #(
    .Width((Lanes + 2) * Width + Lanes + 1)
  ) u_difference (
    .clk_i, .rst_ni,
    .in_valid_i(s2_valid), .in_ready_o(s2_ready), .in_data_i({shrink, d, s2_mask, s2_first, s2_m}),
    .out_valid_o(s3_valid), .out_ready_i(s3_ready),
    .out_data_o({s3_shrink, s3_d, s3_mask, s3_first, s3_m})
  );

  plena_function_lanes #(
    .Function(FunctionExp), .Fmt(Fmt), .Lanes(Lanes + 1), .SideW(Lanes + 1 + Width)
  ) u_exp (
    .clk_i, .rst_ni,
    .in_valid_i(s3_valid), .in_ready_o(s3_ready),
    .a_i({s3_shrink, s3_d}), .side_i({s3_mask, s3_first, s3_m}),
    .out_valid_o(s4_valid), .out_ready_i(s4_ready), .y_o({c, e}), .side_o({s4_mask, s4_first, s4_m})
  );

  for (genvar lane = 0; lane < Lanes; lane++) begin : gen_mask
    assign p[lane] = e[lane] & {Width{s4_mask[lane]}};
  end

  plena_reduce_row #(
    .Fmt(Fmt), .RedFmt(RedFmt), .Lanes(Lanes), .Largest(1'b0), .SideW((Lanes + 2) * Width + 1)
  ) u_sum (
    .clk_i, .rst_ni,
    .in_valid_i(s4_valid), .in_ready_o(s4_ready),
    .x_i(p), .mask_i(s4_mask), .side_i({p, c, s4_first, s4_m}),
    .out_valid_o(s5_valid), .out_ready_i(s5_ready),
    .y_o(s5_total), .side_o({s5_p, s5_c, s5_first, s5_m})
  );

  assign previous = s5_first ? '0 : l_o;

  plena_fp_mul_core #(
    .Fmt(Fmt)
  ) u_shrunk (
    .a_i(previous), .b_i(s5_c), .y_o(product)
  );
  plena_fp_add_core #(
    .Fmt(Fmt)
  ) u_total (
    .a_i(product), .b_i(s5_total), .y_o(total)
  );

  plena_stream_reg #(
    .Width((Lanes + 3) * Width)
  ) u_out (
    .clk_i, .rst_ni,
    .in_valid_i(s5_valid), .in_ready_o(s5_ready), .in_data_i({s5_p, s5_c, total, s5_m}),
    .out_valid_o, .out_ready_i, .out_data_o({p_o, c_o, l_o, m_o})
  );
endmodule
