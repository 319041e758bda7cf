"""The command line: every verb parses its arguments and calls the package, nothing more."""
