import json
import runpy
import tracemalloc
from contextlib import ExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.conversion.coco_writer import CocoWriter
from focus_mmdet.datasets.conversion.drop_counter import DropCounter
from focus_mmdet.datasets.episodes.samplers import RandomEpisodes
from focus_mmdet.errors import InputError
from tests.conftest import ROOT
from tests.tools.dataset_converters.conftest import read_absent, write_frame

SIZE = (100, 80)


def image(number, **extra):
    url = f'http://images.cocodataset.org/train2017/{number:012d}.jpg'
    return {'id': number, 'width': SIZE[0], 'height': SIZE[1], 'coco_url': url, **extra}


def box(number, image_id, category, bbox=(10, 5, 40, 50), **extra):
    return {'id': number, 'image_id': image_id, 'category_id': category, 'bbox': bbox, 'area': 1, **extra}


def write(root, images, annotations, name='instances_train2017'):
    for record in images:
        write_frame(root / 'train2017' / f'{record["id"]:012d}.jpg', SIZE)
    categories = [{'id': 1, 'name': 'person'}, {'id': 18, 'name': 'dog'}]
    content = {'info': {}, 'images': images, 'annotations': annotations, 'categories': categories}
    (root / 'annotations').mkdir(exist_ok=True)
    (root / 'annotations' / f'{name}.json').write_text(json.dumps(content))


def found(path, root):
    file = AnnotationFile(str(path), str(root))
    names = {f'instance_id {item["id"]}': item['name'] for item in file.content['instances']}
    return {
        names[track.name]: [(frame.path[-6:-4], frame.box) for frame in track.frames]
        for track in file.tracks()
    }


def test_a_class_is_one_object_where_it_appears_exactly_once(convert, tmp_path):
    annotations = [
        box(11, 1, 18, [10, 5, 40, 50]),
        box(12, 2, 18, [0, 0, 33.5, 40]),
        box(13, 2, 1),
        box(14, 2, 1, iscrowd=1),
        box(15, 3, 18, iscrowd=1),
        box(16, 3, 1, [1, 2, 40, 41]),
        box(17, 4, 1, [1, 2, 40, 10]),
        box(18, 5, 1, []),
        box(19, 1, 1, [60, 20, 40, 60]),
    ]
    images = [image(number, file_name=f'{number:012d}.jpg') for number in (1, 2, 3, 4, 5)]
    write(tmp_path, images, annotations)
    done = convert('coco', tmp_path, '--identity', 'class')
    assert found(tmp_path / 'train2017_class.json', tmp_path) == {
        'dog': [('01', (10, 5, 50, 55)), ('02', (0, 0, 33.5, 40))],
        'person': [('01', (60, 20, 100, 80)), ('03', (1, 2, 41, 43))],
    }
    assert '2 objects in 5 videos, 5 images, 4 boxes' in done.out
    assert 'dropped 2 times: class more than once in an image' in done.out
    for reason in (
        'annotations: crowd, not one object',
        'box smaller than --min-size',
        'annotations: no sound bbox',
    ):
        assert f'dropped 1 times: {reason}' in done.out


@pytest.mark.parametrize(
    ('file', 'name', 'lies_at'),
    [
        ('result.json', '../media/upload/1/5b-a_01.jpg', 'images/5b-a_01.jpg'),  # Label Studio
        ('labels.json', 'a_01.jpg', 'data/a_01.jpg'),  # FiftyOne
        ('annotations/instances_default.json', 'a_01.jpg', 'images/default/a_01.jpg'),  # CVAT
        ('labels.json', 'images\\a_01.jpg', 'images/a_01.jpg'),
    ],
)
def test_a_file_of_a_labelling_tool_is_enough(convert, tmp_path, file, name, lies_at):
    write_frame(tmp_path / lies_at, SIZE)
    record = {'id': 0, 'file_name': name, 'width': SIZE[0], 'height': SIZE[1], 'coco_url': None}
    content = {'images': [record], 'annotations': [box(0, 0, 1)], 'categories': [{'id': 1, 'name': 'cup'}]}
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(json.dumps(content))
    done = convert('coco', tmp_path / file, '--identity', 'class')
    split = (tmp_path / file).stem.removeprefix('instances_')
    assert done.status == 0, done.err
    assert found(tmp_path / f'{split}_class.json', tmp_path) == {'cup': [('01', (10, 5, 50, 55))]}
    done = convert('coco', tmp_path / file, '--identity', 'class', '--split', 'val2017')
    assert done.status == 2
    assert 'leave --split out' in done.err


