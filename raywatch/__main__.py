"""`python -m raywatch`."""

from raywatch.cli import main

if __name__ == "__main__":
    main(prog_name="raywatch")
