"""TAO, GOT-10k and LaSOT together, as the paper's joint model trains; validated on TAO.

The mix is not stated. By equal weights each is drawn equally often, whatever its size.

python tools/dataset_converters/tao.py data/tao --split train
python tools/dataset_converters/tao.py data/tao --split validation
python tools/dataset_converters/make_episodes.py data/tao/validation.json \
    data/tao/validation_4shots.json --image-root data/tao/frames --protocol tao --shots 4
python tools/dataset_converters/got10k.py data/got10k --split train
python tools/dataset_converters/lasot.py data/lasot --split train
"""

_base_ = 'tao.py'

tao_train = _base_.train_dataloader.dataset
elsewhere = dict(tao_train, data_prefix=dict(img=''), episodes=dict(type='UniformSpanEpisodes', shots=4))
train_dataloader = dict(
    sampler=dict(
        _delete_=True,
        type='WeightedDatasetSampler',
        weights=dict(tao=1.0, got10k=1.0, lasot=1.0),
    ),
    dataset=dict(
        _delete_=True,
        type='ConcatDataset',
        datasets=[
            tao_train,
            dict(elsewhere, data_root='data/got10k/'),
            dict(elsewhere, data_root='data/lasot/'),
        ],
    ),
)
