"""Which models there are, where their files come from, and what those files say of themselves."""
