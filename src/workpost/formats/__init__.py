"""Pure conversions between bytes and values: mail, addresses, names. No I/O, no state."""
