"""What can be written in a parameter file, and what is true of it. Imports no torch."""
