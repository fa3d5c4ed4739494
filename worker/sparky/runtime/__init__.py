"""What a process needs to run: settings, logging and the seams to the outside world."""
