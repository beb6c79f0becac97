"""What a network does: cards of what is registered, and which inputs reach which outputs."""
