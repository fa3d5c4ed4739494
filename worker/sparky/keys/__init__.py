"""Sealing and opening of exchange credentials."""
