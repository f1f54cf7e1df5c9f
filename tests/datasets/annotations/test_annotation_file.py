"""Each mistake in an annotation file is named with its file and record."""

import copy
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from focus_mmdet.datasets import EpisodeDataset
from focus_mmdet.datasets.annotations.annotation_file import AnnotationFile
from focus_mmdet.datasets.conversion.manifest import write_manifest
from focus_mmdet.datasets.episodes.samplers import RandomEpisodes
from focus_mmdet.errors import InputError

PIPELINE: list = []


@pytest.fixture
def coco(tmp_path):
    """Two objects in three 40 x 30 images each, written to disk."""
    images, annotations = [], []
    for number in range(6):
        Image.fromarray(np.full((30, 40, 3), 40 * number, np.uint8)).save(tmp_path / f'{number}.png')
        images.append(
            dict(
                id=number,
                file_name=f'{number}.png',
                width=40,
                height=30,
                video_id=number // 3,
                frame_id=number,
            )
        )
        annotations.append(
            dict(
                id=number,
                image_id=number,
                instance_id=number // 3,
                bbox=[2 + number, 3, 10, 12],
                category_id=1,
            )
        )
    return dict(images=images, annotations=annotations, categories=[dict(id=1, name='object')])


def load(tmp_path, content, **options):
    (tmp_path / 'ann.json').write_text(content if isinstance(content, str) else json.dumps(content))
    options.setdefault('episodes', dict(type='UniformSpanEpisodes', shots=2))
    return EpisodeDataset(data_root=str(tmp_path), pipeline=PIPELINE, **{'ann_file': 'ann.json', **options})


def test_records_are_episodes_with_boxes_as_corners(tmp_path, coco):
    dataset = load(tmp_path, coco)
    assert len(dataset) == 2
    record = dataset.get_data_info(1)
    assert [frame['img_path'][-5:] for frame in record['supports']] == ['3.png', '4.png']
    assert record['img_path'].endswith('5.png')
    assert record['instances'][0]['bbox'] == [7, 3, 17, 15]
    assert [dataset.get_data_info(i)['img_id'] for i in range(2)] == [0, 1]


def change(key, index, **values):
    def apply(content):
        content[key][index].update(values)

    return apply


def remove(key, index, name):
    def apply(content):
        del content[key][index][name]

    return apply


MISTAKES = {
    'box of zeros': (change('annotations', 4, bbox=[0, 0, 0, 0]), r'annotations\[4\].*empty'),
    'box outside': (change('annotations', 4, bbox=[35, 3, 10, 12]), r'annotations\[4\].*outside its 40 x 30'),
    'box not numbers': (change('annotations', 4, bbox=[1, 2, 'x', 4]), r'annotations\[4\].*four finite'),
    'box of three': (change('annotations', 4, bbox=[1, 2, 3]), r'annotations\[4\].*four finite'),
    'box NaN': (change('annotations', 4, bbox=[1, 2, float('nan'), 4]), r'annotations\[4\].*four finite'),
    'unknown key': (change('annotations', 4, instanceid=3), r'annotations\[4\].*unknown key instanceid'),
    'no instance': (remove('annotations', 4, 'instance_id'), r'annotations\[4\].*missing instance_id'),
    'no such image': (change('annotations', 4, image_id=99), r'annotations\[4\].*image_id 99'),
    'missing file': (
        change('images', 4, file_name='gone.png'),
        r'annotations\[4\].*gone\.png does not exist',
    ),
    'wrong size': (change('images', 4, width=41), r'annotations\[4\].*4\.png: the image is 40 x 30'),
    'inverted by clipping': (change('annotations', 4, bbox=[40.2, 3, 0.5, 5]), r'annotations\[4\].*outside'),
    'list as id': (change('annotations', 4, instance_id=[1]), r'annotations\[4\].*instance_id must be'),
    'boolean box': (change('annotations', 4, bbox=[True, 1, 2, 3]), r'annotations\[4\].*four finite'),
    'huge box': (change('annotations', 4, bbox=[1, 1, 10**400, 3]), r'annotations\[4\].*four finite'),
    'no frame': (remove('images', 4, 'frame_id'), r'images\[4\].*missing frame_id'),
    'frame null': (change('images', 4, frame_id=None), r'images\[4\].*frame_id must be'),
    'crowd': (change('annotations', 4, iscrowd=1), r'annotations\[4\].*a crowd is not one object'),
    'frame twice': (change('images', 4, frame_id=3), r'images\[4\].*frame_id 3 twice'),
    'twice in a frame': (change('annotations', 4, image_id=3), r'annotations\[4\].*two boxes in one frame'),
    'box null': (change('annotations', 4, bbox=None), r'annotations\[4\].*bbox is null'),
    'box in fractions': (
        change('annotations', 4, bbox=[0.25, 0.25, 0.375, 0.5]),
        r'annotations\[4\].*looks like fractions of the image: give pixels',
    ),
    'box below a pixel': (change('annotations', 4, bbox=[3, 4, 0.9, 9]), r'annotations\[4\].*smaller than a'),
    'box cut below a pixel': (change('annotations', 4, bbox=[39.5, 4, 1.2, 9]), r'smaller than a pixel'),
    'two ids of a file': (
        change('images', 4, file_name='./3.png'),
        r'images\[4\]: file_name 3.png has two image ids, 3 and 4',
    ),
    'no file name': (change('images', 4, file_name=None), r'annotations\[4\].*file_name must be'),
    'leaves the root': (change('images', 4, file_name='../4.png'), r'annotations\[4\].*leaves the data root'),
    'absolute': (change('images', 4, file_name='/4.png'), r'annotations\[4\].*allow_outside'),
    'list as class': (change('annotations', 4, category_id=[1]), r'annotations\[4\].*category_id must be'),
}


