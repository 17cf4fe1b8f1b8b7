"""The cocotb bench: any registered block, its streaming protocol and its timing."""
