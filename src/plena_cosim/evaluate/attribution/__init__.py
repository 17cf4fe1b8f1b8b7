"""Which parts of a recipe cost how much, and a mixed recipe from that."""
