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
    RuleMase  = 4
  } scale_rule_e;

  // Whether widths and specials make a minifloat; the limits of golden.Minifloat.
  function automatic bit is_minifloat(int unsigned exp_w, int unsigned man_w, int bias,
                                      int unsigned specials);
    bit fits = exp_w >= 1 && exp_w <= 8 && man_w <= 23 && bias >= -512 && bias <= 512;
    case (specials)
      SpecialsIeee:   return fits && exp_w >= 2 && man_w >= 1;
      SpecialsOcpNan: return fits && man_w >= 1;
      SpecialsNone:   return fits;
      default:        return 1'b0;
    endcase
  endfunction

  // Whether widths make a fixed-point format; the limits of golden.FixedPoint.
  function automatic bit is_fixed(int unsigned int_w, int unsigned frac_w);
    return int_w >= 1 && int_w <= 32 && frac_w <= 31 && int_w + frac_w >= 2
        && int_w + frac_w <= 32;
  endfunction

  // Whether widths make an MX element: exp_w == 0 is MXINT(2 + man_w).
  function automatic bit is_mx_element(int unsigned exp_w, int unsigned man_w, int bias,
                                       int unsigned specials);
    if (exp_w == 0) return man_w <= 14;
    return exp_w <= 5 && man_w <= 10 && is_minifloat(exp_w, man_w, bias, specials);
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
