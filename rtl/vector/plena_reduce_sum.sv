// Stream of reduced vectors: seed + the sum of the masked lanes, each addition rounded.
//
// Golden twin: golden.ops.reduce_sum.
// Method:     plena_reduce.
// Latency:    2 + clog2(Lanes) cycles; one vector a cycle. Lane 0 is in the least significant bits.
// Specials, handshake, reset: see plena_reduce.
module plena_reduce_sum
  import plena_pkg::*;
#(
  parameter  int unsigned SrcExpW     = 8,
  parameter  int unsigned SrcManW     = 7,
  parameter  int          SrcBias     = 127,
  parameter  int unsigned SrcSpecials = SpecialsIeee,
  parameter  int unsigned DstExpW     = 8,
  parameter  int unsigned DstManW     = 23,
  parameter  int          DstBias     = 127,
  parameter  int unsigned DstSpecials = SpecialsIeee,
  parameter  int unsigned Lanes       = 16,
  localparam int unsigned SrcWidth    = 1 + SrcExpW + SrcManW,
  localparam int unsigned DstWidth    = 1 + DstExpW + DstManW
) (
  input  logic                           clk_i,
  input  logic                           rst_ni,
  input  logic                           in_valid_i,
  output logic                           in_ready_o,
  input  logic [Lanes-1:0][SrcWidth-1:0] x_i,
  input  logic [Lanes-1:0]               mask_i,
  input  logic            [DstWidth-1:0] seed_i,
  output logic                           out_valid_o,
  input  logic                           out_ready_i,
  output logic            [DstWidth-1:0] y_o
);
  localparam int unsigned Latency = 2 + $clog2(Lanes);

  plena_reduce #(
    .SrcExpW(SrcExpW), .SrcManW(SrcManW), .SrcBias(SrcBias), .SrcSpecials(SrcSpecials),
    .DstExpW(DstExpW), .DstManW(DstManW), .DstBias(DstBias), .DstSpecials(DstSpecials),
    .Lanes(Lanes), .Largest(1'b0)
  ) u_reduce (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .x_i, .mask_i, .seed_i,
    .out_valid_o, .out_ready_i, .y_o
  );
endmodule
