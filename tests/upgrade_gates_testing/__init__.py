"""What the tests of the gates share: a workspace with artefacts, and the program as a process."""
