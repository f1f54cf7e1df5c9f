def test_a_record_has_an_answer_where_the_model_wrote_one(located):
    assert located('a.jpg').record()['answer'] == '<answer>'
    assert 'answer' not in located('a.jpg', answer='').record()


def test_a_box_below_the_threshold_is_left_out_and_its_score_told(located):
    assert located('a.jpg', score=0.4).at_least(0.4) == located('a.jpg', score=0.4)
    left = located('a.jpg', score=0.4).at_least(0.5)
    assert (left.box, left.score, left.absent) == (None, 0.4, False)
