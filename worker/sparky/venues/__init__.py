"""Venue adapters behind one port. Every venue folder has the same file names."""
