"""Trains a small neural network on scikit-learn's bundled digits: an ordinary script that knows nothing of Runyard.

    python train.py --hidden 32 --lr 0.01 --epochs 40 --out runs/lr0.01-h32

Each epoch prints one line of metrics and one of progress, and replaces `checkpoint.pkl` below `--out`. A second start
with the same settings goes on from there and ends with the very numbers of a training that was never interrupted:
nothing random is carried from one epoch to the next. On SIGTERM or SIGINT the epoch is finished, the checkpoint is on
disk and the exit code is 128 + signal. At the end `result.json` appears; `starts.jsonl` has a line for each start.

`--broken` fails on purpose in the middle of the first attempt (environment variable RUNYARD_ATTEMPT; without it every
start counts as the first).
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import signal
import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier
from threadpoolctl import threadpool_limits

BATCH_SIZE = 64
CLASSES = np.arange(10)
TEST_SHARE = 0.25
PIXEL_MAX = 16.0
BROKEN_SHARE = 0.2
"""A training that is broken on purpose gets through this share of its epochs."""
NAP_S = 0.05
"""The longest sleep without a look at the signals."""


@dataclass(frozen=True)
class Setting:
    """What makes one training differ from another. A checkpoint is good for one setting only."""

    hidden: int
    lr: float
    alpha: float
    epochs: int
    seed: int


@dataclass
class Progress:
    """A training so far, as the checkpoint holds it. `history` has one entry an epoch; `seconds` is training time."""

    setting: Setting
    model: MLPClassifier
    history: list[dict[str, float]] = field(default_factory=list)
    resumed_at: list[int] = field(default_factory=list)
    seconds: float = 0.0


@dataclass(frozen=True)
class Digits:
    """Images as rows of 64 pixels from 0 to 1, and the digits they show."""

    train_images: Any
    train_digits: Any
    test_images: Any
    test_digits: Any


class Stop:
    """Remembers the signal that asks for an end, so that no epoch is torn in two."""

    def __init__(self) -> None:
        self.signal = 0
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.signal = number

    def sleep_until(self, moment: float) -> None:
        """Sleeps to a moment of the monotonic clock; a signal ends it early."""
        while not self.signal and (left := moment - time.monotonic()) > 0:
            time.sleep(min(NAP_S, left))


def main() -> int:
    options = parse()
    setting = Setting(options.hidden, options.lr, options.alpha, options.epochs, options.seed)
    attempt = int(os.environ.get("RUNYARD_ATTEMPT", "1"))
    break_at = int(setting.epochs * BROKEN_SHARE) if options.broken and attempt == 1 else None
    options.out.mkdir(parents=True, exist_ok=True)
    stop = Stop()
    progress = resume(options.out, setting)
    note_start(options.out, attempt, len(progress.history))
    with threadpool_limits(limits=1):
        code = train(progress, load(setting.seed), options, stop, break_at)
    if code == 0:
        write_result(options.out, progress)
    return code


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a small neural network on the bundled digits.")
    parser.add_argument("--hidden", type=int, default=32, help="units in the hidden layer (default: %(default)s)")
    parser.add_argument("--lr", type=float, default=0.01, help="learning rate (default: %(default)s)")
    parser.add_argument("--alpha", type=float, default=1e-4, help="L2 penalty (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=40, help="passes over the data (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of weights, split and order (default: %(default)s)")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="checkpoint and result are kept here")
    parser.add_argument(
        "--min-seconds", type=float, default=0.0, help="pace the epochs so that all of them last this long"
    )
    parser.add_argument("--broken", action="store_true", help="fail on purpose in the middle of the first attempt")
    return parser.parse_args()


def load(seed: int) -> Digits:
    images, digits = load_digits(return_X_y=True)
    train_images, test_images, train_digits, test_digits = train_test_split(
        images / PIXEL_MAX, digits, test_size=TEST_SHARE, random_state=seed, stratify=digits
    )
    return Digits(train_images, train_digits, test_images, test_digits)


def train(progress: Progress, data: Digits, options: argparse.Namespace, stop: Stop, break_at: int | None) -> int:
    """Trains what is left of the epochs and returns the exit code."""
    epochs = progress.setting.epochs
    for step in range(len(progress.history) + 1, epochs + 1):
        began = time.monotonic()
        metrics = one_epoch(progress.model, data, progress.setting.seed, step)
        stop.sleep_until(began + options.min_seconds / epochs)
        progress.history.append(metrics)
        progress.seconds += time.monotonic() - began
        save(options.out, progress)
        print(f"::metric acc={metrics['acc']:.4f} loss={metrics['loss']:.4f} step={step}")
        print(f"::progress {step}/{epochs}", flush=True)
        if stop.signal:
            name = signal.Signals(stop.signal).name
            print(f"stopped by {name} after epoch {step}; the checkpoint is safe", flush=True)
            return 128 + stop.signal
        if step == break_at:
            print(f"failing on purpose after epoch {step}: --broken", file=sys.stderr, flush=True)
            return 1
    return 0


def one_epoch(model: MLPClassifier, data: Digits, seed: int, step: int) -> dict[str, float]:
    """One pass over the shuffled training images; accuracy (0 to 1) is on the test images."""
    order = np.random.default_rng([seed, step]).permutation(len(data.train_digits))
    model.partial_fit(data.train_images[order], data.train_digits[order], classes=CLASSES)
    return {
        "step": step,
        "loss": float(model.loss_),
        "acc": float(model.score(data.test_images, data.test_digits)),
    }


def resume(out: Path, setting: Setting) -> Progress:
    """The training that the checkpoint holds, or a fresh one."""
    try:
        progress: Progress = pickle.loads(checkpoint(out).read_bytes())
    except FileNotFoundError:
        return fresh(setting)
    if progress.setting != setting:
        raise SystemExit(f"{checkpoint(out)} belongs to other settings: {progress.setting}")
    done = len(progress.history)
    progress.resumed_at.append(done)
    print(f"resumed from the checkpoint of epoch {done}", flush=True)
    return progress


def fresh(setting: Setting) -> Progress:
    model = MLPClassifier(
        (setting.hidden,),
        learning_rate_init=setting.lr,
        alpha=setting.alpha,
        batch_size=BATCH_SIZE,
        shuffle=False,
        random_state=setting.seed,
    )
    return Progress(setting, model)


def save(out: Path, progress: Progress) -> None:
    replace(checkpoint(out), pickle.dumps(progress))


def checkpoint(out: Path) -> Path:
    return out / "checkpoint.pkl"


def note_start(out: Path, attempt: int, epoch: int) -> None:
    line = json.dumps({"attempt": attempt, "pid": os.getpid(), "after_epoch": epoch})
    with (out / "starts.jsonl").open("a") as file:
        file.write(line + "\n")


def write_result(out: Path, progress: Progress) -> None:
    last = progress.history[-1]
    result = {
        "name": out.name,
        "setting": asdict(progress.setting),
        "accuracy": last["acc"],
        "loss": last["loss"],
        "seconds": round(progress.seconds, 3),
        "resumed_at": progress.resumed_at,
        "history": progress.history,
    }
    replace(out / "result.json", json.dumps(result, indent=2).encode() + b"\n")
    print(f"done: accuracy {last['acc']:.4f} after {len(progress.history)} epochs", flush=True)


def replace(path: Path, content: bytes) -> None:
    """Puts the whole content in place, or, whatever happens meanwhile, leaves what was there."""
    new = path.with_name(path.name + ".new")
    with new.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.replace(new, path)


if __name__ == "__main__":
    sys.exit(main())
