"""What is kept of rollouts: the plan, the states, the outcomes, and who may change them."""
