package configuration_pkg;
  /* MLEN = 9; */
  parameter BLEN = 4;
  parameter HLEN = BLEN * 4;
  parameter MLEN = 1 << 6;
  parameter VLEN = MLEN;
  parameter VECTOR_SRAM_DEPTH = 1024;
  parameter MAX_LOOP_DEPTH = $clog2(MLEN);
endpackage
