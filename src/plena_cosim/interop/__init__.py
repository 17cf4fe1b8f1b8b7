"""Configurations of other projects' quantisers, and the numbers that they give here."""
