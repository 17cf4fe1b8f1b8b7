// SPDX-License-Identifier: Apache-2.0
//
// Number formats as parameters, names for the values of other parameters, and constant arithmetic.
//
// Golden twin: golden/formats.py, whose sv_parameters() makes these numbers.
//
// A module takes a scalar format as one integer Fmt and a block format as one Mx, because command
// lines can override integers only, and unpacks them: `localparam fmt_t F = fmt_of(Fmt)`. A format
// has exactly one number: fields that do not apply to it, and bits without a field, are 0. By hand:
// pack_minifloat, pack_fixed, pack_mx, pack_micro_mx.
//
//   Fmt     3:0 exponent bits, 0 for fixed point  8:4 fraction bits  19:9 bias, two's complement
//           21:20 specials  27:22 bits left of the point, sign included  28 wrap  29 symmetric
//   Mx     21:0 the element, as in Fmt  34:22 elements a block  38:35 scale bits
//           41:39 fraction bits of the scale  45:42 scale rule  46 symmetric  49:47 rounding
//           53:50 log2 of elements that share a micro-exponent  55:54 bits of a micro-exponent
//
// What no block computes yet (fractions of scales) is refused; micro-exponents are, but by blocks
// that have ports for them.
package plena_pkg;

  // Which codes of a minifloat are not finite numbers.
  typedef enum int unsigned {
    SpecialsIeee   = 0,  // all-ones exponent: Inf, NaN
    SpecialsOcpNan = 1,  // only the all-ones magnitude: NaN
    SpecialsNone   = 2,  // every code is a finite number
    SpecialsFnuz   = 3   // only the code of -0: NaN; no -0
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

  // A scalar format. exp_w = 0 says fixed point: q{int_w}.{man_w} in two's complement.
  typedef struct packed {
    int unsigned exp_w;
    int unsigned man_w;
    int unsigned int_w;      // of fixed point only, the sign included
    int          bias;
    int unsigned specials;
    bit          wrap;       // fixed point: what is beyond the range wraps, else it saturates
    bit          symmetric;  // fixed point: the lowest code is not used
    int unsigned width;      // of a code
  } fmt_t;

  // A block format: elements that share one scale. An element of fixed point is MXINT, q2.{man_w}.
  typedef struct packed {
    fmt_t        elem;
    int unsigned block_size;
    int unsigned scale_w;
    int unsigned scale_frac_w;  // 0: powers of two
    int unsigned scale_rule;
    int unsigned rounding;      // of the elements
    int unsigned micro_size;    // log2 of elements that share a micro-exponent
    int unsigned micro_w;       // 0: no micro-exponents
  } mx_t;

  // The number of a minifloat.
  function automatic int unsigned pack_minifloat(int unsigned exp_w, int unsigned man_w, int bias,
                                                 int unsigned specials);
    return {10'd0, 2'(specials), 11'(bias), 5'(man_w), 4'(exp_w)};
  endfunction

  // The number of a fixed-point format; int_w counts the sign.
  function automatic int unsigned pack_fixed(int unsigned int_w, int unsigned man_w, bit wrap,
                                             bit symmetric);
    return {2'd0, symmetric, wrap, 6'(int_w), 2'(SpecialsNone), 11'd0, 5'(man_w), 4'd0};
  endfunction

  // The number of a block format with power-of-two scales. fmt is that of an element: a minifloat,
  // or q2.n, whose symmetric counts.
  function automatic bit [63:0] pack_mx(int unsigned fmt, int unsigned block_size,
                                        int unsigned scale_w, int unsigned scale_rule,
                                        int unsigned rounding);
    return {14'd0, 3'(rounding), fmt[29], 4'(scale_rule), 3'd0, 4'(scale_w), 13'(block_size),
            fmt[21:0]};
  endfunction

  // Defaults of parameters.
  localparam int unsigned Bf16   = pack_minifloat(8, 7, 127, SpecialsIeee);
  localparam int unsigned Fp32   = pack_minifloat(8, 23, 127, SpecialsIeee);
  localparam int unsigned E4m3   = pack_minifloat(4, 3, 7, SpecialsOcpNan);
  localparam int unsigned E2m1   = pack_minifloat(2, 1, 1, SpecialsNone);
  localparam int unsigned Q16p16 = pack_fixed(16, 16, 1'b0, 1'b0);

  // MXINT of width bits as golden.mxint makes it: E8M0 scales, floor, symmetric, nearest even.
  function automatic bit [63:0] pack_mxint(int unsigned width, int unsigned block_size);
    return pack_mx(pack_fixed(2, width - 2, 1'b0, 1'b1), block_size, 8, RuleFloor,
                   RoundNearestEven);
  endfunction

  // MXINT with a micro-exponent of one bit a pair, as golden.blocks.MicroMx makes it.
  function automatic bit [63:0] pack_micro_mx(int unsigned width, int unsigned block_size);
    return {8'd0, 2'd1, 4'd1, 50'(pack_mxint(width, block_size))};
  endfunction

  // A scalar format from its number. Codes have two bits at least, so that elaboration reaches what
  // a module says about a number that is no format.
  function automatic fmt_t fmt_of(int unsigned fmt);
    fmt_t f;
    f.exp_w     = 32'(fmt[3:0]);
    f.man_w     = 32'(fmt[8:4]);
    f.bias      = {{21{fmt[19]}}, fmt[19:9]};
    f.specials  = 32'(fmt[21:20]);
    f.int_w     = 32'(fmt[27:22]);
    f.wrap      = fmt[28];
    f.symmetric = fmt[29];
    f.width     = max(f.exp_w == 0 ? f.int_w + f.man_w : 1 + f.exp_w + f.man_w, 2);
    return f;
  endfunction

  // A minifloat from its number, for modules that take nothing else; bf16 where there is no
  // exponent, as above.
  function automatic fmt_t minifloat_of(int unsigned fmt);
    return fmt_of(fmt[3:0] == '0 ? Bf16 : fmt);
  endfunction

  // The number of an MX format's element, as a scalar format.
  function automatic int unsigned elem_fmt(bit [63:0] mx);
    return {2'd0, mx[46], 1'b0, mx[3:0] == '0 ? 6'd2 : 6'd0, mx[21:0]};
  endfunction

  // A block format from its number; an element and two bits of scale at least, as above.
  function automatic mx_t mx_of(bit [63:0] mx);
    mx_t m;
    m.elem         = fmt_of(elem_fmt(mx));
    m.block_size   = max(32'(mx[34:22]), 1);
    m.scale_w      = max(32'(mx[38:35]), 2);
    m.scale_frac_w = 32'(mx[41:39]);
    m.scale_rule   = 32'(mx[45:42]);
    m.rounding     = 32'(mx[49:47]);
    m.micro_size   = 32'(mx[53:50]);
    m.micro_w      = 32'(mx[55:54]);
    return m;
  endfunction

  // Whether a number is that of a minifloat; the limits of golden.Minifloat.
  function automatic bit is_minifloat(int unsigned fmt);
    fmt_t f    = fmt_of(fmt);
    bit   fits = f.exp_w >= 1 && f.exp_w <= 8 && f.man_w <= 23 && f.bias >= -256 && f.bias <= 512
              && fmt[31:22] == '0;
    case (f.specials)
      SpecialsIeee:   return fits && f.exp_w >= 2 && f.man_w >= 1;
      SpecialsOcpNan: return fits && f.man_w >= 1;
      default:        return fits;
    endcase
  endfunction

  // Whether a number is that of a scalar format; the limits of golden.FixedPoint.
  function automatic bit is_scalar(int unsigned fmt);
    fmt_t f = fmt_of(fmt);
    if (f.exp_w != 0) return is_minifloat(fmt);
    return f.int_w >= 1 && f.int_w + f.man_w >= 2 && f.width <= 32 && f.bias == 0
        && f.specials == SpecialsNone && !(f.wrap && f.symmetric) && fmt[31:30] == '0;
  endfunction

  // Whether a number is that of a block format that blocks compute; the limits of golden.Mx.
  function automatic bit is_mx(bit [63:0] mx);
    mx_t m       = mx_of(mx);
    bit  is_elem = is_scalar(elem_fmt(mx)) && (m.elem.exp_w == 0 ? m.elem.man_w <= 14
                 : m.elem.exp_w <= 5 && m.elem.man_w <= 10);
    bit  is_new  = m.scale_frac_w != 0 || m.micro_size != 0 || m.micro_w != 0;
    return is_elem && mx[34:22] != '0 && m.block_size <= 4096 && mx[38:35] >= 2
        && m.scale_w <= 8 && m.scale_rule <= RuleClip && m.rounding <= RoundDown && !is_new
        && mx[63:56] == '0;
  endfunction

  // Whether a number is that of MXINT with micro-exponents; the limits of golden.blocks.MicroMx.
  function automatic bit is_micro_mx(bit [63:0] mx);
    mx_t m        = mx_of(mx);
    bit  is_micro = m.micro_size == 1 && m.micro_w == 1 && mx[63:56] == '0;
    return is_micro && is_mx({14'd0, mx[49:0]}) && m.elem.exp_w == 0 && m.elem.symmetric
        && !mx[22] && has_scale_nan(m) && m.scale_rule == RuleFloor
        && m.rounding == RoundNearestEven;
  endfunction

  // The format whose elements are those of a MicroMx in units of half a step: a fraction bit more,
  // and no micro-exponents.
  function automatic bit [63:0] micro_halves(bit [63:0] mx);
    return {14'd0, mx[49:9], 5'(mx[8:4] + 5'd1), mx[3:0]};
  endfunction

  // The format of a pair of a MicroMx, without its micro-exponent.
  function automatic bit [63:0] micro_pair(bit [63:0] mx);
    return {14'd0, mx[49:35], 13'd2, mx[21:0]};
  endfunction

  // Words for messages about a number that is no format: what its fields say.
  function automatic string fmt_text(int unsigned fmt);
    string fixed = $sformatf("int_w=%0d wrap=%0d symmetric=%0d", fmt[27:22], fmt[28], fmt[29]);
    int    bias  = {{21{fmt[19]}}, fmt[19:9]};
    return $sformatf("%0d (exp_w=%0d man_w=%0d bias=%0d specials=%0d %s spare=%0d)", fmt, fmt[3:0],
                     fmt[8:4], bias, fmt[21:20], fixed, fmt[31:30]);
  endfunction

  function automatic string mx_text(bit [63:0] mx);
    string scale = $sformatf("scale_w=%0d scale_frac_w=%0d scale_rule=%0d", mx[38:35], mx[41:39],
                             mx[45:42]);
    string micro = $sformatf("micro_size=%0d micro_w=%0d spare=%0d", mx[53:50], mx[55:54],
                             mx[63:56]);
    return $sformatf("64'h%0h (block_size=%0d %s rounding=%0d %s, element %s)", mx, mx[34:22],
                     scale, mx[49:47], micro, fmt_text(elem_fmt(mx)));
  endfunction

  // Code of the largest finite magnitude.
  function automatic int unsigned max_code(fmt_t f);
    int unsigned ones = (32'd1 << (f.exp_w + f.man_w)) - 1;
    case (f.specials)
      SpecialsIeee:   return ones - (32'd1 << f.man_w);
      SpecialsOcpNan: return ones - 1;
      default:        return ones;
    endcase
  endfunction

  // Largest exponent field of a finite number.
  function automatic int unsigned max_exp_field(fmt_t f);
    return (32'd1 << f.exp_w) - (f.specials == SpecialsIeee ? 2 : 1);
  endfunction

  // Code of the canonical NaN where there is one, else of the largest magnitude.
  function automatic int unsigned nan_code(fmt_t f);
    int unsigned ones = (32'd1 << (f.exp_w + f.man_w)) - 1;
    case (f.specials)
      SpecialsIeee: return ones - (32'd1 << (f.man_w - 1)) + 1;
      SpecialsFnuz: return ones + 1;
      default:      return ones;
    endcase
  endfunction

  // Whether the largest scale code is NaN; else it is a scale.
  function automatic bit has_scale_nan(mx_t m);
    return m.scale_w == 8;
  endfunction

  // Largest scale code that is a number.
  function automatic int unsigned max_scale_code(mx_t m);
    return (1 << m.scale_w) - (has_scale_nan(m) ? 2 : 1);
  endfunction

  // Scale code of 2^0.
  function automatic int scale_bias(mx_t m);
    return (1 << (m.scale_w - 1)) - 1;
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

  // 1 / sqrt(n) rounded to odd, for plena_fp_constant: floor(sqrt(2^(126 + 2 shift) / n)), bit by
  // bit.
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

  // Code of the largest element's magnitude.
  function automatic int unsigned largest_element(mx_t m);
    return m.elem.exp_w == 0 ? (1 << (m.elem.man_w + 1)) - 1 : max_code(m.elem);
  endfunction

  // The scale rule as it works: `mase` is a rule of its own for MXINT only.
  function automatic int unsigned scale_rule_of(mx_t m);
    return m.scale_rule == RuleMase && m.elem.exp_w != 0 ? RuleFloor : m.scale_rule;
  endfunction

  // Fraction bits that the rule `even` rounds amax to: those of a minifloat, W for MXINT(W).
  function automatic int unsigned even_bits(mx_t m);
    return m.elem.exp_w == 0 ? m.elem.width : m.elem.man_w;
  endfunction

  // Width of an exact product of two MX elements, in units of both last places. An MXINT magnitude
  // has man_w + 1 bits or is a single power of two above them: only two of those need another bit.
  function automatic int unsigned mx_product_width(fmt_t a, fmt_t b);
    int unsigned width = (a.man_w + 1) + (b.man_w + 1) + 1;
    if (a.exp_w == 0 && b.exp_w == 0) return width + 1;
    if (a.exp_w != 0) width += max_exp_field(a) - 1;
    if (b.exp_w != 0) width += max_exp_field(b) - 1;
    return width;
  endfunction

  // The constant that keeps such a product from being negative, see plena_mx_product.
  function automatic logic [127:0] mx_product_offset(fmt_t a, fmt_t b);
    int unsigned width = mx_product_width(a, b);
    if (a.exp_w == 0 && b.exp_w == 0) begin
      return (128'd1 << (width - 1)) - (128'd1 << (a.man_w + 1)) - (128'd1 << (b.man_w + 1));
    end
    return 128'd1 << (width - 1);
  endfunction

  // Width of an element as a signed integer, before its shift: see plena_mx_factor.
  function automatic int unsigned mx_factor_width(fmt_t f);
    return f.exp_w == 0 ? f.width : f.man_w + 2;
  endfunction

  // Width of the exact sum of the products of one block.
  function automatic int unsigned mx_dot_width(mx_t a, mx_t b);
    return mx_product_width(a.elem, b.elem) + $clog2(a.block_size);
  endfunction

  // Width of the sum of two scale codes.
  function automatic int unsigned scale_sum_width(mx_t a, mx_t b);
    return max(a.scale_w, b.scale_w) + 1;
  endfunction

  // The largest sum of two scale codes.
  function automatic int unsigned scale_sum_max(mx_t a, mx_t b);
    return (1 << a.scale_w) + (1 << b.scale_w) - 2;
  endfunction

  // Exponent of the top bit of a dot's magnitude at scale codes 0: of the units of both elements
  // and the biases of both scales. The magnitude needs a bit less than the dot.
  function automatic int mx_dot_exp_offset(mx_t a, mx_t b);
    int a_lsb = (a.elem.exp_w == 0 ? 0 : 1 - a.elem.bias) - int'(a.elem.man_w);
    int b_lsb = (b.elem.exp_w == 0 ? 0 : 1 - b.elem.bias) - int'(b.elem.man_w);
    return int'(mx_dot_width(a, b)) - 2 + a_lsb + b_lsb - scale_bias(a) - scale_bias(b);
  endfunction

  // How a tile of the matrix unit shares its rounding paths, see plena_mx_tile: columns and rows of
  // lanes that one path serves, BlockSize lanes at most, and how long their results take: a path
  // takes `stages` cycles for a partial and for a sum.
  function automatic int unsigned mx_tile_slot_cols(int unsigned cols, int unsigned block_size);
    return min(cols, block_size);
  endfunction

  function automatic int unsigned mx_tile_slot_rows(int unsigned rows, int unsigned cols,
                                                    int unsigned block_size);
    return min(rows, block_size / mx_tile_slot_cols(cols, block_size));
  endfunction

  function automatic int unsigned mx_tile_slots(int unsigned rows, int unsigned cols,
                                                int unsigned block_size);
    return mx_tile_slot_rows(rows, cols, block_size) * mx_tile_slot_cols(cols, block_size);
  endfunction

  function automatic int unsigned mx_tile_latency(int unsigned rows, int unsigned cols,
                                                  int unsigned block_size, int unsigned stages);
    return mx_tile_slots(rows, cols, block_size) + 3 + 2 * stages;
  endfunction

  // Cycles that the block after a write waits for its walk.
  function automatic int unsigned mx_tile_write_wait(int unsigned rows, int unsigned cols,
                                                     int unsigned block_size, int unsigned stages);
    return max(mx_tile_latency(rows, cols, block_size, stages) - block_size, 0);
  endfunction

  // Bits of a two's complement number that holds low..high, at least 2.
  function automatic int unsigned signed_width(int low, int high);
    int unsigned width = 2;
    while (high >= (1 << (width - 1)) || low < -(1 << (width - 1))) width++;
    return width;
  endfunction

  // What plena_fp_exact_sum gives: a carry, a significand, guard, round and sticky bit.
  function automatic int unsigned fp_sum_width(fmt_t fmt);
    return fmt.man_w + 5;
  endfunction

  // What plena_fp_exact_product gives. Effective exponent fields are 1 .. 2^exp_w - 1.
  function automatic int unsigned fp_product_width(fmt_t fmt);
    return 2 * (fmt.man_w + 1);
  endfunction

  function automatic int fp_product_exp_min(fmt_t fmt);
    return 2 - fmt.bias;
  endfunction

  function automatic int fp_product_exp_max(fmt_t fmt);
    return 2 * ((1 << fmt.exp_w) - 1) - fmt.bias;
  endfunction

  function automatic int unsigned fp_product_exp_width(fmt_t fmt);
    return signed_width(fp_product_exp_min(fmt), fp_product_exp_max(fmt));
  endfunction

  function automatic int min(int a, int b);
    return a < b ? a : b;
  endfunction

  function automatic int max(int a, int b);
    return a > b ? a : b;
  endfunction

endpackage
