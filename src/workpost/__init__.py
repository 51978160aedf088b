"""Workpost: self-hosted mail, calendar and contacts that speaks the Amazon WorkMail API."""

__version__ = "0.1.0"
