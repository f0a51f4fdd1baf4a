from saddlepoint.training.callbacks.every import Every


def passed(moments, step, end):
    return [after for after in range(step, end + 1, step) if moments.is_between(after - step, after)]


def test_a_moment_is_due_once_at_the_first_step_that_reaches_it():
    assert passed(Every(100), 64, 400) == [128, 256, 320]
    assert passed(Every(64), 64, 256) == [64, 128, 192, 256]
    assert passed(Every(None, [10, 200]), 64, 400) == [64, 256]
    assert passed(Every(None), 64, 400) == []


def test_one_step_may_pass_several_moments():
    assert passed(Every(10), 64, 128) == [64, 128]


def test_a_run_that_starts_in_the_middle_acts_at_the_same_moments():
    whole = passed(Every(100, [130]), 32, 960)
    resumed = [after for after in range(512, 961, 32) if Every(100, [130]).is_between(after - 32, after)]
    assert resumed == [moment for moment in whole if moment >= 512]
