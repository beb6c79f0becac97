"""Files to start a plugin from, empty or with the settings of something that is there."""
