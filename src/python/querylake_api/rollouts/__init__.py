"""Rollouts: a model's new stack gets a growing share of its traffic, and is judged all the way.

The rooms, from the top down; imports only go down, and `judging` and `routing` know nothing of each
other:

1. faces: `endpoints`, `commands` (with `client` and `table`), `schemas`, `metrics`, `ui`;
2. `control`: the worker that holds the lease judges and acts; each worker watches and reports;
3. `judging`: from what was counted to a decision, without I/O; and `routing`: from what is in force
   to the stack of each request, and what became of it;
4. `records`: the plan, the states, and what the database and this machine keep of them.
"""
