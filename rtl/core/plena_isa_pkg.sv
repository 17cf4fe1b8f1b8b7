// SPDX-License-Identifier: Apache-2.0
//
// Revision plena of the instruction set: opcodes, fields, and which words are instructions.
// Made by `plena isa --write` from configs/isa/plena.toml; do not edit.
//
// Golden twin: golden/isa/word.py, whose decode() refuses the words that legal() does.
package plena_isa_pkg;

  typedef enum logic [5:0] {
    M_MM                 = 6'h01,
    M_TMM                = 6'h02,
    M_BMM                = 6'h03,
    M_BTMM               = 6'h04,
    M_BMM_WO             = 6'h05,
    M_MM_WO              = 6'h06,
    M_MV                 = 6'h07,
    M_TMV                = 6'h08,
    M_BMV                = 6'h09,
    M_BTMV               = 6'h0A,
    M_MV_WO              = 6'h0B,
    M_BMV_WO             = 6'h0C,
    V_ADD_VV             = 6'h0D,
    V_ADD_VF             = 6'h0E,
    V_SUB_VV             = 6'h0F,
    V_SUB_VF             = 6'h10,
    V_MUL_VV             = 6'h11,
    V_MUL_VF             = 6'h12,
    V_EXP_V              = 6'h13,
    V_RECI_V             = 6'h14,
    V_RED_SUM            = 6'h15,
    V_RED_MAX            = 6'h16,
    V_PS_V               = 6'h31,
    V_SHFT_V             = 6'h32,
    C_HADAMARD_TRANSFORM = 6'h33,
    V_MAX_VF             = 6'h35,
    V_MIN_VF             = 6'h36,
    V_TOPK               = 6'h37,
    S_ADD_FP             = 6'h17,
    S_SUB_FP             = 6'h18,
    S_MAX_FP             = 6'h19,
    S_MUL_FP             = 6'h1A,
    S_EXP_FP             = 6'h1B,
    S_RECI_FP            = 6'h1C,
    S_SQRT_FP            = 6'h1D,
    S_LD_FP              = 6'h1E,
    S_ST_FP              = 6'h1F,
    S_MAP_V_FP           = 6'h20,
    S_ADD_INT            = 6'h21,
    S_ADDI_INT           = 6'h22,
    S_SUB_INT            = 6'h23,
    S_MUL_INT            = 6'h24,
    S_LUI_INT            = 6'h25,
    S_LD_INT             = 6'h26,
    S_ST_INT             = 6'h27,
    H_PREFETCH_M         = 6'h28,
    H_PREFETCH_V         = 6'h29,
    H_STORE_V            = 6'h2A,
    C_SET_ADDR_REG       = 6'h2B,
    C_SET_SCALE_REG      = 6'h2C,
    C_SET_STRIDE_REG     = 6'h2D,
    C_SET_V_MASK_REG     = 6'h2E,
    C_LOOP_START         = 6'h2F,
    C_LOOP_END           = 6'h30,
    C_BREAK              = 6'h34
  } op_e;

  // Lowest bit and width of each field.
  localparam int unsigned RdLow = 6, RdBits = 4;
  localparam int unsigned Rs1Low = 10, Rs1Bits = 4;
  localparam int unsigned Rs2Low = 14, Rs2Bits = 4;
  localparam int unsigned Rs3Low = 18, Rs3Bits = 4;
  localparam int unsigned Funct1Low = 22, Funct1Bits = 4;
  localparam int unsigned ImmLow = 14, ImmBits = 18;
  localparam int unsigned LongLow = 10, LongBits = 22;
  localparam int unsigned GpCount = 16;
  localparam int unsigned FCount = 8;
  localparam int unsigned ACount = 8;

  // Bits that may be 1 in an instruction with this opcode; 0 where there is none.
  function automatic logic [31:0] used_bits(input logic [5:0] opcode);
    case (opcode)
      M_MM, M_TMM, M_BMM, M_BTMM, M_MV, M_TMV, M_BMV, M_BTMV,
        C_SET_ADDR_REG: used_bits = 32'h0003FDFF;
      M_BMM_WO, M_MV_WO, M_BMV_WO: used_bits = 32'hFFFFC3FF;
      M_MM_WO, S_MAP_V_FP, S_ADDI_INT, S_LD_INT, S_ST_INT, C_LOOP_START: used_bits = 32'hFFFFFFFF;
      V_ADD_VV, V_SUB_VV, V_MUL_VV: used_bits = 32'h0007FFFF;
      V_ADD_VF, V_MUL_VF, V_MAX_VF, V_MIN_VF: used_bits = 32'h0005FFFF;
      V_SUB_VF: used_bits = 32'h0045FFFF;
      V_EXP_V, V_RECI_V: used_bits = 32'h00043FFF;
      V_RED_SUM, V_RED_MAX: used_bits = 32'h00043DFF;
      V_PS_V, C_HADAMARD_TRANSFORM, S_ADD_INT, S_SUB_INT, S_MUL_INT: used_bits = 32'h0003FFFF;
      V_SHFT_V, V_TOPK: used_bits = 32'h003FFFFF;
      S_ADD_FP, S_SUB_FP, S_MAX_FP, S_MUL_FP: used_bits = 32'h0001DDFF;
      S_EXP_FP, S_RECI_FP, S_SQRT_FP: used_bits = 32'h00001DFF;
      S_LD_FP, S_ST_FP: used_bits = 32'hFFFFFDFF;
      S_LUI_INT: used_bits = 32'h3FFFFFFF;
      H_PREFETCH_M: used_bits = 32'h03FDFFFF;
      H_PREFETCH_V, H_STORE_V: used_bits = 32'h01C5FFFF;
      C_SET_SCALE_REG, C_SET_STRIDE_REG, C_SET_V_MASK_REG, C_LOOP_END: used_bits = 32'h000003FF;
      C_BREAK: used_bits = 32'h0000003F;
      default: used_bits = 32'h0;
    endcase
  endfunction

  // The tier: 1 and 2 are carried out, 3 traps; 0 where there is no instruction.
  function automatic logic [1:0] tier(input logic [5:0] opcode);
    case (opcode)
      M_MM, M_TMM, M_MM_WO, V_ADD_VV, V_ADD_VF, V_SUB_VV, V_SUB_VF, V_MUL_VV, V_MUL_VF, V_EXP_V,
        V_RECI_V, V_RED_SUM, V_RED_MAX, S_ADD_FP, S_SUB_FP, S_MAX_FP, S_MUL_FP, S_EXP_FP,
        S_RECI_FP, S_SQRT_FP, S_LD_FP, S_ST_FP, S_ADD_INT, S_ADDI_INT, S_SUB_INT, S_MUL_INT,
        S_LUI_INT, S_LD_INT, S_ST_INT, H_PREFETCH_M, H_PREFETCH_V, H_STORE_V, C_SET_ADDR_REG,
        C_SET_SCALE_REG, C_SET_STRIDE_REG, C_SET_V_MASK_REG, C_LOOP_START, C_LOOP_END,
        C_BREAK: tier = 2'd1;
      M_BMM, M_BTMM, M_BMM_WO, V_SHFT_V, V_MAX_VF, V_MIN_VF, S_MAP_V_FP: tier = 2'd2;
      M_MV, M_TMV, M_BMV, M_BTMV, M_MV_WO, M_BMV_WO, V_PS_V, C_HADAMARD_TRANSFORM,
        V_TOPK: tier = 2'd3;
      default: tier = 2'd0;
    endcase
  endfunction

  // Whether a word is an instruction: its opcode is one, and no other bit is 1.
  function automatic logic legal(input logic [31:0] word);
    return tier(word[5:0]) != 2'd0 && (word & ~used_bits(word[5:0])) == 32'h0;
  endfunction

endpackage
