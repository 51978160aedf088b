"""Daemons that judge mail, over their network protocols."""
