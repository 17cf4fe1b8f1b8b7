"""A model on the hardware: its operations in Verilated blocks, each compared with exact torch"""
