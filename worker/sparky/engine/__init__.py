"""The imperative shell: takes signals, executes them, recovers what was interrupted."""
