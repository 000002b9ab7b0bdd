"""The command `sardiff`, also as `python -m sardiff`: a clean environment first, words after."""

from geo_io.harden import clean_environment

__all__ = ["main"]


def main() -> None:
    """Run the command line; GDAL, PROJ and torch are imported only after the environment is clean."""
    dropped = clean_environment()
    from sardiff.cli import cli

    cli(prog_name="sardiff", obj=dropped)


if __name__ == "__main__":
    main()
