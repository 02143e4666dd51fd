"""Fits a line to points by gradient descent: a training small enough for a first sweep, in the standard library alone.

    python fit.py --lr 0.3 --steps 20

Each step prints a line of metrics and one of progress, which `ry ls` and `ry results` understand.
"""

from __future__ import annotations

import argparse
import sys

POINTS = [(x / 10, 3 * x / 10 + 1) for x in range(11)]
TOO_MUCH = 1e6
"""With a loss above this the training has run away."""


def main() -> int:
    parser = argparse.ArgumentParser(description="Fit a line by gradient descent.")
    parser.add_argument("--lr", type=float, default=0.3, help="learning rate (default: %(default)s)")
    parser.add_argument("--steps", type=int, default=20, help="steps of the descent (default: %(default)s)")
    options = parser.parse_args()
    slope = offset = 0.0
    for step in range(1, options.steps + 1):
        errors = [(slope * x + offset - y, x) for x, y in POINTS]
        loss = sum(error**2 for error, _ in errors) / len(errors)
        print(f"::metric loss={loss:.4f} step={step}")
        print(f"::progress {step}/{options.steps}", flush=True)
        if loss > TOO_MUCH:
            print(f"the loss runs away at step {step}", file=sys.stderr)
            return 1
        slope -= options.lr * 2 * sum(error * x for error, x in errors) / len(errors)
        offset -= options.lr * 2 * sum(error for error, _ in errors) / len(errors)
    print(f"y = {slope:.2f} x + {offset:.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
