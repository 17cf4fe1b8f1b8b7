"""plena-cosim: one bit-exact definition of PLENA's number formats, in NumPy, torch and gates."""

__version__ = "0.1.0"
