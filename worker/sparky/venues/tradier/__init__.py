"""Tradier: US equities and options, over its brokerage API."""
