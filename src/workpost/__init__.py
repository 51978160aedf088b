"""Workpost: self-hosted business mail, calendar and contacts that speaks the Amazon WorkMail API."""
