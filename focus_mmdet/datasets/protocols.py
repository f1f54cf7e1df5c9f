"""How each benchmark makes its episodes, by name."""

from typing import Any

#: Settings of an episode sampler but for ``shots``. The paper: one episode a
#: video, frames spread evenly, and in TAO its most frequent track. PerMIRS is
#: about telling objects of one class apart; that its queries must show another
#: one is our reading.
PROTOCOLS: dict[str, dict[str, Any]] = {
    'tao': dict(type='UniformSpanEpisodes', target='most_frequent'),
    'lasot': dict(type='UniformSpanEpisodes'),
    'got10k': dict(type='UniformSpanEpisodes'),
    'perseg': dict(type='UniformSpanEpisodes'),
    'permirs': dict(type='UniformSpanEpisodes', among_look_alikes=True),
}
