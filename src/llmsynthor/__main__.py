"""`python -m llmsynthor` is the command line."""

from llmsynthor.cli.commands import main

main()
