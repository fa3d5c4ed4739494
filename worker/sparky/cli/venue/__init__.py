"""`sparky venue`: what a person asks a venue by hand."""
