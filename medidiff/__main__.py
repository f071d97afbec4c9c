"""`python -m medidiff` is the command line."""

import sys

from medidiff.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
