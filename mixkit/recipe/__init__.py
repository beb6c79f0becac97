"""Recipes: gin text to frozen data, and back. The only room that knows gin."""
