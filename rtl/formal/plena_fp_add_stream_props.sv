// plena_fp_add as a stream: the contract, and every beat comes out as its own sum, in order.
//
// Method:     plena_stream_props picks any one beat; what plena_fp_add_core makes of it is kept
//             here and compared.
// Latency:    that of plena_fp_add, 1.
module plena_fp_add_stream_props
  import plena_pkg::*;
#(
  parameter  int unsigned ExpW     = 2,
  parameter  int unsigned ManW     = 1,
  parameter  int          Bias     = 1,
  parameter  int unsigned Specials = SpecialsNone,
  localparam int unsigned Width    = 1 + ExpW + ManW
) (
  input  logic             clk_i,
  input  logic             rst_ni,
  input  logic             in_valid_i,
  output logic             in_ready_o,
  input  logic [Width-1:0] a_i,
  input  logic [Width-1:0] b_i,
  output logic             out_valid_o,
  input  logic             out_ready_i,
  output logic [Width-1:0] y_o,
  input  logic             pick_i,
  output logic             holds_o
);
  logic             take, due, contract;
  logic [Width-1:0] sum, expected_q;

  plena_fp_add #(
    .ExpW(ExpW), .ManW(ManW), .Bias(Bias), .Specials(Specials)
  ) u_dut (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_o, .a_i, .b_i, .out_valid_o, .out_ready_i, .y_o
  );

  plena_fp_add_core #(
    .ExpW(ExpW), .ManW(ManW), .Specials(Specials)
  ) u_core (
    .a_i, .b_i, .y_o(sum)
  );

  plena_stream_props #(
    .Latency(1), .Width(Width), .Elastic(1'b1)
  ) u_props (
    .clk_i, .rst_ni, .in_valid_i, .in_ready_i(in_ready_o), .out_valid_i(out_valid_o), .out_ready_i,
    .payload_i(y_o), .pick_i, .take_o(take), .due_o(due), .holds_o(contract)
  );

  always_ff @(posedge clk_i or negedge rst_ni) begin
    if (!rst_ni) expected_q <= '0;
    else if (take) expected_q <= sum;
  end

  assign holds_o = contract && (!due || y_o == expected_q);
endmodule
