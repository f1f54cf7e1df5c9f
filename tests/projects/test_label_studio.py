"""Label Studio's own server asks the backend, and its own checks take the answers."""

import pytest

from focus_mmdet.apis.inputs.reference import Reference
from focus_mmdet.errors import InputError
from tests.projects.conftest import BrightFinder, load

pytest.importorskip('label_studio_ml.model')

CONFIG = """<View><Image name="photo" value="$picture"/>
<RectangleLabels name="objects" toName="photo"><Label value="my cup"/><Label value="dog"/></RectangleLabels>
</View>"""


@pytest.fixture
def module(monkeypatch, tmp_path):
    loaded = load('label_studio/model.py')
    monkeypatch.setattr(loaded, 'finder', BrightFinder)
    monkeypatch.setenv('FOCUS_REFERENCES', str(tmp_path / 'references'))
    monkeypatch.setenv('FOCUS_SHOTS', '2')
    return loaded


def drawn(label, **value):
    box = dict(x=25, y=20, width=50, height=40, rotation=0, rectanglelabels=[label])
    return {'from_name': 'objects', 'original_width': 80, 'original_height': 50, 'value': {**box, **value}}


@pytest.fixture
def ask(module, monkeypatch, tmp_path):
    """What the SDK's server answers to Label Studio for a picture."""
    from label_studio_ml import api

    monkeypatch.setenv('MODEL_DIR', str(tmp_path))
    client = api.init_app(module.FocusBackend).test_client()
    assert client.post('/setup', json={'project': '1.1', 'schema': CONFIG}).status_code == 200

    def call(path):
        tasks = [{'id': 1, 'data': {'picture': path}}]
        answer = client.post('/predict', json={'tasks': tasks, 'label_config': CONFIG, 'project': '1.1'})
        assert answer.status_code == 200, answer.data
        return answer.json['results']

    return call


@pytest.fixture
def backend(module):
    return module.FocusBackend(label_config=CONFIG)


def test_a_box_that_was_drawn_once_is_proposed_in_other_pictures(ask, backend, photo):
    (nothing,) = ask(photo)
    assert nothing['result'] == []
    task = {'id': 1, 'data': {'picture': photo}}
    backend.fit('ANNOTATION_CREATED', {'task': task, 'annotation': {'result': [drawn('my cup')]}})
    (prediction,) = ask(photo)
    (found,) = prediction['result']
    assert (found['from_name'], found['to_name']) == ('objects', 'photo')
    assert found['value'] == drawn('my cup')['value']
    assert prediction['score'] == found['score'] == 0.75


def test_a_file_that_was_made_elsewhere_gives_its_label_whatever_it_calls_itself(ask, module, photo):
    for label in ('my cup', 'dog'):
        file = module.file_of(label)
        file.parent.mkdir(exist_ok=True)
        Reference.of([(photo, [20, 10, 60, 30])], 'photo').save(file)
    (prediction,) = ask(photo)
    assert [found['value']['rectanglelabels'] for found in prediction['result']] == [['my cup'], ['dog']]


@pytest.mark.parametrize(('lowest', 'boxes'), [('0.75', 1), ('0.8', 0)])
def test_unsure_boxes_are_not_proposed(ask, module, monkeypatch, photo, lowest, boxes):
    monkeypatch.setenv('FOCUS_SCORE_THR', lowest)
    module.remember('dog', photo, [20, 10, 60, 30])
    (prediction,) = ask(photo)
    assert len(prediction['result']) == boxes


def test_a_variable_that_is_no_number_is_named(module, monkeypatch, photo):
    monkeypatch.setenv('FOCUS_SHOTS', 'four')
    with pytest.raises(InputError, match='FOCUS_SHOTS=four: give a number'):
        module.remember('dog', photo, [20, 10, 60, 30])


def test_predictions_pass_label_studios_own_check(ask, module, photo):
    interface = pytest.importorskip('label_studio_sdk.label_interface').LabelInterface(CONFIG)
    module.remember('dog', photo, [20, 10, 60, 30])
    (prediction,) = ask(photo)
    assert interface.validate_prediction(prediction)


def test_the_first_boxes_of_a_label_stay_its_supports(module, backend, photo):
    task = {'id': 1, 'data': {'picture': photo}}
    boxes = [drawn('my cup'), drawn('my cup', rotation=30), drawn('dog', width=75.01), drawn('my cup', x=0)]
    backend.fit('ANNOTATION_UPDATED', {'task': task, 'annotation': {'result': boxes}})
    assert not module.file_of('my cup').exists()
    for _ in range(2):
        backend.fit('ANNOTATION_CREATED', {'task': task, 'annotation': {'result': boxes}})
    cup, dog = (Reference.load(module.file_of(label)) for label in ('my cup', 'dog'))
    assert cup.name == 'my cup'
    assert cup.boxes == ((20, 10, 60, 30), (0, 10, 40, 30))
    assert dog.boxes == ((20, 10, 80, 30),) * 2
