"""What the tests of the API share: a database for each test, and the API on a real socket."""
