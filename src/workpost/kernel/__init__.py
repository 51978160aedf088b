"""Kernel: what every floor above may use and what uses nothing but the standard library."""
