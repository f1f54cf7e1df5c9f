"""Batches from data workers to the main process in one piece.

torch shares the memory of each tensor by an open file, and an episode has some
26 of them: what a few workers have prepared is more than the 1024 files that a
process may often open. Shared by name (``file_system``), memory would stay behind when
a run is killed.
"""

import io
import pickle
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import get_worker_info

#: Bytes. Tensors below are copied out, so that who keeps a box keeps no batch of images.
SMALL = 2**16
#: Bytes. Each tensor begins at a multiple of it.
_ALIGNED = 64


class Parcel:
    """Something picklable, its tensors in one; it unpickles as what is in it.

    Plain CPU tensors come out contiguous; other ones go through pickle.
    """

    def __init__(self, content: Any) -> None:
        packer = _Packer()
        packer.dump(content)
        self.message, self.tensors = packer.message.getvalue(), packer.together()

    def __reduce__(self) -> Any:
        return _unpack, (self.message, self.tensors)


def to_main_process(batch: Any) -> Any:
    """As a data worker should return it; anywhere else ``batch`` itself."""
    return batch if get_worker_info() is None else Parcel(batch)


class _Packer(pickle.Pickler):
    def __init__(self) -> None:
        self.message = io.BytesIO()
        super().__init__(self.message, pickle.HIGHEST_PROTOCOL)
        self._places: dict[int, tuple[int, Tensor]] = {}
        self._size = 0

    def persistent_id(self, obj: Any) -> Any:
        """Place, type and shape of a tensor: what is pickled in its stead."""
        if type(obj) is not Tensor or obj.device.type != 'cpu' or obj.requires_grad:
            return None
        if id(obj) not in self._places:
            self._places[id(obj)] = (self._size, obj)
            self._size += -(-obj.nbytes // _ALIGNED) * _ALIGNED
        return self._places[id(obj)][0], obj.dtype, tuple(obj.shape)

    def together(self) -> Tensor:
        """(bytes of all tensors,) uint8, in shared memory."""
        # As torch's own collate: share_memory_() would copy memory that is not written yet.
        shared = torch.UntypedStorage._new_shared(self._size)
        everything = torch.empty(0, dtype=torch.uint8).set_(shared)
        for start, tensor in self._places.values():
            _view(everything, start, tensor.dtype, tuple(tensor.shape)).copy_(tensor)
        return everything


class _Unpacker(pickle.Unpickler):
    def __init__(self, message: bytes, tensors: Tensor) -> None:
        super().__init__(io.BytesIO(message))
        self._tensors = tensors
        self._found: dict[int, Tensor] = {}

    def persistent_load(self, place: Any) -> Tensor:
        if place not in self._found:
            tensor = _view(self._tensors, *place)
            self._found[place] = tensor.clone() if tensor.nbytes < SMALL else tensor
        return self._found[place]


def _unpack(message: bytes, tensors: Tensor) -> Any:
    return _Unpacker(message, tensors).load()


def _view(everything: Tensor, start: int, dtype: torch.dtype, shape: tuple[int, ...]) -> Tensor:
    size = torch.Size(shape).numel() * dtype.itemsize
    return everything[start : start + size].view(dtype).view(shape)
