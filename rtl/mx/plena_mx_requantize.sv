// Stream of blocks of one MX format requantised to another.
//
// Golden twin: golden.ops.mx_requantize.
// Method:     plena_mx_requantize_core, then one register. Lane 0 is in the least significant bits.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_mx_requantize_core.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_mx_requantize
  import plena_pkg::*;
#(
  parameter  int unsigned SrcExpW      = 0,              // 0: MXINT of 2 + SrcManW bits
  parameter  int unsigned SrcManW      = 6,
  parameter  int          SrcBias      = 0,
  parameter  int unsigned SrcSpecials  = SpecialsNone,
  parameter  int unsigned SrcScaleW    = 8,
  parameter  int unsigned DstExpW      = 0,
  parameter  int unsigned DstManW      = 2,
  parameter  int          DstBias      = 0,
  parameter  int unsigned DstSpecials  = SpecialsNone,
  parameter  int unsigned DstScaleW    = 8,
  parameter  int unsigned DstScaleRule = RuleFloor,
  parameter  bit          DstSymmetric = 1'b1,
  parameter  int unsigned DstRounding  = RoundNearestEven,
  parameter  int unsigned BlockSize    = 32,
  localparam int unsigned SrcWidth     = SrcExpW == 0 ? 2 + SrcManW : 1 + SrcExpW + SrcManW,
  localparam int unsigned DstWidth     = DstExpW == 0 ? 2 + DstManW : 1 + DstExpW + DstManW
) (
  input  logic                               clk_i,
  input  logic                               rst_ni,
  input  logic                               in_valid_i,
  output logic                               in_ready_o,
  input  logic [BlockSize-1:0][SrcWidth-1:0] codes_i,
  input  logic               [SrcScaleW-1:0] scale_i,
  output logic                               out_valid_o,
  input  logic                               out_ready_i,
  output logic [BlockSize-1:0][DstWidth-1:0] codes_o,
  output logic               [DstScaleW-1:0] scale_o
);
  localparam int unsigned Latency = 1;

  if (!is_mx_element(SrcExpW, SrcManW, SrcBias, SrcSpecials)) begin : gen_illegal_src
    $fatal(1, "plena_mx_requantize: no MX element has SrcExpW=%0d SrcManW=%0d SrcBias=%0d",
           SrcExpW, SrcManW, SrcBias, " SrcSpecials=%0d", SrcSpecials);
  end
  if (!is_mx_element(DstExpW, DstManW, DstBias, DstSpecials)) begin : gen_illegal_dst
    $fatal(1, "plena_mx_requantize: no MX element has DstExpW=%0d DstManW=%0d DstBias=%0d",
           DstExpW, DstManW, DstBias, " DstSpecials=%0d", DstSpecials);
  end
  if (!is_mx_block(BlockSize, SrcScaleW) || !is_mx_block(BlockSize, DstScaleW)) begin : gen_illegal
    $fatal(1, "plena_mx_requantize: BlockSize=%0d (1..4096), SrcScaleW=%0d DstScaleW=%0d (2..8)",
           BlockSize, SrcScaleW, DstScaleW);
  end

  logic [BlockSize-1:0][DstWidth-1:0] codes;
  logic               [DstScaleW-1:0] scale;

  plena_mx_requantize_core #(
    .SrcExpW(SrcExpW), .SrcManW(SrcManW), .SrcBias(SrcBias), .SrcSpecials(SrcSpecials),
    .SrcScaleW(SrcScaleW),
    .DstExpW(DstExpW), .DstManW(DstManW), .DstBias(DstBias), .DstSpecials(DstSpecials),
    .DstScaleW(DstScaleW), .DstScaleRule(DstScaleRule), .DstSymmetric(DstSymmetric),
    .DstRounding(DstRounding), .BlockSize(BlockSize)
  ) u_core (
    .codes_i, .scale_i, .codes_o(codes), .scale_o(scale)
  );

  plena_stream_reg #(
    .Width(DstScaleW + BlockSize * DstWidth)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({scale, codes}),
    .out_valid_o, .out_ready_i, .out_data_o({scale_o, codes_o})
  );
endmodule
