"""CVAT's own checks take what the function says of itself and what it finds."""

import logging
from types import SimpleNamespace

import pytest
from PIL import Image

from focus_mmdet.errors import InputError
from tests.projects.conftest import BrightFinder, load

driver = pytest.importorskip('cvat_sdk.auto_annotation.driver')
models = pytest.importorskip('cvat_sdk.models')


@pytest.fixture
def create(monkeypatch, tmp_path, photo):
    module = load('cvat/focus_function.py')
    monkeypatch.setattr(module, 'InContextInferencer', lambda *_: BrightFinder())

    def make(*names):
        files = [str(tmp_path / f'{number}.focus') for number, _ in enumerate(names)]
        for file, name in zip(files, names, strict=True):
            BrightFinder.remember([(photo, (20, 10, 60, 30))], name).save(file)
        return module.create(','.join(files))

    return make


def context(conf_threshold=None):
    return SimpleNamespace(frame_name='photo.png', conf_threshold=conf_threshold)


def test_what_is_found_is_uploaded_under_the_tasks_own_labels(create, photo):
    function = create('my cup', 'dog')
    labels = [
        models.Label(name=name, id=number, type='any', attributes=[], sublabels=[])
        for number, name in enumerate(['dog', 'my cup'], start=100)
    ]
    # What annotate_task checks and maps by.
    mapper = driver._AnnotationMapper(
        logging.getLogger(),
        function.spec.labels,
        labels,
        allow_unmatched_labels=False,
        conv_mask_to_poly=False,
    )
    _, shapes = mapper.validate_and_remap(function.detect(context(), Image.open(photo)), 7)
    assert [(shape.label_id, shape.frame, shape.score, list(shape.points)) for shape in shapes] == [
        (101, 7, 0.75, [20, 10, 60, 30]),
        (100, 7, 0.75, [20, 10, 60, 30]),
    ]


def test_unsure_answers_are_left_out_as_cvat_asks(create, photo):
    assert create('my cup').detect(context(0.8), Image.open(photo)) == []


def test_references_of_one_name_are_refused(create):
    with pytest.raises(InputError, match='one of its own'):
        create('cup', 'cup')
