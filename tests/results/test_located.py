def test_a_box_below_the_threshold_is_left_out_and_its_score_told(located):
    assert located('a.jpg', score=0.4).at_least(0.4) == located('a.jpg', score=0.4)
    left = located('a.jpg', score=0.4).at_least(0.5)
    assert (left.box, left.score, left.absent) == (None, 0.4, False)
