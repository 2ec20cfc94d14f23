"""From fragments of text to blocks in reading order."""
