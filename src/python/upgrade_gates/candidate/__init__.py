"""Making sure that a check through the API reaches the new engine, and showing that it did."""
