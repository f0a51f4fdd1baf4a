from saddlepoint.training.callbacks.every import Moments


def passed(moments, step, end):
    return [after for after in range(step, end + 1, step) if moments.due(after - step, after)]


def test_a_moment_is_due_once_at_the_first_step_that_reaches_it():
    assert passed(Moments(100), 64, 400) == [128, 256, 320]
    assert passed(Moments(64), 64, 256) == [64, 128, 192, 256]
    assert passed(Moments(None, [10, 200]), 64, 400) == [64, 256]
    assert passed(Moments(None), 64, 400) == []


def test_one_step_may_pass_several_moments():
    assert passed(Moments(10), 64, 128) == [64, 128]


def test_a_run_that_starts_in_the_middle_acts_at_the_same_moments():
    whole = passed(Moments(100, [130]), 32, 960)
    resumed = [after for after in range(512, 961, 32) if Moments(100, [130]).due(after - 32, after)]
    assert resumed == [moment for moment in whole if moment >= 512]
