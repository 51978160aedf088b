"""The command line: `workpost COMMAND`. One module per command."""
