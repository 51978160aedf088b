"""What one script may cost; RFC 5228 leaves all of it to us (2.10.5, 2.10.4, 10)."""

from __future__ import annotations

MAX_SCRIPT = 256 * 1024
"""Octets of a script."""
MAX_NESTING = 15
"""Blocks within blocks, and tests within tests; RFC 5228 2.10.5 asks for 15 at least."""
MAX_COMMANDS = 5_000
"""Commands and tests of a script."""
MAX_STRINGS = 1_000
"""Strings of one list."""
MAX_STEPS = 20_000
"""Comparisons of one run, long values counted by their length."""
STEP = 16 * 1024
"""Characters of a value that cost as much as one comparison."""
MAX_ACTIONS = 32
"""Actions of one run."""
MAX_REDIRECTS = 4
"""Of one run (RFC 5228 4.2 and 10: a script must not be a mail bomb)."""
MAX_SEEN = 16
"""Ids that `duplicate` remembers of one run."""
MAX_VARIABLES = 128
MAX_NAME = 32
"""Characters of a variable's name (RFC 5229 6)."""
MAX_VALUE = 8_192
"""Characters of a variable's value."""
MAX_VALUE_TO_MATCH = 64 * 1024
"""Characters of a header or body that a match looks at."""
MAX_BODIES = 16
"""Transforms of the body that one run asks for, each once."""
MAX_PATTERN = 2_048
"""Characters of a pattern of :matches or :regex."""
MAX_EXPRESSIONS = 250
"""Regular expressions of a script: to compile one may take milliseconds."""
MAX_REGEX_WORK = 1_000_000_000
"""Characters, times instructions, times groups: about a second at worst."""
MAX_EDITS = 100
"""Header fields that one run adds or deletes."""
MAX_NUMBER = (1 << 63) - 1
"""RFC 5228 2.4.1 asks for 2147483647 at least."""
