"""What reads the image of a page."""
