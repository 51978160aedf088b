"""Directories outside: one small interface, and LDAP behind it; the embedded one is our store."""
