"""The clips of a run's splits: which are usable, in batches, without leaks; and a look over a data set."""
