"""Workpost: self-hosted mail, calendar and contacts that speaks the Amazon WorkMail API."""
