// Matrix products of MX operands for several heads at once, each as plena_mx_mm.
//
// Golden twin: golden.ops.mx_bmm.
// Contract:   M_BMM, or M_BTMM if transposed_i; a head's operands and results stand one after the
//             other on every port, head 0 in the least significant bits.
// Method, specials, handshake, reset: see plena_mx_matmul.
// Latency:    Depth + Rows + Cols + 2 cycles; one beat every Depth cycles.
module plena_mx_bmm
  import plena_pkg::*;
#(
  parameter  int unsigned Heads       = 2,
  parameter  int unsigned Rows        = 2,
  parameter  int unsigned Cols        = 2,
  parameter  int unsigned Depth       = 8,
  parameter  int unsigned AExpW       = 0,              // 0: MXINT of 2 + AManW bits
  parameter  int unsigned AManW       = 6,
  parameter  int          ABias       = 0,
  parameter  int unsigned ASpecials   = SpecialsNone,
  parameter  int unsigned AScaleW     = 8,
  parameter  int unsigned BExpW       = 0,
  parameter  int unsigned BManW       = 6,
  parameter  int          BBias       = 0,
  parameter  int unsigned BSpecials   = SpecialsNone,
  parameter  int unsigned BScaleW     = 8,
  parameter  int unsigned BlockSize   = 8,
  parameter  int unsigned AccExpW     = 8,              // 0: fixed point, AccIntW.AccManW bits
  parameter  int unsigned AccManW     = 23,
  parameter  int          AccBias     = 127,
  parameter  int unsigned AccSpecials = SpecialsIeee,
  parameter  int unsigned AccIntW     = 2,
  parameter  bit          AccWrap     = 1'b0,
  parameter  int unsigned VExpW       = 8,              // 0: fixed point, VIntW.VManW bits
  parameter  int unsigned VManW       = 7,
  parameter  int          VBias       = 127,
  parameter  int unsigned VSpecials   = SpecialsIeee,
  parameter  int unsigned VIntW       = 2,
  parameter  bit          VWrap       = 1'b0,
  localparam int unsigned Blocks      = Depth / BlockSize,
  localparam int unsigned AWidth      = AExpW == 0 ? 2 + AManW : 1 + AExpW + AManW,
  localparam int unsigned BWidth      = BExpW == 0 ? 2 + BManW : 1 + BExpW + BManW,
  localparam int unsigned VWidth      = VExpW == 0 ? VIntW + VManW : 1 + VExpW + VManW
) (
  input  logic                                      clk_i,
  input  logic                                      rst_ni,
  input  logic                                      in_valid_i,
  output logic                                      in_ready_o,
  input  logic [Heads*Rows*Depth-1:0][AWidth-1:0]   a_codes_i,
  input  logic [Heads*Rows*Blocks-1:0][AScaleW-1:0] a_scale_i,
  input  logic [Heads*Depth*Cols-1:0][BWidth-1:0]   b_codes_i,
  input  logic [Heads*Blocks*Cols-1:0][BScaleW-1:0] b_scale_i,
  input  logic                                      transposed_i,
  input  logic                                      first_i,
  input  logic                                      write_i,
  output logic                                      out_valid_o,
  input  logic                                      out_ready_i,
  output logic [Heads*Rows*Cols-1:0][VWidth-1:0]    y_o
);
  localparam int unsigned Interval = Depth;
  localparam int unsigned Latency  = Depth + Rows + Cols + 2;

  plena_mx_matmul #(
    .Heads(Heads), .Rows(Rows), .Cols(Cols), .Depth(Depth),
    .AExpW(AExpW), .AManW(AManW), .ABias(ABias), .ASpecials(ASpecials), .AScaleW(AScaleW),
    .BExpW(BExpW), .BManW(BManW), .BBias(BBias), .BSpecials(BSpecials), .BScaleW(BScaleW),
    .BlockSize(BlockSize),
    .AccExpW(AccExpW), .AccManW(AccManW), .AccBias(AccBias), .AccSpecials(AccSpecials),
    .AccIntW(AccIntW), .AccWrap(AccWrap),
    .VExpW(VExpW), .VManW(VManW), .VBias(VBias), .VSpecials(VSpecials), .VIntW(VIntW),
    .VWrap(VWrap)
  ) u_matmul (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o,
    .a_codes_i, .a_scale_i, .b_codes_i, .b_scale_i, .transposed_i, .first_i, .write_i,
    .out_valid_o, .out_ready_i, .y_o
  );
endmodule
