"""`python -m plena_cosim`: the command `plena` where it is not on PATH."""

from plena_cosim.cli.main import main

if __name__ == "__main__":
    main()
