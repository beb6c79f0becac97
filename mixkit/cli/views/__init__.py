"""What the commands show: tables, bars, lines of a log."""
