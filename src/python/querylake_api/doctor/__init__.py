"""`doctor`: looks at all that serving depends on, and says what to do about what is wrong."""
