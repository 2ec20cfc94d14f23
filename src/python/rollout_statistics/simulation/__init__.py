"""How the tests behave: simulated rollouts, thousands of them, from one seed."""
