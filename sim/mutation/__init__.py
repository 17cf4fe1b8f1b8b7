"""Small faults in the RTL, made by rule, which the comparison has to find."""
