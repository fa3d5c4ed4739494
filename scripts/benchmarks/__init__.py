"""Measurements, each printed beside the settings it was made with and the limit it can reach at best."""
