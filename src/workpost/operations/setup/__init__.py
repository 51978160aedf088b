"""The first hour: from nothing to a server with its first organization and person."""
