"""torchrun with an exit status that says whether the run can go on by --resume: 75, else torchrun's 1."""

import os
import sys

from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.run import main

if __name__ == '__main__':
    try:
        main()
    except SignalException:
        sys.exit(os.EX_TEMPFAIL)
    except ChildFailedError as error:
        if error.get_first_failure()[1].exitcode != os.EX_TEMPFAIL:
            raise
        sys.exit(os.EX_TEMPFAIL)
