"""What the tests of the gates share: workspaces, the program as a process, and what tools print."""
