// Stream of blocks of minifloat codes quantised to MX: element codes and a shared scale.
//
// Golden twin: golden.ops.fp_to_mx.
// Method:     plena_fp_to_mx_core, then one register. Lane 0 is in the least significant bits.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_fp_to_mx_core.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_to_mx
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
  localparam int unsigned ElemWidth    = ElemExpW == 0 ? 2 + ElemManW : 1 + ElemExpW + ElemManW
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                in_valid_i,
  output logic                                in_ready_o,
  input  logic [BlockSize-1:0][SrcWidth-1:0]  x_i,
  output logic                                out_valid_o,
  input  logic                                out_ready_i,
  output logic [BlockSize-1:0][ElemWidth-1:0] codes_o,
  output logic                [ScaleW-1:0]    scale_o
);
  localparam int unsigned Latency = 1;

  if (!is_minifloat(SrcExpW, SrcManW, SrcBias, SrcSpecials)) begin : gen_illegal_src
    $fatal(1, "plena_fp_to_mx: no minifloat has SrcExpW=%0d SrcManW=%0d SrcBias=%0d SrcSpecials=%0d",
           SrcExpW, SrcManW, SrcBias, SrcSpecials);
  end
  if (!is_mx_element(ElemExpW, ElemManW, ElemBias, ElemSpecials)) begin : gen_illegal_elem
    $fatal(1, "plena_fp_to_mx: no MX element has ElemExpW=%0d ElemManW=%0d ElemBias=%0d",
           ElemExpW, ElemManW, ElemBias, " ElemSpecials=%0d", ElemSpecials);
  end
  if (!is_mx_block(BlockSize, ScaleW) || ScaleRule > RuleClip) begin : gen_illegal_block
    $fatal(1, "plena_fp_to_mx: BlockSize=%0d (1..4096), ScaleW=%0d (2..8), ScaleRule=%0d (0..5)",
           BlockSize, ScaleW, ScaleRule);
  end

  logic [BlockSize-1:0][ElemWidth-1:0] codes;
  logic                [ScaleW-1:0]    scale;

  plena_fp_to_mx_core #(
    .SrcExpW(SrcExpW), .SrcManW(SrcManW), .SrcBias(SrcBias), .SrcSpecials(SrcSpecials),
    .ElemExpW(ElemExpW), .ElemManW(ElemManW), .ElemBias(ElemBias), .ElemSpecials(ElemSpecials),
    .BlockSize(BlockSize), .ScaleW(ScaleW), .ScaleRule(ScaleRule), .Symmetric(Symmetric),
    .Rounding(Rounding)
  ) u_core (
    .x_i, .codes_o(codes), .scale_o(scale)
  );

  plena_stream_reg #(
    .Width(BlockSize * ElemWidth + ScaleW)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i({scale, codes}),
    .out_valid_o, .out_ready_i, .out_data_o({scale_o, codes_o})
  );
endmodule
