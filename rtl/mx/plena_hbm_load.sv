// Stream of MX blocks as memory holds them, unpacked and dequantised to scalar codes.
//
// Golden twin: golden.ops.hbm_load.
// Method:     wires and plena_mx_to_fp. Bytes lie as plena_hbm_store leaves them; bits that no
//             element and no scale uses are ignored.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_mx_to_fp_core; Saturate = 0 overflows as IEEE 754 does.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_hbm_load
  import plena_pkg::*;
#(
  parameter  int unsigned ElemExpW     = 0,              // 0: MXINT of 2 + ElemManW bits
  parameter  int unsigned ElemManW     = 6,
  parameter  int          ElemBias     = 0,
  parameter  int unsigned ElemSpecials = SpecialsNone,
  parameter  int unsigned BlockSize    = 32,
  parameter  int unsigned ScaleW       = 8,
  parameter  int unsigned DstExpW      = 8,
  parameter  int unsigned DstManW      = 7,
  parameter  int          DstBias      = 127,
  parameter  int unsigned DstSpecials  = SpecialsIeee,
  parameter  int unsigned Rounding     = RoundNearestEven,
  parameter  bit          Saturate     = 1'b1,
  localparam int unsigned ElemWidth    = ElemExpW == 0 ? 2 + ElemManW : 1 + ElemExpW + ElemManW,
  localparam int unsigned ElemBytes    = (BlockSize * ElemWidth + 7) / 8,
  localparam int unsigned DstWidth     = 1 + DstExpW + DstManW
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               in_valid_i,
  output logic                               in_ready_o,
  input  logic            [ElemBytes:0][7:0] data_i,
  output logic                               out_valid_o,
  input  logic                               out_ready_i,
  output logic [BlockSize-1:0][DstWidth-1:0] y_o
);
  localparam int unsigned Latency = 1;

  logic [8*ElemBytes-1:0] elements;
  logic             [7:0] scale;
  logic                   unused_bits;

  assign {scale, elements} = data_i;
  assign unused_bits       = ^{scale, elements};

  plena_mx_to_fp #(
    .ElemExpW(ElemExpW), .ElemManW(ElemManW), .ElemBias(ElemBias), .ElemSpecials(ElemSpecials),
    .BlockSize(BlockSize), .ScaleW(ScaleW),
    .DstExpW(DstExpW), .DstManW(DstManW), .DstBias(DstBias), .DstSpecials(DstSpecials),
    .Rounding(Rounding), .Saturate(Saturate)
  ) u_dequantize (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o,
    .codes_i(elements[BlockSize*ElemWidth-1:0]), .scale_i(scale[ScaleW-1:0]),
    .out_valid_o, .out_ready_i, .y_o
  );
endmodule
