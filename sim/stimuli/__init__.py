"""What goes into a block: corners, random codes, blocks, products and vectors."""
