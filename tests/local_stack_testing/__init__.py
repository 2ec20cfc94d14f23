"""What the tests of `./querylake up` stand on: a stand-in checkout, and `up` as a process."""
