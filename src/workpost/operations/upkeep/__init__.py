"""Upkeep: sweeping, key rotation, check and repair, rebuilding, backup and restore."""
