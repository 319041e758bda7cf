"""`python -m anyslice` is `anyslice`."""

from anyslice.cli.main import main

main(prog_name="anyslice")
