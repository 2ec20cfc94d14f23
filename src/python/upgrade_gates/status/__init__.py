"""What the evidence says of each line today."""
