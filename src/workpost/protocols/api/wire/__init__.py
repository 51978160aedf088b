"""Pure parts of the AWS protocols: no I/O, nothing else of Workpost imported."""
