" Colours for PLENA assembly. Made by `plena isa --write`: do not edit.
if exists("b:current_syntax")
  finish
endif
syntax case ignore
syntax keyword plenaMatrix M_MM M_TMM M_BMM M_BTMM M_BMM_WO M_MM_WO M_MV M_TMV M_BMV M_BTMV M_MV_WO M_BMV_WO M_TMM_A
syntax keyword plenaVector V_ADD_VV V_ADD_VF V_SUB_VV V_SUB_VF V_MUL_VV V_MUL_VF V_EXP_V V_RECI_V V_RED_SUM V_RED_MAX V_PS_V V_SHFT_V C_HADAMARD_TRANSFORM V_MAX_VF V_MIN_VF V_TOPK
syntax keyword plenaScalar S_ADD_FP S_SUB_FP S_MAX_FP S_MUL_FP S_EXP_FP S_RECI_FP S_SQRT_FP S_LD_FP S_ST_FP S_MAP_V_FP S_ADD_INT S_ADDI_INT S_SUB_INT S_MUL_INT S_LUI_INT S_LD_INT S_ST_INT S_MAP_FP_V S_SLL_INT S_SLLI_INT S_SRL_INT S_SRLI_INT S_DIV_INT S_REM_INT
syntax keyword plenaHbm H_PREFETCH_M H_PREFETCH_V H_STORE_V
syntax keyword plenaControl C_SET_ADDR_REG C_SET_SCALE_REG C_SET_STRIDE_REG C_SET_V_MASK_REG C_LOOP_START C_LOOP_END C_BREAK
syntax match plenaRegister /\<\(gp\|f\|a\)\d\+\>/
syntax match plenaNumber /\<\(0x[0-9a-f_]\+\|0b[01_]\+\|\d\+\)\>/
syntax match plenaDirective /\.equ\>/
syntax match plenaLabel /^\s*[A-Za-z_.$][A-Za-z0-9_.$]*\s*:/
syntax match plenaComment /\(;\|\/\/\).*$/
highlight default link plenaMatrix Function
highlight default link plenaVector Type
highlight default link plenaScalar Statement
highlight default link plenaHbm Special
highlight default link plenaControl Keyword
highlight default link plenaRegister Identifier
highlight default link plenaNumber Number
highlight default link plenaDirective PreProc
highlight default link plenaLabel Label
highlight default link plenaComment Comment
let b:current_syntax = "plena"
