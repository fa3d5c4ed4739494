"""The rules of trading, without I/O, clock or logging. Imports nothing of ours."""
