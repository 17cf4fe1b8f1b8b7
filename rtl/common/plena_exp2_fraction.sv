// SPDX-License-Identifier: Apache-2.0
//
// Stream of powers of two of a fraction f: sig_o = 2^f, in [1, 2), from tables and one linear step.
//
// Golden twin: golden.ops.exp2, between two integers.
// Contract:   0 <= 2^f - sig_o < 2^(3 - FracW); exactly 1 for f = 0.
// Method:     f = digit 0, digit 1 …, rest: 2^f is the product of the digits' table entries and of
//             2^rest = 1 + rest * ln 2, where the digits cover half of f's bits. From the last to
//             the first with y = 2^(what is done) - 1: (1 + y)(1 + d) - 1 = y + d + y * d. The
//             first three digits have a stage each; what comes before them is small. All is cut,
//             never rounded up, in units of 2^-W. side_i travels along.
// Latency:    3 cycles; one result a cycle.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_exp2_fraction
  import plena_pkg::*;
  import plena_exp2_pkg::*;
#(
  parameter int unsigned FracW = 28,  // 2 .. 56
  parameter int unsigned SideW = 8
) (
  input  logic             clk_i,        // clock
  input  logic             rst_ni,       // asynchronous reset
  input  logic             in_valid_i,   // a beat is offered
  output logic             in_ready_o,   // and taken
  input  logic [FracW-1:0] f_i,          // fraction f, FracW bits
  input  logic [SideW-1:0] side_i,       // travels along
  output logic             out_valid_o,  // a result is offered
  input  logic             out_ready_i,  // and taken
  output logic [FracW:0]   sig_o,        // 2^f, 1.FracW bits
  output logic [SideW-1:0] side_o        // side_i of this result
);
  localparam int unsigned W       = FracW + 3;
  localparam int unsigned Stages  = 3;
  localparam int unsigned Digits  = max((FracW + 2 * DigitW - 1) / (2 * DigitW), Stages);
  localparam int unsigned DigitsW = Digits * DigitW;
  // Padded below, so that there are all digits and a rest in the narrowest f.
  localparam int unsigned RestW   = max(int'(FracW) - int'(DigitsW), 1);

  logic [DigitsW+RestW-1:0] padded;
  logic [2*RestW+2:0]       linear;   // rest * ln 2

  assign padded = (DigitsW + RestW)'(f_i) << (DigitsW + RestW - FracW);
  assign linear = (2 * RestW + 3)'(padded[RestW-1:0]) * (2 * RestW + 3)'(Ln2[Ln2W-1-:RestW+3]);

  // gen_digit[d].y holds digits d and later and the rest; below 2^(-DigitW * d).
  for (genvar d = Digits; d >= 0; d--) begin : gen_digit
    logic               valid, ready;
    logic [SideW-1:0]   side;
    logic [DigitsW-1:0] f;
    logic [W-1:0]       y;

    if (d == Digits) begin : gen_rest
      assign {valid, side, f} = {in_valid_i, side_i, padded[RestW+:DigitsW]};
      assign y = W'({DigitsW'(0), linear, W'(0)} >> (DigitsW + 2 * RestW + 3));
      assign in_ready_o = ready;
    end else begin : gen_table
      // y * entry matters down to 2^-W: each factor down to 2^-W over the other's bound.
      localparam int unsigned FactorW = max(int'(W) - int'(DigitW) * (2 * d + 1), 1);
      logic [W-1:0]         prev, entry, done;
      logic [FactorW-1:0]   y_factor, entry_factor;
      logic [2*FactorW-1:0] product;

      assign prev         = gen_digit[d+1].y;
      assign entry        = W'(exp2_digit(d, gen_digit[d+1].f[(Digits-1-d)*DigitW+:DigitW])
                               >> (TableW - W));
      assign y_factor     = FactorW'(prev >> (DigitW * d));
      assign entry_factor = FactorW'({DigitsW'(0), entry} >> (DigitW * (d + 1)));
      assign product      = (2 * FactorW)'(y_factor) * (2 * FactorW)'(entry_factor);

      assign done         = prev + entry + W'(product >> FactorW);

      if (d < Stages) begin : gen_reg
        plena_stream_reg #(
          .Width(SideW + DigitsW + W)
        ) u_reg (
          .clk_i, .rst_ni,
          .in_valid_i(gen_digit[d+1].valid), .in_ready_o(gen_digit[d+1].ready),
          .in_data_i({gen_digit[d+1].side, gen_digit[d+1].f, done}),
          .out_valid_o(valid), .out_ready_i(ready), .out_data_o({side, f, y})
        );
      end else begin : gen_wire
        assign {valid, side, f} = {gen_digit[d+1].valid, gen_digit[d+1].side, gen_digit[d+1].f};
        assign y = done;
        assign gen_digit[d+1].ready = ready;
      end
    end
  end

  assign out_valid_o = gen_digit[0].valid;
  assign gen_digit[0].ready = out_ready_i;
  assign side_o = gen_digit[0].side;
  assign sig_o  = (FracW + 1)'({1'b1, gen_digit[0].y} >> (W - FracW));
  logic unused_f;
  assign unused_f = ^gen_digit[0].f;
endmodule