@pytest.mark.parametrize('name', MISTAKES)
def test_a_bad_record_is_an_error_or_dropped(tmp_path, coco, name):
    spoil, message = MISTAKES[name]
    spoil(coco)
    with pytest.raises(InputError, match=message) as error:
        load(tmp_path, coco)
    assert 'ann.json' in str(error.value)
    # Without that record the second object is one image short of two shots.
    assert len(load(tmp_path, coco, bad_records='drop')) == 1


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        ('{', 'not valid JSON'),
        ('{"images": [' + '9' * 5000 + ']}', 'not valid JSON'),
        ('[]', 'JSON object'),
        ('{"images": []}', "no list 'annotations'"),
        ('{"images": [], "annotations": []}', 'no episode'),
    ],
)
def test_files_that_are_no_annotations(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        load(tmp_path, content)


@pytest.mark.parametrize(
    ('value', 'message'),
    [
        (7, r'image id 4: absent must be a list'),
        ([1], r'image id 4: instance_id 1 is absent, yet'),
        ([[1]], r'image id 4: absent must be a whole number'),
        (['1'], r"image id 4: absent names instance_id '1', which is nowhere else; 1 is, and a number"),
    ],
)
def test_absence_is_read_and_checked(tmp_path, coco, value, message):
    coco['images'][2]['absent'] = [1]
    (tmp_path / 'ann.json').write_text(json.dumps(coco))
    first, second = AnnotationFile(str(tmp_path / 'ann.json'), str(tmp_path)).tracks()
    assert not first.absent
    assert [(frame.path[-5:], frame.box) for frame in second.absent] == [('2.png', None)]
    coco['images'][4]['absent'] = value
    with pytest.raises(InputError, match=message):
        load(tmp_path, coco)
    assert len(load(tmp_path, coco, bad_records='drop')) == 2


@pytest.mark.parametrize('slip', ['absnt', 'Absent', 'absence', 'absents'])
def test_a_key_that_is_almost_absent_is_no_word_to_pass_over(tmp_path, coco, slip):
    coco['images'][2][slip] = [1]
    with pytest.raises(InputError, match=rf"images\[2\]: '{slip}' is not read; 'absent' is"):
        load(tmp_path, coco)
    coco['images'][2]['absent'] = coco['images'][2].pop(slip)
    coco['images'][2].update(license=1, scene='kitchen', absent_kind='x')
    load(tmp_path, coco)
    coco['instances'] = [dict(id=1), dict(id=2, absense='listed')]
    with pytest.raises(InputError, match=r"instances\[1\]: 'absense' is not read; 'absence' is"):
        load(tmp_path, coco)
    coco['instances'] = 7
    with pytest.raises(InputError, match="no list 'instances'"):
        load(tmp_path, coco)


@pytest.mark.parametrize(('given', 'near'), [('0', "'0' is not in images; 0 is"), (9, '9 is not in images$')])
def test_an_image_id_of_another_spelling_is_pointed_out(tmp_path, coco, given, near):
    coco['annotations'][0]['image_id'] = given
    with pytest.raises(InputError, match=near):
        load(tmp_path, coco)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (dict(ann_file=None), 'ann_file=None: give the path'),
        (dict(filter_cfg=dict(filter_empty_gt=True)), 'filter_cfg=.*not filtered'),
        (dict(data_prefix=dict(image='pictures/')), 'data_prefix: image is not read'),
        (dict(data_prefix=dict(img_path='pictures/')), 'data_prefix: img_path is not read'),
        (dict(metainfo=dict(classes=('cat', 'dog'))), r"metainfo\.classes=\('cat', 'dog'\)"),
        (dict(metainfo=dict(classes='object')), 'metainfo.classes'),
    ],
)
def test_what_other_detection_datasets_take_is_not_passed_over(tmp_path, coco, options, message):
    with pytest.raises(InputError, match=message):
        load(tmp_path, coco, **options)