def test_lvis_names_images_by_url_and_classes_it_is_unsure_of(convert, tmp_path):
    images = [image(1, not_exhaustive_category_ids=[18]), image(2, neg_category_ids=[1])]
    write(tmp_path, images, [box(1, 1, 18), box(2, 1, 1), box(3, 2, 18)], 'lvis_v1_train')
    done = convert('coco', tmp_path, '--split', 'lvis_v1_train', '--identity', 'class')
    assert found(tmp_path / 'lvis_v1_train_class.json', tmp_path) == {
        'person': [('01', (10, 5, 50, 55))],
        'dog': [('02', (10, 5, 50, 55))],
    }
    assert 'dropped 1 times: class not annotated exhaustively in an image' in done.out


def test_a_class_is_absent_only_where_that_is_known(convert, tmp_path):
    annotations = [box(1, 1, 18), box(2, 2, 1), box(3, 3, 1), box(4, 3, 18), box(5, 3, 18), box(6, 4, 1)]
    write(tmp_path, [image(number) for number in (1, 2, 3, 4)], annotations)
    convert('coco', tmp_path, '--identity', 'class')
    expected = {f'train2017/{number:012d}.jpg': ['dog'] for number in (2, 4)}
    expected['train2017/000000000001.jpg'] = ['person']
    assert read_absent(tmp_path / 'train2017_class.json') == expected
    extra = dict(not_exhaustive_category_ids=[])
    images = [image(1), image(2, **extra), image(3, **extra), image(4, neg_category_ids=[18], **extra)]
    write(tmp_path, images, annotations, 'lvis_v1_train')
    convert('coco', tmp_path, '--split', 'lvis_v1_train', '--identity', 'class')
    expected.pop('train2017/000000000002.jpg')  # Of an LVIS image the rest is open.
    assert read_absent(tmp_path / 'lvis_v1_train_class.json') == expected


def test_an_image_without_annotations_lacks_what_others_show(convert, tmp_path):
    write(tmp_path, [image(1), image(2), image(3)], [box(1, 2, 18), box(2, 3, 18)])
    convert('coco', tmp_path, '--identity', 'class')
    assert read_absent(tmp_path / 'train2017_class.json') == {'train2017/000000000001.jpg': ['dog']}
    extra = dict(not_exhaustive_category_ids=[])
    images = [
        image(1, **extra),
        image(2, **extra),
        image(3, **extra),
        image(4, neg_category_ids=[18], **extra),
    ]
    write(tmp_path, images, [box(1, 2, 18), box(2, 3, 18)], 'lvis_v1_train')
    convert('coco', tmp_path, '--split', 'lvis_v1_train', '--identity', 'class')
    assert read_absent(tmp_path / 'lvis_v1_train_class.json') == {'train2017/000000000004.jpg': ['dog']}


