// Stream of codes of one scalar format cast to another: y = RN_dst(a). Either may be fixed point.
//
// Golden twin: golden.ops.cast.
// Method:     plena_fp_cast_core, then one register.
// Latency:    1 cycle; one result a cycle.
// Specials:   see plena_fp_cast_core and the rounders; Saturate = 0 overflows as IEEE 754 does.
// Handshake:  out_valid_o never waits for out_ready_i; the payload is stable while stalled.
// Reset:      asynchronous, active low: nothing in flight.
module plena_fp_cast
  import plena_pkg::*;
#(
  parameter  int unsigned SrcExpW     = 8,             // 0: fixed point, IntW.ManW bits
  parameter  int unsigned SrcManW     = 23,
  parameter  int          SrcBias     = 127,
  parameter  int unsigned SrcSpecials = SpecialsIeee,
  parameter  int unsigned SrcIntW     = 2,
  parameter  bit          SrcWrap     = 1'b0,          // a source has no use for it
  parameter  int unsigned DstExpW     = 8,
  parameter  int unsigned DstManW     = 7,
  parameter  int          DstBias     = 127,
  parameter  int unsigned DstSpecials = SpecialsIeee,
  parameter  int unsigned DstIntW     = 2,
  parameter  bit          DstWrap     = 1'b0,
  parameter  int unsigned Rounding    = RoundNearestEven,
  parameter  bit          Saturate    = 1'b1,
  localparam int unsigned SrcWidth    = SrcExpW == 0 ? SrcIntW + SrcManW : 1 + SrcExpW + SrcManW,
  localparam int unsigned DstWidth    = DstExpW == 0 ? DstIntW + DstManW : 1 + DstExpW + DstManW
) (
  input  logic                clk_i,
  input  logic                rst_ni,
  input  logic                in_valid_i,
  output logic                in_ready_o,
  input  logic [SrcWidth-1:0] a_i,
  output logic                out_valid_o,
  input  logic                out_ready_i,
  output logic [DstWidth-1:0] y_o
);
  localparam int unsigned Latency = 1;

  if (!is_scalar(SrcExpW, SrcManW, SrcBias, SrcSpecials, SrcIntW)) begin : gen_illegal_src
    $fatal(1, "plena_fp_cast: no format has SrcExpW=%0d SrcManW=%0d SrcBias=%0d SrcSpecials=%0d",
           SrcExpW, SrcManW, SrcBias, SrcSpecials, " SrcIntW=%0d SrcWrap=%0d", SrcIntW, SrcWrap);
  end
  if (!is_scalar(DstExpW, DstManW, DstBias, DstSpecials, DstIntW)) begin : gen_illegal_dst
    $fatal(1, "plena_fp_cast: no format has DstExpW=%0d DstManW=%0d DstBias=%0d DstSpecials=%0d",
           DstExpW, DstManW, DstBias, DstSpecials, " DstIntW=%0d DstWrap=%0d", DstIntW, DstWrap);
  end

  logic [DstWidth-1:0] y;

  plena_fp_cast_core #(
    .SrcExpW(SrcExpW), .SrcManW(SrcManW), .SrcBias(SrcBias), .SrcSpecials(SrcSpecials),
    .SrcIntW(SrcIntW),
    .DstExpW(DstExpW), .DstManW(DstManW), .DstBias(DstBias), .DstSpecials(DstSpecials),
    .DstIntW(DstIntW), .DstWrap(DstWrap), .Rounding(Rounding), .Saturate(Saturate)
  ) u_core (
    .a_i, .y_o(y)
  );

  plena_stream_reg #(
    .Width(DstWidth)
  ) u_reg (
    .clk_i, .rst_ni,
    .in_valid_i, .in_ready_o, .in_data_i(y),
    .out_valid_o, .out_ready_i, .out_data_o(y_o)
  );
endmodule
