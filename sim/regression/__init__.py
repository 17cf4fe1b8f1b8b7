"""The regression: every case, long runs, replay of a vector, waveforms."""
