"""Spam and viruses: what mail is taken for, and what people teach."""
