"""Which module becomes what, before anything is changed."""
