// SPDX-License-Identifier: Apache-2.0
//
// Stream of vectors times a Hadamard matrix or its transpose: for each row the sum of all codes with
// the signs of that row.
//
// Golden twin: golden.ops.hadamard, its first step; each sum is a golden.ops.reduce_sum.
// Method:     a balanced tree for each row, neighbours first, each sum rounded, a register a level
//             (a node without a neighbour moves up as it is). A node is the sum of a few codes:
//             rows with the same signs there share it.
// Latency:    clog2(Order) cycles; one vector a cycle. Lane 0 is in the least significant bits.
// Specials:   see plena_fp_add_core; overflow saturates. A sign is exact.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_signed_sums
  import plena_pkg::*;
  import plena_hadamard_pkg::*;
#(
  parameter  int unsigned Fmt     = Bf16,
  parameter  int unsigned Order   = 12,    // K, of a matrix in plena_hadamard_pkg
  parameter  bit          Inverse = 1'b0,  // signs of its columns
  localparam fmt_t        F       = minifloat_of(Fmt),
  localparam int unsigned Width   = F.width
) (
  input  logic                        clk_i,        // clock
  input  logic                        rst_ni,       // asynchronous reset
  input  logic                        in_valid_i,   // a beat is offered
  output logic                        in_ready_o,   // and taken
  input  logic [Order-1:0][Width-1:0] x_i,          // vector, lane 0 lowest
  output logic                        out_valid_o,  // a result is offered
  input  logic                        out_ready_i,  // and taken
  output logic [Order-1:0][Width-1:0] y_o           // sum of each row, row 0 lowest
);
  localparam int unsigned Levels = $clog2(Order);

  localparam logic [Order-1:0][Order-1:0] Negative =
      (Order * Order)'(Inverse ? hadamard_transposed(8'(Order)) : hadamard_negative(8'(Order)));

  if (!is_hadamard_order(Order)) begin : gen_illegal_order
    $fatal(1, "plena_signed_sums: Order=%0d (4 times an odd number, 12 to %0d)", Order, MaxOrder);
  end

  // Node n of a level is the sum of columns n * 2^level and on, 2^level of them. The kinds of sums
  // at a node are numbered: those of each row ...
  function automatic logic [Order-1:0][7:0] kinds(int unsigned level, int unsigned node);
    logic [Order-1:0]      columns = (~(~Order'(0) << (1 << level))) << (node << level);
    logic [Order-1:0][7:0] kind    = '0;
    logic [7:0]            count   = '0;
    for (int unsigned row = 0; row < Order; row++) begin
      kind[row] = count;
      for (int unsigned other = 0; other < row && kind[row] == count; other++) begin
        if (((Negative[row] ^ Negative[other]) & columns) == '0) kind[row] = kind[other];
      end
      if (kind[row] == count) count++;
    end
    return kind;
  endfunction

  // ... and the first row of each kind; Order where there are fewer.
  function automatic int unsigned first_row(logic [Order-1:0][7:0] kind, int unsigned number);
    for (int unsigned row = 0; row < Order; row++) begin
      if (32'(kind[row]) == number) return row;
    end
    return Order;
  endfunction

  for (genvar level = 0; level <= Levels; level++) begin : gen_level
    localparam int unsigned Nodes = (Order + (1 << level) - 1) >> level;
    localparam int unsigned Kinds = min(1 << (1 << min(level, 3)), Order);  // signs, or rows
    logic                                   valid, ready;
    logic [Nodes-1:0][Kinds-1:0][Width-1:0] sum;

    // A node may have fewer kinds than there is room for.
    logic unused_kinds;
    assign unused_kinds = ^sum;

    if (level == 0) begin : gen_signs
      assign valid      = in_valid_i;
      assign in_ready_o = ready;
      for (genvar n = 0; n < Nodes; n++) begin : gen_node
        localparam logic [Order-1:0][7:0] Own = kinds(level, n);
        for (genvar k = 0; k < Kinds; k++) begin : gen_kind
          localparam int unsigned Row = first_row(Own, k);
          if (Row == Order) begin : gen_none
            assign sum[n][k] = '0;
          end else begin : gen_code
            if (Negative[Row][n]) begin : gen_minus
              plena_fp_neg_core #(
                .Fmt(Fmt)
              ) u_neg (
                .a_i(x_i[n]), .y_o(sum[n][k])
              );
            end else begin : gen_plus
              assign sum[n][k] = x_i[n];
            end
          end
        end
      end
    end else begin : gen_sums
      localparam int unsigned Below = (Order + (1 << (level - 1)) - 1) >> (level - 1);
      logic [Nodes-1:0][Kinds-1:0][Width-1:0] next;
      for (genvar n = 0; n < Nodes; n++) begin : gen_node
        if (2 * n + 1 == Below) begin : gen_single
          assign next[n] = (Kinds * Width)'(gen_level[level-1].sum[2*n]);
        end else begin : gen_pair
          localparam logic [Order-1:0][7:0] Own   = kinds(level, n);
          localparam logic [Order-1:0][7:0] Left  = kinds(level - 1, 2 * n);
          localparam logic [Order-1:0][7:0] Right = kinds(level - 1, 2 * n + 1);
          for (genvar k = 0; k < Kinds; k++) begin : gen_kind
            localparam int unsigned Row = first_row(Own, k);
            if (Row == Order) begin : gen_none
              assign next[n][k] = '0;
            end else begin : gen_sum
              plena_sum_node #(
                .Fmt(Fmt)
              ) u_node (
                .a_i(gen_level[level-1].sum[2*n][Left[Row]]),
                .b_i(gen_level[level-1].sum[2*n+1][Right[Row]]), .y_o(next[n][k])
              );
            end
          end
        end
      end
      plena_stream_reg #(
        .Width(Nodes * Kinds * Width)
      ) u_reg (
        .clk_i, .rst_ni,
        .in_valid_i(gen_level[level-1].valid), .in_ready_o(gen_level[level-1].ready),
        .in_data_i(next),
        .out_valid_o(valid), .out_ready_i(ready), .out_data_o(sum)
      );
    end
  end

  assign out_valid_o             = gen_level[Levels].valid;
  assign gen_level[Levels].ready = out_ready_i;
  assign y_o                     = gen_level[Levels].sum;
endmodule