def test_frames_know_the_other_objects_and_which_are_alike(tmp_path, coco):
    coco['annotations'] += [
        dict(id=6, image_id=0, instance_id=7, bbox=[1, 1, 5, 5], category_id=1),
        dict(id=7, image_id=0, instance_id=8, bbox=[3, 1, 5, 5], category_id=2),
    ]
    (tmp_path / 'ann.json').write_text(json.dumps(coco))
    frame = AnnotationFile(str(tmp_path / 'ann.json'), str(tmp_path)).tracks()[0].frames[0]
    assert frame.others == ((1, 1, 6, 6), (3, 1, 8, 6))
    assert frame.alike == [True, False]


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r'nowhere\.json'):
        EpisodeDataset(
            data_root=str(tmp_path),
            ann_file='nowhere.json',
            episodes=dict(type='UniformSpanEpisodes'),
            pipeline=PIPELINE,
        )


def test_an_object_with_too_few_images_is_named(tmp_path, coco):
    with pytest.raises(InputError, match=r'ann\.json: instance_id 0: 3 images .* 4 shots need 5'):
        load(tmp_path, coco, episodes=dict(type='UniformSpanEpisodes', shots=4))


def test_duplicate_image_ids_are_an_error_even_when_dropping(tmp_path, coco):
    coco['images'][1]['id'] = 0
    with pytest.raises(InputError, match=r'images\[1\].*used twice'):
        load(tmp_path, coco, bad_records='drop')


def frame(number, **changes):
    return dict(file_name=f'{number}.png', width=40, height=30, bbox=[2, 3, 10, 12]) | changes


def test_a_manifest_lists_its_episodes(tmp_path, coco):
    manifest = dict(episodes=[dict(id=7, supports=[frame(0), frame(1)], query=frame(2))])
    dataset = load(tmp_path, manifest, episodes=None)
    assert len(dataset) == 1
    assert len(dataset.get_data_info(0)['supports']) == 2


@pytest.mark.parametrize(
    ('record', 'message'),
    [
        (dict(supports=[], query=frame(1)), r'episodes\[1\].*at least one'),
        (dict(supports=[frame(0)]), r'episodes\[1\].*missing query'),
        (dict(supports=[frame(0)], query=frame(1, score=1)), r'episodes\[1\] query: unknown key score'),
        (dict(supports=[frame(0, bbox=[0, 0, 0, 0])], query=frame(1)), r'supports\[0\].*empty'),
        (dict(supports=[frame(0, bbox=None)], query=frame(1)), r'supports\[0\].*only a query'),
        (dict(supports=[frame(0)], query=frame(1, bbox=[0.1, 0.1, 0.5, 0.9])), r'query.*fractions'),
        (
            dict(supports=[frame(0)], query=frame(1, distractors=[[0, 0, 0.5, 0.5]], look_alikes=[True])),
            r'query distractors.*fractions',
        ),
        (dict(supports=[frame(0)], query=frame(1, file_name='../1.png')), r'query.*leaves the data root'),
        (dict(supports=[frame(0)], query=frame(1, absent_kind='in_class')), r'query: absent_kind.*null'),
        (
            dict(supports=[frame(0)], query=frame(1, bbox=None, absent_kind='odd')),
            r"absent_kind 'odd': one of",
        ),
        (dict(supports=[frame(0)], query=frame(1, look_alikes=[True])), r'query.*two lists of one length'),
        (
            dict(supports=[frame(0)], query=frame(1, distractors=[[1, 1, 5, 5]], look_alikes=['False'])),
            r'booleans',
        ),
        (dict(supports=[frame(0)], query=frame(9)), r'9\.png does not exist'),
    ],
)
def test_bad_episodes_of_a_manifest(tmp_path, coco, record, message):
    good = dict(supports=[frame(0)], query=frame(1))
    manifest = dict(episodes=[good, record])
    with pytest.raises(InputError, match=message):
        load(tmp_path, copy.deepcopy(manifest), episodes=None)
    assert len(load(tmp_path, manifest, episodes=None, bad_records='drop')) == 1


