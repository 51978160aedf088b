"""Integrations: one small interface each to the world outside, embedded and real."""
