"""The search for a recipe: a space to candidates, candidates to trials, trials to an answer."""
