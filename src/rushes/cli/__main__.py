"""``python -m rushes.cli`` is ``rushes``."""

from rushes.cli import main

main()
