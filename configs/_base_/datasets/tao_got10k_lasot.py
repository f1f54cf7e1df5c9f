"""TAO, GOT-10k and LaSOT together, as the paper's joint model trains; validated on TAO."""

_base_ = 'tao.py'

tao_train = _base_.train_dataloader.dataset
elsewhere = dict(tao_train, data_prefix=dict(img=''), episodes=dict(type='UniformSpanEpisodes', shots=4))
train_dataloader = dict(
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
