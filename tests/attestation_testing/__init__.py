"""In-toto's own library, for tests of evidence."""
