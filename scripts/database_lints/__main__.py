"""`python -m scripts.database_lints`: every check of the finished schema that needs a database."""

import sys

from scripts.database_lints.cli import main

if __name__ == "__main__":
    sys.exit(main())
