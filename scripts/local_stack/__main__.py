import sys

from scripts.local_stack.cli import main

sys.exit(main())
