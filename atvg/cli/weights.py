"""The options of every command that animates a photo: with which weights, and drawn by what."""

import argparse


def add_weights(command: argparse.ArgumentParser) -> None:
    """Adds ``--weights`` and ``--engine`` to a command."""
    command.add_argument("--weights", metavar="DIR", help="folder or Hub id of the weights (default: the shipped ones)")
    command.add_argument(
        "--engine", default="auto", help="what VG-net is drawn with: auto (default), torch, openvino, openvino-int8"
    )
