"""Diffusion language models: texts that are denoised block by block, and tasks to do so."""
