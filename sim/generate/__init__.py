"""What is written from code: core files, tables of constants, docs/rtl.md."""
