"""Numbered migrations, written once for both engines."""
