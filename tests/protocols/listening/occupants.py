"""Connections without a socket, as far as places are concerned."""


class Somebody:
    """Has a place, and remembers that it was asked to give way."""

    def __init__(self, *, idle: bool = True) -> None:
        self.idle = idle
        self.gone = False

    def give_way(self) -> None:
        assert not self.gone
        self.gone = True