@given(st.lists(st.lists(st.tuples(st.integers(1, 3), st.booleans(), st.booleans()), max_size=4), max_size=6))
def test_what_an_image_lacks_does_not_depend_on_the_order(tmp_path_factory, images):
    """Each image's annotations: class, whether a crowd, whether large enough."""
    root = tmp_path_factory.mktemp('coco')
    annotations = [
        box(10 * place + number, place, category, (10, 5, 40 if large else 4, 50), iscrowd=int(crowd))
        for place, shown in enumerate(images)
        for number, (category, crowd, large) in enumerate(shown)
    ]
    for place in range(len(images)):
        write_frame(root / f'{place}.png', SIZE)
    listed = [
        {'id': place, 'width': SIZE[0], 'height': SIZE[1], 'file_name': f'{place}.png'}
        for place in range(len(images))
    ]
    categories = [{'id': number, 'name': f'class {number}'} for number in (1, 2, 3)]
    (root / 'a.json').write_text(
        json.dumps(dict(images=listed, annotations=annotations, categories=categories))
    )
    shown = [[f'class {category}' for category, *_ in each] for each in images]
    boxed = {
        (place, f'class {category}')
        for place, each in enumerate(images)
        for category, crowd, large in each
        if not crowd and large and shown[place].count(f'class {category}') == 1
    }
    tool = runpy.run_path(str(ROOT / 'tools/dataset_converters/coco.py'))
    with ExitStack() as stack:
        if not boxed:
            stack.enter_context(pytest.raises(InputError, match=r'no list|nothing is left to write'))
        with CocoWriter(root / 'out.json', objects_span_videos=True, exhaustive=False) as writer:
            tool['convert'](root / 'a.json', root, 'a', 'class', 32, writer)
    if not boxed:
        return
    result = json.loads((root / 'out.json').read_text())
    names = {each['id']: each['name'] for each in result['instances']}
    place_of = {each['id']: int(each['file_name'][0]) for each in result['images']}
    assert {
        (place_of[each['image_id']], names[each['instance_id']]) for each in result['annotations']
    } == boxed
    lacking = [{name for _, name in boxed} - set(each) for each in shown]
    written = {place for place, _ in boxed} | {place for place, each in enumerate(lacking) if each}
    assert {
        place_of[each['id']]: sorted(map(names.get, each.get('absent', []))) for each in result['images']
    } == {place: sorted(lacking[place]) for place in written}


def test_classes_without_boxes_take_no_place_among_those_that_an_image_lacks(convert, tmp_path):
    annotations = [box(number, 1, number, (0, 0, 4, 4)) for number in range(2, 9)]
    write(tmp_path, [image(1), image(2), image(3)], [*annotations, box(18, 2, 18)])
    spoil(tmp_path, 'categories', *({'id': number, 'name': f'{number}'} for number in range(2, 9)))
    convert('coco', tmp_path, '--identity', 'class')
    expected = {f'train2017/{number:012d}.jpg': ['dog'] for number in (1, 3)}
    assert read_absent(tmp_path / 'train2017_class.json') == expected


def test_a_class_whose_only_image_is_missing_is_absent_nowhere(convert, tmp_path):
    annotations = [box(1, 1, 18), box(2, 2, 18), box(3, 3, 1)]
    write(tmp_path, [image(number) for number in (1, 2, 3, 4)], annotations)
    (tmp_path / 'train2017/000000000003.jpg').unlink()
    done = convert('coco', tmp_path, '--identity', 'class')
    assert read_absent(tmp_path / 'train2017_class.json') == {'train2017/000000000004.jpg': ['dog']}
    assert done.drops()['absent, and without a box anywhere'] == 3
    assert list(found(tmp_path / 'train2017_class.json', tmp_path)) == ['dog']
    assert ': 1 objects in 3 videos' in done.out


def test_a_list_that_is_none_is_counted(convert, tmp_path):
    images = [image(1), image(2, not_exhaustive_category_ids=None), image(3, not_exhaustive_category_ids=18)]
    write(tmp_path, images, [box(number, number, 18) for number in (1, 2, 3)])
    done = convert('coco', tmp_path, '--identity', 'class')
    assert list(found(tmp_path / 'train2017_class.json', tmp_path)) == ['dog']
    assert 'dropped 2 times: images: not_exhaustive_category_ids is no list' in done.out


def test_boxes_beyond_their_image_are_dropped(convert, tmp_path):
    write(tmp_path, [image(1), image(2)], [box(1, 1, 18), box(2, 2, 18, (60, 5, 60, 50))])
    done = convert('coco', tmp_path, '--identity', 'crop')
    assert 'dropped 1 times: box beyond its image; the first: train2017/000000000002.jpg' in done.out


