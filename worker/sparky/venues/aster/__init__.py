"""Aster perpetual futures over REST V3, signed by an agent ("API wallet") key."""
