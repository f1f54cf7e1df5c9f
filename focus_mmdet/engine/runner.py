"""MMEngine's runner for models that no GPU holds whole."""

from contextlib import nullcontext
from typing import Any

from mmengine.registry import MODEL_WRAPPERS, RUNNERS
from mmengine.runner import Runner
from torch import nn

from focus_mmdet.models.vlm.loading import spread_later
from focus_mmdet.type_name import type_name

#: Hooks that a runner has by itself.
_MMENGINES = ('runtime_info', 'timer', 'sampler_seed', 'logger', 'param_scheduler', 'checkpoint')


@RUNNERS.register_module()
class FocusRunner(Runner):
    """A ``Runner`` that leaves weights in their files until ``FullyShardedModel`` has spread them.

    MMEngine's loads the model whole in every process and moves it to the GPU
    before it is wrapped. Any other model, and runs without a launcher, go its way.
    """

    @property
    def _spreads(self) -> bool:
        wrapper = self.cfg.get('model_wrapper_cfg')
        return bool(self.distributed and wrapper and type_name(wrapper) == 'FullyShardedModel')

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        with spread_later() if self._spreads else nullcontext():
            return super().build_model(model)

    def register_default_hooks(self, hooks: dict[str, Any] | None = None) -> None:
        """None leaves out any of the config's; MMEngine takes it for its own alone."""
        kept = {name: hook for name, hook in (hooks or {}).items() if hook is not None or name in _MMENGINES}
        super().register_default_hooks(kept)

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        if self._spreads:
            return MODEL_WRAPPERS.build(model_wrapper_cfg, default_args={'module': model})
        return super().wrap_model(model_wrapper_cfg, model)
