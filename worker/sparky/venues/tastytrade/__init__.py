"""tastytrade: US shares, their options, and futures, over its REST API."""
