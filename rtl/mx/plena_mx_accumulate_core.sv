// One step of an ordered accumulation: RN_acc(acc + partial), from +0 where a sum begins.
//
// Golden twin: golden.ops.dot.accumulate.
// Contract:   first_i puts +0 for acc_i; then partial_i is added if last_i says that its block is
//             complete, and acc_o is what there was before if not.
// Specials:   as plena_fp_add_core; fixed point saturates, or wraps if AccWrap.
// Latency:    combinational.
module plena_mx_accumulate_core
  import plena_pkg::*;
#(
  parameter  int unsigned AccExpW     = 8,              // 0: fixed point, AccIntW.AccManW bits
  parameter  int unsigned AccManW     = 23,
  parameter  int unsigned AccSpecials = SpecialsIeee,
  parameter  int unsigned AccIntW     = 2,
  parameter  bit          AccWrap     = 1'b0,
  parameter  bit          Saturate    = 1'b1,
  localparam int unsigned AccWidth    = AccExpW == 0 ? AccIntW + AccManW : 1 + AccExpW + AccManW
) (
  input  logic [AccWidth-1:0] acc_i,
  input  logic [AccWidth-1:0] partial_i,
  input  logic                first_i,
  input  logic                last_i,
  output logic [AccWidth-1:0] acc_o
);
  logic [AccWidth-1:0] previous, next;

  assign previous = first_i ? '0 : acc_i;
  assign acc_o    = last_i ? next : previous;

  if (AccExpW == 0) begin : gen_fixed
    plena_fixed_add_core #(
      .Width(AccWidth), .Wrap(AccWrap)
    ) u_add (
      .a_i(previous), .b_i(partial_i), .y_o(next)
    );
  end else begin : gen_minifloat
    plena_fp_add_core #(
      .ExpW(AccExpW), .ManW(AccManW), .Specials(AccSpecials), .Saturate(Saturate)
    ) u_add (
      .a_i(previous), .b_i(partial_i), .y_o(next)
    );
  end
endmodule
