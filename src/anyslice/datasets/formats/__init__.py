"""How data sets are published: one module for each format, from source files to images."""
