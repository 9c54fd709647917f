"""`python -m driftline.cli` is `driftline`."""

import sys

from driftline.cli import main

if __name__ == "__main__":
    sys.exit(main())
