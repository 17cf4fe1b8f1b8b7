// SPDX-License-Identifier: Apache-2.0
//
// Logical right shift that keeps a window and remembers what left it on either side.
//
// Contract:   data_o = low OutW bits of data_i >> (Drop + shift_i); sticky_o = a one left below the
//             window, over_o = a one is above it.
// Method:     logarithmic, coarse steps first: what no later step can bring back into the window
//             leaves the datapath at once, so that each step is only as wide as it must be.
// Specials:   a caller that knows that nothing is above the window leaves over_o open.
// Latency:    combinational.
module plena_shift_sticky #(
  parameter int unsigned InW    = 8,
  parameter int unsigned OutW   = 4,
  parameter int unsigned ShiftW = 3,
  parameter int unsigned Drop   = 0  // low bits of data_i that are below the window at any shift
) (
  input  logic [InW-1:0]    data_i,    // word
  input  logic [ShiftW-1:0] shift_i,   // places to the right, beside Drop
  output logic [OutW-1:0]   data_o,    // window
  output logic              sticky_o,  // a one left below it
  output logic              over_o     // a one is above it
);
  // Step s shifts by 2^(ShiftW-1-s); afterwards OutW + 2^(ShiftW-1-s) - 1 bits can still matter.
  for (genvar step = 0; step <= ShiftW; step++) begin : gen_step
    localparam int unsigned Amount = 1 << (ShiftW - step);  // of the step that made `data`
    localparam int unsigned Width  = OutW + Amount - 1;
    logic [Width-1:0] data;
    logic             sticky, over;
    if (step == 0) begin : gen_in
      localparam int unsigned KeptW = InW - Drop;
      assign data = Width'(data_i >> Drop);
      if (Drop > 0) begin : gen_drop
        assign sticky = |data_i[Drop-1:0];
      end else begin : gen_no_drop
        assign sticky = 1'b0;
      end
      if (KeptW > Width) begin : gen_over
        assign over = |data_i[InW-1:Drop+Width];
      end else begin : gen_no_over
        assign over = 1'b0;
      end
    end else begin : gen_shift
      localparam int unsigned PrevW = OutW + 2 * Amount - 1;  // Width + Amount
      logic [PrevW-1:0] prev;
      logic             taken;
      assign prev   = gen_step[step-1].data;
      assign taken  = shift_i[ShiftW-step];
      assign data   = taken ? prev[PrevW-1:Amount] : prev[Width-1:0];
      assign sticky = gen_step[step-1].sticky | (taken & (|prev[Amount-1:0]));
      assign over   = gen_step[step-1].over | (!taken & (|prev[PrevW-1:Width]));
    end
  end

  assign data_o   = gen_step[ShiftW].data;
  assign sticky_o = gen_step[ShiftW].sticky;
  assign over_o   = gen_step[ShiftW].over;
endmodule
