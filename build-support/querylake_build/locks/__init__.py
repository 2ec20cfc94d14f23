"""Making, upgrading and checking the hashed locks in 3rdparty/python."""
