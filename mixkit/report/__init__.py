"""What runs and studies came to: statistics, tables, plots, and the page."""
