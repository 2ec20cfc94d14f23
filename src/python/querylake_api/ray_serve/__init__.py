"""Ray clusters that are there already."""
