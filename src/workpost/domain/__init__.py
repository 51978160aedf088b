"""Domain: the rules of the business, written once, below every protocol."""
