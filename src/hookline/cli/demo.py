"""``hookline demo``."""


def demo() -> None:
    """Show."""
