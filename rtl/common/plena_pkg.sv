// Names for the values of module parameters, and constant arithmetic on formats.
//
// Golden twin: golden/formats.py, whose sv_parameters() makes these numbers. Modules take plain
// integers because Verilator cannot override enum or struct parameters from the command line.
package plena_pkg;

  // Which codes of a minifloat are not finite numbers.
  typedef enum int unsigned {
    SpecialsIeee   = 0,  // all-ones exponent: Inf, NaN
    SpecialsOcpNan = 1,  // only the all-ones magnitude: NaN
    SpecialsNone   = 2   // every code is a finite number
  } specials_e;

  // How an exact real becomes a code.
  typedef enum int unsigned {
    RoundNearestEven = 0,
    RoundNearestAway = 1,
    RoundTowardZero  = 2,
    RoundUp          = 3,  // toward +infinity
    RoundDown        = 4   // toward -infinity
  } rounding_e;

  // How a block's scale exponent follows from its largest magnitude.
  typedef enum int unsigned {
    RuleFloor = 0,
    RuleCeil  = 1,
    RuleEven  = 2,
    RuleRceil = 3,
    RuleMase  = 4,
    RuleClip  = 5
  } scale_rule_e;

  // A function of one code, as a unit of fp/.
  typedef enum int unsigned {
    FunctionExp        = 0,
    FunctionReciprocal = 1,
    FunctionSqrt       = 2,
    FunctionSigmoid    = 3
  } function_e;

  // Stages of each of these units: what has to wait beside one waits as long.
  function automatic int unsigned function_latency(int unsigned kind);
    case (kind)
      FunctionExp:        return 5;
      FunctionReciprocal: return 4;
      FunctionSqrt:       return 2;
      default:            return 10;
    endcase
  endfunction

  // Stages of plena_silu.
  function automatic int unsigned silu_latency();
    return function_latency(FunctionExp) + 1 + function_latency(FunctionReciprocal) + 1;
  endfunction

  // Stages of plena_reduce_row.
  function automatic int unsigned row_latency(int unsigned lanes);
    return 3 + $clog2(lanes);
  endfunction

  // Stages of plena_rms_norm.
  function automatic int unsigned rms_norm_latency(int unsigned lanes);
    return 1 + row_latency(lanes) + 2 + function_latency(FunctionSqrt)
         + function_latency(FunctionReciprocal) + 2;
  endfunction

  // Stages of plena_online_softmax.
  function automatic int unsigned online_softmax_latency(int unsigned lanes);
    return 2 * row_latency(lanes) + function_latency(FunctionExp) + 3;
  endfunction

  // Stages of plena_mx_dot_lanes.
  function automatic int unsigned dot_lanes_latency(int unsigned blocks);
    return 3 + blocks;
  endfunction

  // Whether widths and specials make a minifloat; the limits of golden.Minifloat.
  function automatic bit is_minifloat(int unsigned exp_w, int unsigned man_w, int bias,
                                      int unsigned specials);
    bit fits = exp_w >= 1 && exp_w <= 8 && man_w <= 23 && bias >= -256 && bias <= 512;
    case (specials)
      SpecialsIeee:   return fits && exp_w >= 2 && man_w >= 1;
      SpecialsOcpNan: return fits && man_w >= 1;
      SpecialsNone:   return fits;
      default:        return 1'b0;
    endcase
  endfunction

  // Whether parameters make a scalar format: fixed point if exp_w == 0, else a minifloat. The limits
  // of a fixed-point format are those of golden.FixedPoint.
  function automatic bit is_scalar(int unsigned exp_w, int unsigned man_w, int bias,
                                   int unsigned specials, int unsigned int_w);
    if (exp_w != 0) return is_minifloat(exp_w, man_w, bias, specials);
    return int_w >= 1 && int_w <= 32 && man_w <= 31 && int_w + man_w >= 2 && int_w + man_w <= 32;
  endfunction

  // Whether widths make an MX element: exp_w == 0 is MXINT(2 + man_w).
  function automatic bit is_mx_element(int unsigned exp_w, int unsigned man_w, int bias,
                                       int unsigned specials);
    if (exp_w == 0) return man_w <= 14;
    return exp_w <= 5 && man_w <= 10 && is_minifloat(exp_w, man_w, bias, specials);
  endfunction

  // Whether sizes make an MX block; the limits of golden.Mx.
  function automatic bit is_mx_block(int unsigned block_size, int unsigned scale_w);
    return block_size >= 1 && block_size <= 4096 && scale_w >= 2 && scale_w <= 8;
  endfunction

  // Code of the largest finite magnitude.
  function automatic int unsigned max_code(int unsigned exp_w, int unsigned man_w,
                                           int unsigned specials);
    int unsigned ones = (32'd1 << (exp_w + man_w)) - 1;
    case (specials)
      SpecialsIeee:   return ones - (32'd1 << man_w);
      SpecialsOcpNan: return ones - 1;
      default:        return ones;
    endcase
  endfunction

  // Largest exponent field of a finite number.
  function automatic int unsigned max_exp_field(int unsigned exp_w, int unsigned specials);
    return (32'd1 << exp_w) - (specials == SpecialsIeee ? 2 : 1);
  endfunction

  // Code of the canonical NaN where there is one, else of the largest magnitude.
  function automatic int unsigned nan_code(int unsigned exp_w, int unsigned man_w,
                                           int unsigned specials);
    int unsigned ones = (32'd1 << (exp_w + man_w)) - 1;
    return specials == SpecialsIeee ? ones - (32'd1 << (man_w - 1)) + 1 : ones;
  endfunction

  // 1 / n rounded to odd, for plena_fp_constant; its top bit weighs 2^-clog2(n).
  function automatic logic [63:0] reciprocal_sig(int unsigned n);
    logic [127:0] numerator = 128'd1 << (63 + $clog2(n));
    return 64'(numerator / 128'(n)) | 64'(numerator % 128'(n) != 128'd0);
  endfunction

  // Binade of 1 / sqrt(n), negated: how far the top bit of reciprocal_root_sig is below 2^0.
  function automatic int unsigned reciprocal_root_shift(int unsigned n);
    return ($clog2(n) + 1) / 2;
  endfunction

  // 1 / sqrt(n) rounded to odd, for plena_fp_constant: floor(sqrt(2^(126 + 2 shift) / n)) bit by bit.
  function automatic logic [63:0] reciprocal_root_sig(int unsigned n);
    logic [159:0] numerator = 160'd1 << (126 + 2 * reciprocal_root_shift(n));
    logic [159:0] quotient  = numerator / 160'(n);
    logic [159:0] root      = '0;
    for (int bit_index = 63; bit_index >= 0; bit_index--) begin
      logic [159:0] trial = root | (160'd1 << bit_index);
      if (trial * trial <= quotient) root = trial;
    end
    return root[63:0] | 64'(root * root * 160'(n) != numerator);
  endfunction

  // Width of an exact product of two MX elements, in units of both last places. An MXINT magnitude
  // has man_w + 1 bits or is a single power of two above them: only two of those need another bit.
  function automatic int unsigned mx_product_width(
      int unsigned a_exp_w, int unsigned a_man_w, int unsigned a_specials,
      int unsigned b_exp_w, int unsigned b_man_w, int unsigned b_specials);
    int unsigned width = (a_man_w + 1) + (b_man_w + 1) + 1;
    if (a_exp_w == 0 && b_exp_w == 0) return width + 1;
    if (a_exp_w != 0) width += max_exp_field(a_exp_w, a_specials) - 1;
    if (b_exp_w != 0) width += max_exp_field(b_exp_w, b_specials) - 1;
    return width;
  endfunction

  // The constant that keeps such a product from being negative, see plena_mx_product.
  function automatic logic [127:0] mx_product_offset(
      int unsigned a_exp_w, int unsigned a_man_w, int unsigned a_specials,
      int unsigned b_exp_w, int unsigned b_man_w, int unsigned b_specials);
    int unsigned width = mx_product_width(a_exp_w, a_man_w, a_specials,
                                          b_exp_w, b_man_w, b_specials);
    if (a_exp_w == 0 && b_exp_w == 0) begin
      return (128'd1 << (width - 1)) - (128'd1 << (a_man_w + 1)) - (128'd1 << (b_man_w + 1));
    end
    return 128'd1 << (width - 1);
  endfunction

  // Bits of a two's complement number that holds low..high, at least 2.
  function automatic int unsigned signed_width(int low, int high);
    int unsigned width = 2;
    while (high >= (1 << (width - 1)) || low < -(1 << (width - 1))) width++;
    return width;
  endfunction

  function automatic int min(int a, int b);
    return a < b ? a : b;
  endfunction

  function automatic int max(int a, int b);
    return a > b ? a : b;
  endfunction

endpackage