def test_a_crop_is_an_object_of_its_own_and_broken_records_are_counted(convert, tmp_path):
    annotations = [
        box(11, 1, 18, [10, 5, 40, 50]),
        box(12, 1, 18, [50, 5, 20, 50]),
        box(13, 1, 1, [50, 5, 19, 50]),
        box(14, 9, 1),
        box(15, 2, 1),
        box(16, 3, 1),
        box(17, 4, 1, [200, 5, 40, 40]),
        box(18, 4, 1, [0, 0, 0, 0]),
    ]
    write(tmp_path, [image(number) for number in (1, 2, 3, 4)], annotations)
    content = json.loads((tmp_path / 'annotations/instances_train2017.json').read_text())
    content['images'].append(dict(image(5), coco_url=''))
    (tmp_path / 'annotations/instances_train2017.json').write_text(json.dumps(content))
    (tmp_path / 'train2017/000000000002.jpg').unlink()
    (tmp_path / 'train2017/000000000003.jpg').write_bytes(b'x')
    out = tmp_path / 'out.json'
    done = convert('coco', tmp_path, '--identity', 'crop', '--min-size', '20', '--out', out)
    assert found(out, tmp_path) == {'11': [('01', (10, 5, 50, 55))], '12': [('01', (50, 5, 70, 55))]}
    assert 'dropped 2 times: box smaller than --min-size' in done.out
    for reason in (
        'images: no sound file_name',
        'annotations: of an image that is not listed',
        'missing image', 'unreadable image', 'box beyond its image',
    ):  # fmt: skip
        assert f'dropped 1 times: {reason}' in done.out


def spoil(root, key, *records):
    path = root / 'annotations/instances_train2017.json'
    content = json.loads(path.read_text())
    content[key] += records
    path.write_text(json.dumps(content))


@pytest.mark.parametrize('identity', ['class', 'crop'])
@pytest.mark.parametrize(
    ('key', 'record', 'message'),
    [
        ('annotations', box(1, 2, 1), 'annotations: id 1 is used twice, the second time in image 2'),
        ('annotations', {'id': 9, 'category_id': 18}, 'image_id must be a whole number in'),
        ('annotations', box(9, '1', 18), 'image_id must be a whole number in'),
        ('annotations', box(9, True, 18), 'image_id must be a whole number in'),
        ('annotations', None, 'image_id must be a whole number in None'),
        ('annotations', box(2**64, 1, 18), 'a whole number beyond 64 bits'),
        ('images', image(1), 'images: id 1 is used twice'),
        (
            'images',
            dict(image(3), coco_url='', file_name='train2017/./000000000001.jpg'),
            'ids 1 and 3 have one',
        ),
        ('categories', {'id': 18, 'name': 'cat'}, "categories: id 18 is 'dog' and 'cat'"),
    ],
)
def test_what_makes_images_lack_what_they_show_is_refused(convert, tmp_path, key, record, message, identity):
    write(tmp_path, [image(1), image(2)], [box(1, 1, 18), box(2, 2, 18)])
    spoil(tmp_path, key, record)
    assert convert('coco', tmp_path, '--identity', identity).refused(message)
    assert not (tmp_path / f'train2017_{identity}.json').exists()


def test_categories_of_one_name_are_one_class(convert, tmp_path):
    annotations = [box(1, 1, 18), box(2, 2, 19), box(3, 3, 18), box(4, 3, 19), box(5, 3, 1), box(6, 4, 1)]
    images = [image(1), image(2), image(3), image(4)]
    write(tmp_path, images, annotations)
    spoil(tmp_path, 'categories', {'id': 19, 'name': 'dog'})
    done = convert('coco', tmp_path, '--identity', 'class')
    assert {name: [place for place, _ in places] for name, places in found(
        tmp_path / 'train2017_class.json', tmp_path
    ).items()} == {'dog': ['01', '02'], 'person': ['03', '04']}  # fmt: skip
    lacking = {1: ['person'], 2: ['person'], 4: ['dog']}
    assert read_absent(tmp_path / 'train2017_class.json') == {
        f'train2017/{number:012d}.jpg': names for number, names in lacking.items()
    }
    assert done.drops() == {'class more than once in an image': 2}


