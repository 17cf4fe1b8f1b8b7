"""Weights, activations and KV as memory images in PLENA's HBM layout"""
