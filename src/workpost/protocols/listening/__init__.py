"""What every listener shares: TLS, SASL, guarding against guessing, bounds on resources."""
