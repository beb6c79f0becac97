"""Files that are whole or not there, locks, and the folders that belong to the user."""
