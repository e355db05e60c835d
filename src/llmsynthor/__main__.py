"""`python -m llmsynthor` is the command line."""

from llmsynthor.cli import main

main()
