// Stream of blocks of minifloat codes quantised to MX and packed into bytes, as memory holds them.
//
// Golden twin: golden.ops.hbm_store.
// Method:     plena_fp_to_mx and wires. Byte 0 is in the least significant bits, element 0 in its
//             lowest; bits of the last element byte beyond the elements are 0; the scale comes last.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_fp_to_mx_core.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_hbm_store
  import plena_pkg::*;
#(
  parameter  int unsigned SrcExpW      = 8,
  parameter  int unsigned SrcManW      = 7,
  parameter  int          SrcBias      = 127,
  parameter  int unsigned SrcSpecials  = SpecialsIeee,
  parameter  int unsigned ElemExpW     = 0,              // 0: MXINT of 2 + ElemManW bits
  parameter  int unsigned ElemManW     = 6,
  parameter  int          ElemBias     = 0,
  parameter  int unsigned ElemSpecials = SpecialsNone,
  parameter  int unsigned BlockSize    = 32,
  parameter  int unsigned ScaleW       = 8,
  parameter  int unsigned ScaleRule    = RuleFloor,
  parameter  bit          Symmetric    = 1'b1,
  parameter  int unsigned Rounding     = RoundNearestEven,
  localparam int unsigned SrcWidth     = 1 + SrcExpW + SrcManW,
  localparam int unsigned ElemWidth    = ElemExpW == 0 ? 2 + ElemManW : 1 + ElemExpW + ElemManW,
  localparam int unsigned ElemBytes    = (BlockSize * ElemWidth + 7) / 8
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               in_valid_i,
  output logic                               in_ready_o,
  input  logic [BlockSize-1:0][SrcWidth-1:0] x_i,
  output logic                               out_valid_o,
  input  logic                               out_ready_i,
  output logic            [ElemBytes:0][7:0] data_o
);
  localparam int unsigned Latency = 1;

  logic [BlockSize-1:0][ElemWidth-1:0] codes;
  logic                   [ScaleW-1:0] scale;

  plena_fp_to_mx #(
    .SrcExpW(SrcExpW), .SrcManW(SrcManW), .SrcBias(SrcBias), .SrcSpecials(SrcSpecials),
    .ElemExpW(ElemExpW), .ElemManW(ElemManW), .ElemBias(ElemBias), .ElemSpecials(ElemSpecials),
    .BlockSize(BlockSize), .ScaleW(ScaleW), .ScaleRule(ScaleRule), .Symmetric(Symmetric),
    .Rounding(Rounding)
  ) u_quantize (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .x_i,
    .out_valid_o, .out_ready_i, .codes_o(codes), .scale_o(scale)
  );

  assign data_o = {8'(scale), (ElemBytes * 8)'(codes)};
endmodule