@pytest.mark.parametrize(
    'annotation', [dict(box(9, 2, 18), category_id='dog'), dict(box(9, 2, 18), id='9'), {'image_id': 2}]
)
def test_an_image_with_an_annotation_of_no_sound_class_is_left_out(convert, tmp_path, annotation):
    write(tmp_path, [image(1), image(2), image(3)], [box(1, 1, 18), box(2, 2, 1), box(3, 3, 1), annotation])
    done = convert('coco', tmp_path, '--identity', 'class')
    assert read_absent(tmp_path / 'train2017_class.json') == {
        'train2017/000000000001.jpg': ['person'],
        'train2017/000000000003.jpg': ['dog'],
    }
    assert done.drops()['image with an annotation of no sound class'] == 1
    assert '2 images, 2 boxes' in done.out


def test_no_class_is_taken_to_be_absent_where_its_boxes_were_dropped(convert, tmp_path):
    annotations = [box(1, 1, 18), box(2, 2, 18), box(3, 3, 18, iscrowd=1), box(4, 3, 1), box(5, 4, 1)]
    write(tmp_path, [image(number) for number in (1, 2, 3, 4)], annotations)
    convert('coco', tmp_path, '--identity', 'class')
    tracks = AnnotationFile(str(tmp_path / 'train2017_class.json'), str(tmp_path)).tracks()
    drawn = RandomEpisodes(per_track=40, negatives=1.0).episodes(0, tracks[0], tracks)
    assert {episode.query.path[-6:-4] for episode in drawn} == {'04'}
    assert tracks[0].elsewhere is None


def test_boxes_in_fractions_are_dropped(convert, tmp_path):
    write(tmp_path, [image(1), image(2)], [box(1, 1, 18), box(2, 2, 18, [0.25, 0.25, 0.375, 0.5])])
    done = convert('coco', tmp_path, '--identity', 'crop')
    assert 'dropped 1 times: box that looks like fractions of the image: give pixels' in done.out


def test_other_folders_are_refused(convert, tmp_path):
    assert convert('coco', tmp_path, '--identity', 'crop').refused('there are: none')
    write(tmp_path, [{'id': 1}], [], 'lvis_v1_train')
    assert convert('coco', tmp_path, '--identity', 'crop').refused('there are: lvis_v1_train.json')
    assert convert('coco', tmp_path, '--split', 'lvis_v1_train', '--identity', 'crop').refused(
        r"no list 'annotations'"
    )


def test_memory_does_not_grow_with_the_annotations(tmp_path):
    store_objects = runpy.run_path(str(ROOT / 'tools/dataset_converters/coco.py'))['store_objects']

    def peak(count):
        path = tmp_path / f'{count}.json'
        path.write_text(json.dumps({'annotations': [box(number, number // 5, 1) for number in range(count)]}))
        tracemalloc.start()
        objects = store_objects(path, DropCounter())
        assert sum(len(objects.take(image)) for image in range(count)) == count
        high = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return high

    peak(500)
    assert peak(8000) < 2 * peak(1000)


@pytest.mark.parametrize('folder', ['', 'val', 'images', 'images/val'])
def test_images_lie_where_labelling_tools_put_them(convert, tmp_path, folder):
    write_frame(tmp_path / folder / 'a.jpg', SIZE)
    images = [{'id': 1, 'width': SIZE[0], 'height': SIZE[1], 'file_name': 'a.jpg'}]
    content = {'images': images, 'annotations': [box(1, 1, 18)], 'categories': [{'id': 18, 'name': 'dog'}]}
    (tmp_path / 'annotations').mkdir()
    (tmp_path / 'annotations/val.json').write_text(json.dumps(content))
    done = convert('coco', tmp_path, '--split', 'val', '--identity', 'class')
    assert done.status == 0, done.err
    assert list(found(tmp_path / 'val_class.json', tmp_path)) == ['dog']
