"""Asking other systems for the free/busy of people who are not here."""
