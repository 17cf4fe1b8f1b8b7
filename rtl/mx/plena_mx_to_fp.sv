// Stream of MX blocks dequantised to scalar codes: y = RN_dst(element * 2^scale_exp).
//
// Golden twin: golden.ops.mx_to_fp.
// Method:     plena_mx_to_fp_core, then one register. Lane 0 is in the least significant bits.
// Latency:    1 cycle; one block a cycle.
// Specials:   see plena_mx_to_fp_core; Saturate = 0 overflows as IEEE 754 does.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_mx_to_fp
  import plena_pkg::*;
#(
  parameter  int unsigned ElemExpW     = 0,              // 0: MXINT of 2 + ElemManW bits
  parameter  int unsigned ElemManW     = 6,
  parameter  int          ElemBias     = 0,
  parameter  int unsigned ElemSpecials = SpecialsNone,
  parameter  int unsigned BlockSize    = 32,
  parameter  int unsigned ScaleW       = 8,
  parameter  int unsigned DstExpW      = 8,              // 0: fixed point, IntW.ManW bits
  parameter  int unsigned DstManW      = 7,
  parameter  int          DstBias      = 127,
  parameter  int unsigned DstSpecials  = SpecialsIeee,
  parameter  int unsigned DstIntW      = 2,
  parameter  bit          DstWrap      = 1'b0,
  parameter  int unsigned Rounding     = RoundNearestEven,
  parameter  bit          Saturate     = 1'b1,
  localparam int unsigned ElemWidth    = ElemExpW == 0 ? 2 + ElemManW : 1 + ElemExpW + ElemManW,
  localparam int unsigned DstWidth     = DstExpW == 0 ? DstIntW + DstManW : 1 + DstExpW + DstManW
) (
  input  logic                                clk_i,
  input  logic                                rst_ni,
  input  logic                                in_valid_i,
  output logic                                in_ready_o,
  input  logic [BlockSize-1:0][ElemWidth-1:0] codes_i,
  input  logic                [ScaleW-1:0]    scale_i,
  output logic                                out_valid_o,
  input  logic                                out_ready_i,
  output logic [BlockSize-1:0][DstWidth-1:0]  y_o
);
  localparam int unsigned Latency = 1;

  if (!is_mx_element(ElemExpW, ElemManW, ElemBias, ElemSpecials)) begin : gen_illegal_elem
    $fatal(1, "plena_mx_to_fp: no MX element has ElemExpW=%0d ElemManW=%0d ElemBias=%0d",
           ElemExpW, ElemManW, ElemBias, " ElemSpecials=%0d", ElemSpecials);
  end
  if (!is_mx_block(BlockSize, ScaleW)) begin : gen_illegal_block
    $fatal(1, "plena_mx_to_fp: BlockSize=%0d (1..4096), ScaleW=%0d (2..8)", BlockSize, ScaleW);
  end
  if (!is_scalar(DstExpW, DstManW, DstBias, DstSpecials, DstIntW)) begin : gen_illegal_dst
    $fatal(1, "plena_mx_to_fp: no format has DstExpW=%0d DstManW=%0d DstBias=%0d DstSpecials=%0d",
           DstExpW, DstManW, DstBias, DstSpecials, " DstIntW=%0d", DstIntW);
  end

  logic [BlockSize-1:0][DstWidth-1:0] y;

  plena_mx_to_fp_core #(
    .ElemExpW(ElemExpW), .ElemManW(ElemManW), .ElemBias(ElemBias), .ElemSpecials(ElemSpecials),
    .BlockSize(BlockSize), .ScaleW(ScaleW),
    .DstExpW(DstExpW), .DstManW(DstManW), .DstBias(DstBias), .DstSpecials(DstSpecials),
    .DstIntW(DstIntW), .DstWrap(DstWrap), .Rounding(Rounding), .Saturate(Saturate)
  ) u_core (
    .codes_i, .scale_i, .y_o(y)
  );

  plena_stream_reg #(
    .Width(BlockSize * DstWidth)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
