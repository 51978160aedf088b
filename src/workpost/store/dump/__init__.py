"""Dump: all tables of a database as rows, read from one snapshot, loaded into an empty one.

The rows are the same on both engines, so a dump of one loads into the other.
"""