@pytest.mark.parametrize('kind', ['in_class', 'out_of_class', None])
def test_the_kind_of_an_absent_object_reaches_the_metric(tmp_path, coco, kind):
    known = {} if kind is None else {'absent_kind': kind}
    manifest = dict(episodes=[dict(supports=[frame(0)], query=frame(1, bbox=None, **known))])
    episodes = load(tmp_path, manifest, episodes=None)
    assert episodes.get_data_info(0)['absent_kind'] == kind
    (tmp_path / 'ann.json').write_text(json.dumps(manifest))
    listed = AnnotationFile(str(tmp_path / 'ann.json'), str(tmp_path)).episodes()
    write_manifest(tmp_path / 'again.json', listed, tmp_path, tmp_path / 'ann.json', {}, 0)
    steps = [dict(type='LoadFrame'), dict(type='LoadAnnotations', with_bbox=True)]
    pipeline = [dict(type='ForEachFrame', transforms=steps), dict(type='PackEpisodeInputs')]
    again = EpisodeDataset(data_root=str(tmp_path), ann_file='again.json', pipeline=pipeline)
    assert again[0]['data_samples'].absent_kind == kind


def test_what_a_manifest_cannot_hold_is_known_of_the_whole_of_it_alone(tmp_path, coco):
    episode = dict(supports=[frame(0)], query=frame(1))
    manifest = dict(info=dict(unjudged=['7: missing image']), episodes=[episode, episode])
    first, second = load(tmp_path, manifest, episodes=None)
    assert first['unjudged'] == ['7: missing image']
    assert 'unjudged' not in second
    assert 'unjudged' not in load(tmp_path, manifest, episodes=None, indices=1)[0]
    for wrong in (3, [7]):
        with pytest.raises(InputError, match=r'ann\.json: info\.unjudged must be a list of strings'):
            load(tmp_path, {**manifest, 'info': dict(unjudged=wrong)}, episodes=None)


def test_episode_settings_that_contradict_the_file(tmp_path, coco):
    with pytest.raises(InputError, match='how to pick'):
        load(tmp_path, coco, episodes=None)
    manifest = dict(episodes=[dict(supports=[frame(0)], query=frame(1))])
    with pytest.raises(InputError, match='set episodes=None'):
        load(tmp_path, manifest)


@pytest.mark.parametrize('content', [b'', b'no image'])
def test_unreadable_images_are_found_before_training(tmp_path, coco, content):
    (tmp_path / '4.png').write_bytes(content)
    with pytest.raises(InputError, match=r'annotations\[4\].*4\.png cannot be read'):
        load(tmp_path, coco)
    assert len(load(tmp_path, coco, bad_records='drop')) == 1


def test_a_turned_photograph_counts_as_it_is_shown(tmp_path, coco):
    turned = Image.new('RGB', (30, 40))
    exif = Image.Exif()
    exif[0x0112] = 6
    turned.save(tmp_path / '4.jpg', exif=exif)
    coco['images'][4]['file_name'] = '4.jpg'
    assert len(load(tmp_path, coco)) == 2


@pytest.mark.parametrize(
    ('part', 'key', 'message'),
    [
        ('images', 'id', r'id is 1 in images\[1\], and the text "1" in images\[4\]'),
        ('images', 'video_id', r'video_id is 1 in images\[3\], and the text "1" in images\[4\]'),
        ('annotations', 'instance_id', r'instance_id is 1 in annotations\[3\], and the text'),
        ('annotations', 'category_id', r'category_id is 1 in annotations\[0\], and the text'),
    ],
)
def test_a_number_and_the_same_as_text_are_not_two_ids(tmp_path, coco, part, key, message):
    coco[part][4][key] = '1'
    for handling in ('error', 'drop'):
        with pytest.raises(InputError, match=message):
            load(tmp_path, coco, bad_records=handling)


