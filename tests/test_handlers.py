"""Handlers of signals: set for a while, and never over a signal that is ignored."""

import signal
import sys
import threading
from collections.abc import Iterator

import pytest

import mixkit.cli
from mixkit.errors import Stopped
from mixkit.handlers import handled
from mixkit.study.folder import stoppable
from mixkit.training import signals
from mixkit.training.signals import AGENT, ASKING, Signals


@pytest.fixture
def restored() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in ASKING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("listening", [lambda: Signals().listening(), stoppable], ids=["training", "study"])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_ignored_signal_stays_ignored(listening: object, number: signal.Signals) -> None:
    signal.signal(number, signal.SIG_IGN)
    with listening():  # type: ignore[operator]
        signal.raise_signal(number)
        assert signal.getsignal(number) is signal.SIG_IGN
    assert signal.getsignal(number) is signal.SIG_IGN
    signal.signal(number, signal.SIG_DFL)  # the control: one that is not ignored is heard
    with listening(), pytest.raises(Stopped):  # type: ignore[operator]
        signal.raise_signal(number)
    assert signal.getsignal(number) is signal.SIG_DFL


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("agent", [True, False])
def test_what_an_agent_hands_on_is_no_second_signal(monkeypatch: pytest.MonkeyPatch, agent: bool) -> None:
    """A scheduler tells every process, and the agent of torchrun tells its own once more."""
    left: list[int] = []
    now = [100.0]
    monkeypatch.setattr("os._exit", left.append)
    monkeypatch.setattr(signals.time, "monotonic", lambda: now[0])
    if agent:
        monkeypatch.setenv(AGENT, "x")
    listener = Signals()
    with listener.listening(), listener.finishing():
        for later, leaves in ((0.0, 0), (1.0, not agent), (9.0, 1)):
            now[0] += later
            signal.raise_signal(signal.SIGTERM)
            assert bool(left) == leaves
    assert listener.asked == signal.SIGTERM


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize("before", [signal.SIG_IGN, signal.default_int_handler])
def test_while_train_imports(before: object, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    monkeypatch.setattr(sys, "argv", ["mixkit", "train"])
    monkeypatch.setattr(mixkit.cli, "_main", lambda: seen.append(signal.getsignal(signal.SIGINT)))
    signal.signal(signal.SIGINT, before)  # type: ignore[arg-type]
    mixkit.cli.main()
    assert seen == [signal.SIG_IGN if before is signal.SIG_IGN else signal.SIG_DFL]
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_sets_none() -> None:
    before, seen = signal.getsignal(signal.SIGTERM), []

    def work() -> None:
        with handled(ASKING, signal.SIG_DFL):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=work)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert seen == [signal.default_int_handler]
