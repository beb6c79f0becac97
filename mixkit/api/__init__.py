"""Commands as functions, for notebooks and programs; `mixkit.train` and the others lead here."""