def test_frames_with_text_for_numbers_are_in_the_order_of_the_numbers(tmp_path, coco):
    for image, frame, video in zip(coco['images'][:3], ('10', '8', '9'), ('v', 'v', 'v'), strict=True):
        image.update(frame_id=frame, video_id=video)
    for image, video in zip(coco['images'][3:], ('b/10.png', 'b/9.png', 'b/2.png'), strict=True):
        image.update(frame_id=0, video_id=video)
    (tmp_path / 'ann.json').write_text(json.dumps(coco))
    first, second = AnnotationFile(str(tmp_path / 'ann.json'), str(tmp_path)).tracks()
    assert [(frame.path[-5:], frame.number) for frame in first.frames] == [
        ('1.png', 8), ('2.png', 9), ('0.png', 10)
    ]  # fmt: skip
    assert [frame.path[-5:] for frame in second.frames] == ['5.png', '4.png', '3.png']
    coco['images'][2]['frame_id'] = 8
    with pytest.raises(InputError, match='frame_id 8 twice'):
        load(tmp_path, coco)


def negatives(tmp_path, content, instance):
    """Images that are asked for an object as if they lacked it."""
    (tmp_path / 'ann.json').write_text(json.dumps(content))
    tracks = AnnotationFile(str(tmp_path / 'ann.json'), str(tmp_path), drop_bad=True).tracks()
    (track,) = [track for track in tracks if track.name == f'instance_id {instance}']
    sampler = RandomEpisodes(per_track=40, negatives=1.0)
    try:
        drawn = sampler.episodes(0, track, tracks)
    except InputError:
        return set()
    return {Path(episode.query.path).name for episode in drawn}


@pytest.fixture
def three(tmp_path, coco):
    """A third object and video, and a record that says that object 0 is also in image 3 of video 1."""
    for number in (6, 7):
        Image.new('RGB', (40, 30)).save(tmp_path / f'{number}.png')
        image = dict(coco['images'][0], id=number, file_name=f'{number}.png', video_id=2, frame_id=number)
        coco['images'].append(image)
        coco['annotations'].append(dict(coco['annotations'][0], id=number, image_id=number, instance_id=2))
    coco['annotations'].append(dict(coco['annotations'][0], id=99, image_id=3))
    return coco


@pytest.mark.parametrize(
    ('spoil', 'expected'),
    [
        (change('annotations', -1, bbox=[1, 2, 3, 4]), {'6.png', '7.png'}),
        (change('annotations', -1, bbox=[0, 0, 0, 0]), {'6.png', '7.png'}),
        (change('annotations', -1, iscrowd=1), {'6.png', '7.png'}),
        (change('annotations', -1, score=1), {'6.png', '7.png'}),
        (remove('annotations', -1, 'instance_id'), {'6.png', '7.png'}),
        (change('annotations', 3, bbox=None), {'6.png', '7.png'}),
        (remove('images', 3, 'frame_id'), {'6.png', '7.png'}),
        (change('images', 3, file_name='gone.png'), {'6.png', '7.png'}),
        (change('images', 3, file_name='0.png'), {'6.png', '7.png'}),
        (change('annotations', -1, image_id=99), set()),
        (remove('annotations', -1, 'image_id'), set()),
        (remove('images', 3, 'video_id'), set()),
        (lambda content: content['annotations'].append(None), set()),
        (lambda content: content.update(instances=[dict(id=0, absence='listed')]), set()),
    ],
)
def test_what_was_left_out_never_counts_as_absent(tmp_path, three, spoil, expected):
    spoil(three)
    assert negatives(tmp_path, three, 0) == expected


def test_an_image_with_a_bad_record_lists_nothing_as_absent(tmp_path, three):
    three['images'][3]['absent'] = three['images'][4]['absent'] = [0]
    three['annotations'][-1]['bbox'] = [0, 0, 0, 0]
    assert negatives(tmp_path, three, 0) == {'4.png'}


def test_an_image_with_a_bad_record_is_left_out_whole(tmp_path, three):
    three['annotations'][-1]['bbox'] = [0, 0, 0, 0]
    (tmp_path / 'ann.json').write_text(json.dumps(three))
    file = AnnotationFile(str(tmp_path / 'ann.json'), str(tmp_path), drop_bad=True)
    assert [frame.path[-5:] for frame in file.tracks()[1].frames] == ['4.png', '5.png']
    assert len(file.dropped) == 1


