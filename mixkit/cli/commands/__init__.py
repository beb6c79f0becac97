"""The commands, one a file, each named as it is called. What they need beside options is imported when they run."""
