"""`python -m jobsched`: the command `jobsched` where no script of that name is installed."""

import sys

from .cli.app import main

if __name__ == "__main__":
    sys.exit(main())