def test_an_absence_of_another_kind_is_named(tmp_path, coco):
    coco['instances'] = [dict(id=0, absence='all')]
    with pytest.raises(InputError, match=r"instances\[0\]: absence is 'listed' or left out, not 'all'"):
        load(tmp_path, coco)


def test_images_outside_the_data_root_are_taken_where_a_key_allows_it(tmp_path, coco):
    (tmp_path / 'data/part').mkdir(parents=True)
    for number, name in enumerate(('../../0.png', str(tmp_path / '1.png'))):
        coco['images'][number]['file_name'] = name
    for number in (2, 3, 4, 5):
        name = f'../{number}.png' if number == 2 else f'{number}.png'
        coco['images'][number]['file_name'] = name
        (tmp_path / 'data/part' / name).symlink_to(tmp_path / f'{number}.png')
    text = json.dumps(coco)
    (tmp_path / 'data/ann.json').write_text(text)
    options = dict(
        data_root=str(tmp_path / 'data'),
        ann_file='ann.json',
        data_prefix=dict(img='part/'),
        episodes=dict(type='UniformSpanEpisodes'),
        pipeline=PIPELINE,
    )
    with pytest.raises(InputError, match=r"annotations\[0\].*file_name '../../0.png' leaves the data root"):
        EpisodeDataset(**options)
    assert len(EpisodeDataset(**options, allow_outside=True)) == 2
    # '../2.png' leaves the folder of the images, and not the data root.
    del coco['images'][:2], coco['annotations'][:2]
    coco['annotations'].append(dict(coco['annotations'][0], image_id=5))
    (tmp_path / 'data/ann.json').write_text(json.dumps(coco))
    assert len(EpisodeDataset(**options)) == 2


def test_a_name_in_another_unicode_form_is_told_from_a_missing_file(tmp_path, coco):
    (tmp_path / 'cafe\u0301').mkdir()
    (tmp_path / '4.png').rename(tmp_path / 'cafe\u0301/\u00e9.png')
    coco['images'][4]['file_name'] = 'caf\u00e9/\u00e9.png'
    with pytest.raises(InputError, match='the same name in another Unicode form') as error:
        load(tmp_path, coco)
    assert 'cafe\u0301/\u00e9.png is there' in str(error.value)
    coco['images'][4]['file_name'] = 'gone.png'
    with pytest.raises(InputError, match=r'gone\.png does not exist') as error:
        load(tmp_path, coco)
    assert 'Unicode' not in str(error.value)


def test_ids_may_be_numbers_or_strings(tmp_path, coco):
    for annotation in coco['annotations'][:3]:
        annotation['instance_id'] = 'mug'
    coco['images'][0]['frame_id'] = 'a'
    dataset = load(tmp_path, coco)
    assert [frame['img_path'][-5:] for frame in dataset.get_data_info(1)['supports']] == ['1.png', '2.png']


def test_a_byte_order_mark_is_no_obstacle_and_other_encodings_are_named(tmp_path, coco):
    (tmp_path / 'bom.json').write_text(json.dumps(coco), encoding='utf-8-sig')
    (tmp_path / 'wide.json').write_text(json.dumps(coco), encoding='utf-16')
    options = dict(data_root=str(tmp_path), episodes=dict(type='UniformSpanEpisodes'), pipeline=PIPELINE)
    assert len(EpisodeDataset(ann_file='bom.json', **options)) == 2
    with pytest.raises(InputError, match=r'wide\.json: not UTF-8'):
        EpisodeDataset(ann_file='wide.json', **options)


def test_unknown_keys_of_a_manifest_are_named(tmp_path, coco):
    manifest = dict(episodes=[dict(supports=[frame(0)], query=frame(1))], episods=[])
    with pytest.raises(InputError, match='unknown key episods'):
        load(tmp_path, manifest, episodes=None)
    with pytest.raises(InputError, match="no list 'episodes'"):
        load(tmp_path, dict(episodes=None), episodes=None)


@pytest.mark.parametrize('shots', [0, -1, [], 1.5, 'two', [1, 0]])
@pytest.mark.parametrize('kind', ['UniformSpanEpisodes', 'RandomEpisodes'])
def test_shots_that_make_no_sense_are_named(tmp_path, coco, shots, kind):
    with pytest.raises(InputError, match=r'episodes\.shots'):
        load(tmp_path, coco, episodes=dict(type=kind, shots=shots))
