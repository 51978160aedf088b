"""Parsers under fire: `targets` says what holds for any input, `script/fuzz` tries for hours."""
