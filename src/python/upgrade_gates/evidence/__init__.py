"""What each check saw, kept as in-toto statements in a chain that shows every change."""
