"""The breaker by its clock."""

from lateral.llm.breaker import Breaker


def test_the_breaker_opens_probes_and_closes():
    now = [0.0]
    breaker = Breaker(threshold=2, cool_down=10, clock=lambda: now[0])
    assert [breaker.failed(), breaker.enter(), breaker.failed(), breaker.enter()] == [False, 0, True, 10]
    now[0] = 10.0
    assert breaker.enter() == 0  # the probe
    assert breaker.enter() > 0
    breaker.left()
    assert breaker.enter() == 0  # another, since the first was given up
    breaker.failed()
    assert breaker.enter() == 10
    now[0] = 20.0
    assert breaker.enter() == 0
    breaker.alive()
    assert [breaker.enter(), breaker.enter()] == [0, 0]
    assert breaker.failed()  # one failure is enough so soon after
    now[0] = 30.0
    assert breaker.enter() == 0
    breaker.succeeded()
    assert [breaker.failed(), breaker.enter()] == [False, 0]
