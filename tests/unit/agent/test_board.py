"""What an attempt has reported, put together: metrics, histories that stay small, pace, bars, and telling it again."""

from __future__ import annotations

from runyard.agent.board import Board, Kept
from runyard.agent.lines import Bar, Fact
from runyard.model import codec
from runyard.model.attempt import AttemptKey
from runyard.model.metrics import NAMES_MAX

KEY = AttemptKey(7, 1, "token")


def value(number: float, name: str = "acc", step: float | None = None) -> Fact:
    return Fact(((name, number),), step)


def test_a_metric_has_its_last_least_and_greatest_value() -> None:
    board = Board()
    board.hear([value(3.0), value(1.0), value(2.0, step=40.0)], (), now=10.0)
    board.hear([value(5.0, "loss")], (), now=11.0)
    acc, loss = board.reading(KEY).metrics
    assert (acc.count, acc.last, acc.least, acc.most, acc.step, acc.at) == (3, 2.0, 1.0, 3.0, 40.0, 10.0)
    assert acc.points == ((1, 1.0, 10.0, 3.0), (2, 2.0, 10.0, 1.0), (3, 40.0, 10.0, 2.0))
    assert loss.last == 5.0
    assert board.reading(KEY).metrics == (), "it was told"
    board.again()
    assert len(board.reading(KEY).metrics) == 2


def test_a_time_that_a_job_gives_counts_unless_it_is_none() -> None:
    board = Board()
    board.hear([Fact((("a", 1.0),), at=5.0), Fact((("a", 1.0),), at=1e12), Fact((("a", 1.0),), at=-1.0)], (), now=10.0)
    assert [point[2] for point in board.reading(KEY).metrics[0].points] == [5.0, 10.0, 10.0]


def test_only_so_many_names() -> None:
    board = Board()
    board.hear([value(1.0, f"n{number}") for number in range(500)], (), now=1.0)
    assert len(board.reading(KEY).metrics) == NAMES_MAX


def test_progress_and_the_time_left() -> None:
    board = Board()
    board.hear([Fact(progress=(0.0, 100.0))], (), now=100.0)
    assert board.progress.left_s(100.0) is None, "there is no pace yet"
    board.hear([Fact(progress=(20.0, 100.0))], (), now=110.0)
    assert (board.progress.percent, board.progress.left_s(110.0), board.progress.left_s(130.0)) == (20.0, 40.0, 20.0)
    board.hear([Fact(stage="testing")], (), now=120.0)
    assert (board.progress.stage, board.progress.percent) == ("testing", None)
    board.hear([Fact(progress=(5.0, 10.0))], (), now=121.0)
    assert (board.progress.stage, board.progress.done, board.progress.from_at) == ("testing", 5.0, 121.0)


def test_a_bar_is_progress_until_the_job_says_its_own() -> None:
    board = Board()
    assert board.hear((), [Bar("Epoch 1", 5, 10, 3)], now=1.0)
    assert not board.hear((), [Bar("Epoch 1", 5, 10, 3)], now=2.0), "the same bar is no news"
    assert (board.progress.stage, board.progress.done, board.progress.total) == ("Epoch 1", 5, 10)
    board.hear((), [Bar("batch", 1, 2, 1)], now=3.0)
    assert board.progress.stage == "Epoch 1", "a shorter bar inside is not the job's"
    board.hear((), [Bar("Epoch 1", 10, 10, 9), Bar("Epoch 2", 1, 10, 0)], now=4.0)
    assert (board.progress.stage, board.progress.done) == ("Epoch 2", 1)
    board.hear([Fact(progress=(3, 4))], [Bar("Epoch 2", 2, 10, 1)], now=5.0)
    assert (board.progress.done, board.progress.total) == (3, 4)


def test_stalled_is_far_longer_than_its_own_pauses() -> None:
    board = Board()
    for now in (0, 500, 520, 540, 600, 620):  # the first pause is that of the start
        board.hear([value(1.0)], (), now=float(now))
    assert board.progress.longest_s == 60.0
    assert not board.progress.stalled(1239.0) and board.progress.stalled(1241.0), "ten of its usual pauses of 124 s"
    quick = Board()
    for now in range(4):
        quick.hear([value(1.0)], (), now=float(now))
    assert not quick.progress.stalled(1e6), "four reports are no habit"
    quick.hear([value(1.0)], (), now=4.0)
    assert not quick.progress.stalled(60.0) and quick.progress.stalled(60.1)
    quick.hear([Fact(progress=(7.0, 7.0))], (), now=5.0)
    assert not quick.progress.stalled(1e6), "it has nothing more to do"


def test_a_board_goes_on_from_disk() -> None:
    board = Board()
    board.hear([value(float(number)) for number in range(700)], [Bar("b", 1, 2, 3)], now=1.0)
    kept = codec.loads(Kept, codec.dumps(board.kept(17, 4)))
    assert (kept.output_at, kept.file_at) == (17, 4)
    again = Board(kept)
    for one in (board, again):
        one.hear([value(9.0)], [Bar("b", 2, 2, 4)], now=2.0)
        one.again()
    assert again.reading(KEY) == board.reading(KEY)
