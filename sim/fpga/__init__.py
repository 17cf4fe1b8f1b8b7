"""LUTs, DSPs, flip-flops and clock of every block on an FPGA."""
