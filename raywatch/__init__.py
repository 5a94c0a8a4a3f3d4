"""The program: command line, configuration and assembly."""
