"""`python -m rollout_trials`, and the entry of rollout_trials.pex."""

from __future__ import annotations

from rollout_trials.cli import main

if __name__ == "__main__":
    main()
